"""The sample texts, newest first, and what the about page says. All written for this example."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    title: str
    medium: str
    year: int
    tags: str
    summary: str
    body: str
    picture: tuple = ()  # style, palette, description


TEXTS = [
    Text(
        "Inventory of a windowsill",
        "Poem",
        2025,
        "kitchen, morning",
        "Seven things, and the light that goes over them like a clerk.",
        """One jar of buttons, none of which match.
One snail shell, let to a spider.
A key that has outlived its door.

A lemon that was going to be a drawing.
The drawing, which was going to be a lemon.

Then the light comes over the roofs,
counts everything with one long finger,
finds nothing missing,
and signs.""",
    ),
    Text(
        "The woman who mended umbrellas",
        "Short prose",
        2025,
        "town, weather",
        "She had her shop in the passage where it never rained.",
        """She had her shop in the passage behind the station, the one with the glass roof, where it never rained. People thought this was a poor place for the trade. She thought it was the only honest one: nobody should buy an umbrella while wet, just as nobody should choose a dog while lonely.

The broken ones hung from the ceiling like bats with their papers in order. She knew each by its injury. Wind from below, she would say, turning a bent rib towards the lamp. Or: a taxi door. Or, more gently: you threw this.

When she retired, the town had its driest summer in forty years. In September the first gust came up the hill, and on every corner people stopped, opened their umbrellas, and heard the small, exact click of something that had been put right.""",
        (
            "windows",
            "#1f2e45 #6c7a93 #4a5873 #141c2b #ffe0a0 #f9b46b",
            "Grey blue houses with a few lit windows",
        ),
    ),
    Text(
        "What the hills are for",
        "Poem",
        2025,
        "hills, evening",
        "For leaning the evening against.",
        """For leaning the evening against.
For keeping the next valley a rumour.

For the one tree that is always on the edge
of every photograph, waving.

For teaching the road to change its mind,
and teaching it again.

For being drawn with one line
by somebody late for supper
who looks up, and takes off her coat.""",
    ),
    Text(
        "Notes on blue",
        "Essay, short",
        2025,
        "blue, colour",
        "You cannot buy the one you mean.",
        """You cannot buy the one you mean. I have eleven tubes of it in a biscuit tin, and each was the right one in the shop. The one I mean is on the underside of a spoon at six in the evening, and on the third hill from the front, never the second.

My teacher mixed hers from two reds and a mistake. She said that blue is what is left when you have taken away everything that wanted your attention. She also said that you could tell a painter's age by how much of it was on the cuffs.

I keep the tin on the windowsill. In the morning the labels fade a little more: the names go first, then the numbers. In a few years there will be eleven tubes of blue in it, and I will have to open them to find out which.""",
        (
            "wash",
            "#f8f5ef #23527c #3f7cac #95afba #bdc4a7 #17202c",
            "Washes of several blues on white paper",
        ),
    ),
    Text(
        "Timetable",
        "Poem",
        2025,
        "town, night",
        "The last bus leaves at eleven fifty, and again in a dream.",
        """The last bus leaves at eleven fifty,
and again in a dream at four.

In the first one I know the driver.
In the second I am the driver
and everybody knows the way but me.

They ring the bell so kindly.
One after another they get off
in places that I loved and had forgotten,
and thank me, and the doors sigh shut.""",
    ),
    Text(
        "A short history of the pier",
        "Short prose",
        2024,
        "sea, town",
        "It was built to reach something.",
        """It was built to reach something. The plans in the museum show the shore, the first forty pillars, and then an arrow. What the arrow points at was on the next sheet, and the next sheet was lent to a cousin of the engineer.

For a hundred years people have walked to the end and looked. Some see France. Some see the weather. A man I know proposed there, and was asked to do it again on land, where one could be sure.

In winter the sea takes a plank or two, and in spring the town puts new ones in their place. By now there is nothing left of the first pier but its direction. That, the harbour master says, is the part you have to paint every year.""",
    ),
    Text(
        "Recipe for a grey day",
        "Poem",
        2024,
        "weather, kitchen",
        "Take one onion, and be told by it.",
        """Take one onion, and be told by it.
Take butter, more than that.

Let the radio talk to the stairs.
Let the rain do the washing-up outside.

Stir until the window
is something you could draw on,
and draw on it:

a sun, badly,
with all its legs.""",
    ),
    Text(
        "The apprentice",
        "Short prose",
        2024,
        "colour, words",
        "For the first year he was allowed to wash the brushes.",
        """For the first year he was allowed to wash the brushes, and he washed them as if they had been somewhere. In the second year he stretched canvas. In the third she let him paint the part of the sky that would be behind the tree.

Nobody will see it, he said. No, she said, and showed him how to get the light in.

Long afterwards, when he had pupils of his own and a cough, somebody brought the picture in to be cleaned. The tree had been a poor green, and it had faded. Through the leaves, in small bright pieces, came his sky.""",
        (
            "dusk",
            "#7fa6c9 #cfdde2 #f4e6cf #fff8e6 #9cb19a #2f4a3f",
            "Green hills under a pale, clear sky",
        ),
    ),
    Text(
        "Snail, crossing",
        "Poem",
        2024,
        "garden",
        "It has left a line so that it can be told it was here.",
        """All night it drew one line
from the rhubarb to the wall.

No sketch. No second thoughts.
No looking at it from the door
with one eye closed.

By noon the sun had bought it.""",
    ),
    Text(
        "House rules",
        "List",
        2024,
        "kitchen, words",
        "For guests, ghosts, and those who have not decided.",
        """The third stair complains to everybody; do not take it personally.
The good cup is the one without a handle.
Whoever wakes first is the weather.

Books may be borrowed by those who bend them.
Doors are closed by looking at them twice.

If you hear singing from the studio, it is going well.
If you hear sweeping, it is going better.""",
    ),
    Text(
        "The year we kept the door open",
        "Short prose",
        2023,
        "town, summer",
        "The lock broke in May and the locksmith was in love.",
        """The lock broke in May, and the locksmith was in love, so we kept the door open. At first we put a chair in front of it. Then somebody needed the chair.

By June the neighbours' children came through on their way to the river and left wet commas all along the hall. In July a dog moved in, stayed for eleven days, and left without a word. A man asked for the dentist; we told him two doors down, and he told us, with one cheek, about his sister in Lisbon.

In October the locksmith came, married, and put in a lock so fine that you could not hear it. That evening we sat in the kitchen, safe as spoons, and every few minutes one of us got up to see who was there.""",
    ),
    Text(
        "Instructions for looking",
        "Poem",
        2023,
        "words, colour",
        "Stand where the floor is worn.",
        """Stand where the floor is worn.
Somebody has found the place for you.

Let the picture be rude.
Let it finish.

Now step to the side, as for a stranger
with a tray of glasses,

and look at what it was looking at
while you were in the way.""",
    ),
]

NAME = "Mirela Sand"
TAGLINE = "Pictures of hills, kitchens and weather, and short things to read beside them."
ABOUT = """I paint, print and cut paper in a former bakery near the sea. The oven is still there; it holds the good paper, because it is the driest place in the house.

Most of what I make begins outdoors, on my knees or on a bus, and is finished at a table between jars that ought to have been washed. I like things that wait: vessels, hills, people at windows. The texts come from the backs of the drawings.

Works have hung in rehearsal rooms, waiting rooms and two proper galleries. Some are for sale, most are on loan to whoever is looking.

Mirela Sand does not exist. She, her pictures and her texts were made up for this example site, and the pictures are drawn by the program itself."""
PORTRAIT = (
    "still",
    "#d9c3a5 #8a5a44 #f3e7d3 #2f5d62 #c8553d #e0a458 #5b6c5d",
    "Jars and bottles on the studio table",
)
