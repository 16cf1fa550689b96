"""The sample pictures: for each work its style, palette, and what its pictures show.

Newest first. The first picture of a work is drawn larger than those after it.
"""

from dataclasses import dataclass

SHAPES = {
    "landscape": (1440, 1080),
    "wide": (1600, 1000),
    "square": (1200, 1200),
    "portrait": (1120, 1400),
    "tall": (1008, 1440),
}


@dataclass(frozen=True)
class Work:
    title: str
    style: str
    shape: str
    palette: str
    medium: str
    dimensions: str
    year: int
    tags: str
    summary: str
    body: str
    pictures: tuple  # of (description, caption)


WORKS = [
    Work(
        "Last light over the saddle",
        "dusk",
        "wide",
        "#2b3a67 #b56576 #f7c59f #ffe8c2 #8d6a86 #1d1e3a",
        "Gouache on paper",
        "60 × 38 cm",
        2025,
        "hills, evening, blue",
        "Six ridges and the four minutes in which all of them are violet.",
        "Painted from the same bench on five evenings. The hills stayed where they were; "
        "everything else had to be put down before it left.\n\nThe smaller studies were made "
        "first, with a brush too large for them, so that I could not fuss.",
        (
            ("Violet ridges behind one another under a pale setting sun", ""),
            ("The same hills with the sun lower and further to the side", "First study"),
            ("Ridges in violet mist, a few birds below the sun", "Second study"),
        ),
    ),
    Work(
        "Five who wait",
        "still",
        "landscape",
        "#b9b3a2 #8d7a66 #e6ddca #5f7580 #a8553f #c9a86a #44504a",
        "Oil on panel",
        "40 × 30 cm",
        2025,
        "still life, kitchen",
        "Vessels from my grandmother's shelf, in the order in which she never put them.",
        "Nobody in this family threw a jug away. I set them on the table in the window light "
        "and moved them until they stopped looking like a row.",
        (
            ("Bottles, a vase and a bowl on a brown table before a grey wall", ""),
            ("The vessels in another order, with longer shadows", "Morning arrangement"),
        ),
    ),
    Work(
        "Hedge bank, July",
        "meadow",
        "portrait",
        "#f4ead5 #e7c9a0 #8fa26b #233524 #c8452f #e8a13a #f5efe6",
        "Ink and watercolour",
        "32 × 40 cm",
        2025,
        "garden, summer",
        "What grows where the mower cannot reach.",
        "Hogweed, poppies, something that may be sorrel. I drew them kneeling, which is the "
        "right height for most things that grow.",
        (
            ("Umbels, poppies and grasses against warm evening paper", ""),
            ("A thicker tangle of the same plants", "Detail from the left of the bank"),
            ("Stems and seed heads with more sky", "Detail from the right"),
        ),
    ),
    Work(
        "Well",
        "paper",
        "square",
        "#16213e #2f4b7c #8f5d8f #e07a7b #ffb37b #ffe3b8",
        "Cut paper, nine sheets",
        "50 × 50 cm",
        2025,
        "paper, blue",
        "Nine sheets of paper and the dark that collects between them.",
        "Every sheet was cut freehand after the one below it was glued, so each edge is an "
        "answer. The blue at the bottom is the cover of an old school atlas.",
        (
            ("Sheets of peach, rose and violet paper cut open down to dark blue", ""),
            ("A second stack of sheets with a wider opening", "Companion piece"),
        ),
    ),
    Work(
        "Everyone is still up",
        "windows",
        "tall",
        "#0d1b3e #5b4b7a #3c3f6b #0e1128 #ffd27a #ff9f5a",
        "Linocut, four plates",
        "28 × 40 cm",
        2025,
        "town, night, blue",
        "The view from the fourth floor on the night before the holidays.",
        "I counted the lit windows until I lost count, and then I cut them out one by one, "
        "which is a way of counting too.",
        (
            ("A town at night, roofs behind roofs, many windows lit orange", ""),
            ("Another part of the town under the same moon", "State II"),
        ),
    ),
    Work(
        "Kitchen floor, remembered",
        "tiles",
        "square",
        "#f3e9d8 #d8572a #1b4353 #f0b541 #7d9d9c",
        "Screen print, five colours",
        "50 × 50 cm",
        2025,
        "pattern, kitchen",
        "The tiles were brown, my mother says. I remember them differently.",
        "A floor that I crossed on hands and knees, laid again from memory. No two corners "
        "agree, and neither do my mother and I.",
        (
            ("A grid of tiles with arcs, leaves and rays in orange, teal and yellow", ""),
            ("A second laying of the tiles", "Variant, edition of twelve"),
            ("A third laying of the tiles", "Variant, edition of twelve"),
            ("A fourth laying of the tiles", "Variant, edition of twelve"),
        ),
    ),
    Work(
        "North wind, drawn by itself",
        "field",
        "portrait",
        "#f5efe4 #12355b #d1495b #edae49 #00798c",
        "Felt pen on paper",
        "48 × 60 cm",
        2025,
        "lines, weather",
        "A thousand short lines that all knew where to go.",
        "I let the pen follow the line beside it and only decided where to stop. By the third "
        "hour there was weather on the page.",
        (
            ("Flowing strokes in red, yellow and blue on cream paper", ""),
            ("The same current from another side", "Second sheet"),
        ),
    ),
    Work(
        "Spring tide",
        "tides",
        "portrait",
        "#f4efe6 #1d3b53 #2f7083 #8bb8b0",
        "Pen on paper",
        "40 × 50 cm",
        2025,
        "sea, lines, blue",
        "Sixty-four lines, each drawn without lifting the pen.",
        "If the hand shook, the wave has a crest there. I kept every one of them.",
        (("Stacked blue lines that rise into a swell in the middle of the page", ""),),
    ),
    Work(
        "After the paint water",
        "wash",
        "landscape",
        "#fbf7ef #d95d39 #f0a202 #6a994e #a7c957 #2b2118",
        "Watercolour and ink",
        "42 × 30 cm",
        2025,
        "colour, accidents",
        "What the jar had to say at the end of the day.",
        "Some days the best colour is in the rinsing water. I poured it out on good paper, for "
        "once, and drew the horizon where it dried first.",
        (
            ("Blots of orange, yellow and green with thin ink lines across", ""),
            ("Further blots, with more paper left between them", "The next evening"),
        ),
    ),
    Work(
        "Morning without a plan",
        "dusk",
        "portrait",
        "#f6d6ba #f3b79b #f7e3c4 #fff6e0 #c58f7f #3c2f4a",
        "Pastel on paper",
        "40 × 50 cm",
        2024,
        "hills, morning",
        "The same hills from the other side, at the other end of the day.",
        "I had come to draw the village and it was not there yet.",
        (
            ("Soft apricot sky and a white sun above brown ridges", ""),
            ("The ridges an hour later", "An hour later"),
        ),
    ),
    Work(
        "Under the sea wall",
        "paper",
        "portrait",
        "#0f2e2b #1e5b4f #4f9179 #a3c9a0 #eef0d8",
        "Cut paper, eight sheets",
        "40 × 50 cm",
        2024,
        "paper, sea, green",
        "A pool the tide leaves behind, deeper than it should be.",
        "The greens are from wallpaper books that a shop in town was giving away. They had "
        "names: Lichen, Harbour, Sunday.",
        (
            ("Pale to dark green paper sheets opening like a rock pool", ""),
            ("A narrower pool in the same greens", "Second pool"),
        ),
    ),
    Work(
        "Allotment in fog",
        "meadow",
        "landscape",
        "#dfe9ec #9fb9bd #6d8f88 #12302f #7a4d9c #f1f0ea #d9739a",
        "Monotype with drawing",
        "40 × 30 cm",
        2024,
        "garden, weather, morning",
        "Half past six, and only the nearest row has arrived.",
        "Fog does what I try to do all day: it leaves things out. I only had to keep up.",
        (
            ("Purple and white flowers in cold blue fog", ""),
            ("More stems in fog, some only guessed", "Ghost print from the same plate"),
        ),
    ),
    Work(
        "Four on a Tuesday",
        "still",
        "portrait",
        "#7f8d92 #b49a83 #efe7d8 #2f4858 #c46b4a #d9c07a #8a8f6a",
        "Oil on panel",
        "32 × 40 cm",
        2024,
        "still life, kitchen",
        "A flask, a box, and two that cannot stand each other.",
        "The distance between two cups is a drawing already. The rest is keeping it.",
        (("Four vessels on a sand coloured table before a blue grey wall", ""),),
    ),
    Work(
        "Frequency of the old pier",
        "tides",
        "landscape",
        "#12161f #f2e3c6 #e39c6b #a14b55",
        "White ink on black card",
        "50 × 38 cm",
        2024,
        "sea, lines, night",
        "The pier hums before a storm. This is how high.",
        "Drawn with my ear against the railing, or as good as.",
        (
            ("Pale and copper lines rising like a mountain on black", ""),
            ("A calmer set of lines on black", "The morning after"),
        ),
    ),
    Work(
        "Marching band",
        "tiles",
        "portrait",
        "#efe6dd #3a2e39 #f15152 #1e555c #f4d8cd",
        "Screen print, five colours",
        "40 × 50 cm",
        2024,
        "pattern, music",
        "Brass, drums, a flag, and somebody who is half a bar late.",
        "Commissioned for the hundredth year of a brass band, which hung it beside the stove "
        "in its rehearsal room. One tile is upside down. They found it at once.",
        (
            ("Red, dark plum and teal shapes in a grid", ""),
            ("The same colours in another march", "Proof"),
            ("A third arrangement of the shapes", "Proof"),
        ),
    ),
    Work(
        "Rain, expected by four",
        "windows",
        "landscape",
        "#14212b #3f6b73 #2d5058 #0b181d #ffe3a3 #f7b267 #f4845f",
        "Gouache on board",
        "50 × 38 cm",
        2024,
        "town, weather, night",
        "The town holds its breath and puts the kettle on.",
        "There is an hour when the sky is darker than the houses. Then somebody switches on "
        "the first lamp and it is evening.",
        (("Dark green houses with yellow windows under a cloudy moon", ""),),
    ),
    Work(
        "Letters I did not send",
        "wash",
        "tall",
        "#faf6ee #2e6f95 #e8a87c #c38d9e #41b3a3 #1c2430",
        "Watercolour and ink",
        "28 × 40 cm",
        2024,
        "colour, words",
        "They were too long anyway.",
        "Each began as a page of handwriting. Then I opened the tap.",
        (
            ("Blue, rose and green washes with a thin dark line through them", ""),
            ("A paler page", "Another letter"),
        ),
    ),
    Work(
        "Night bus, top deck",
        "field",
        "landscape",
        "#10141f #e8c47c #7fb7be #d3f3ee #c96f53",
        "Gel pen on black paper",
        "40 × 30 cm",
        2023,
        "lines, night, town",
        "Every street lamp between the harbour and home.",
        "Drawn on the bus, which is why it leans in the bends.",
        (
            ("Streams of pale blue and amber strokes on black", ""),
            ("Strokes of light turning around a bend", "Past the hospital"),
            ("Fewer lights, further apart", "Nearly home"),
        ),
    ),
]
