from unittest import mock

from django.core.management import call_command
from django.test import SimpleTestCase, TestCase

from pages.models import Profile
from pieces.models import Art, Picture, Writing
from samples.art import STYLES, draw
from samples.management.commands import seed
from samples.works import WORKS
from samples.writings import TEXTS

PALETTE = ["#f3e9d8", "#d8572a", "#1b4353", "#f0b541", "#7d9d9c", "#222222", "#eeeeee"]


class Drawing(SimpleTestCase):
    def test_every_style_draws_the_same_for_the_same_seed(self):
        for style in STYLES:
            with self.subTest(style):
                first, again, other = (
                    draw(style, (160, 120), PALETTE, name) for name in ("a", "a", "b")
                )
                self.assertEqual(first.size, (160, 120))
                self.assertEqual(first.tobytes(), again.tobytes())
                self.assertNotEqual(first.tobytes(), other.tobytes())

    def test_every_sample_is_hung_once(self):
        order = seed.in_order()
        self.assertEqual(len(order), len(WORKS) + len(TEXTS))
        self.assertEqual(len({sample.title for sample in order}), len(order))


class Seed(TestCase):
    def test_seeding_twice_is_seeding_once(self):
        with mock.patch.object(seed, "draw", small):
            call_command("seed", verbosity=0)
            counts = Art.objects.count(), Writing.objects.count(), Picture.objects.count()
            call_command("seed", verbosity=0)
        self.assertEqual(counts[:2], (len(WORKS), len(TEXTS)))
        self.assertEqual(
            counts, (Art.objects.count(), Writing.objects.count(), Picture.objects.count())
        )
        self.assertEqual(Profile.objects.count(), 1)
        self.assertEqual(self.client.get("/?page=2").status_code, 200)

    def test_seeding_leaves_the_artist_alone(self):
        Profile.objects.create(name="Somebody real")
        with mock.patch.object(seed, "draw", small):
            call_command("seed", verbosity=0)
        self.assertEqual(Profile.objects.get().name, "Somebody real")


def small(style, size, palette, seed):
    return draw(style, (64, 48), palette, seed)
