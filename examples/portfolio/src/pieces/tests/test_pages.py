from datetime import timedelta
from xml.etree import ElementTree

from django.test import TestCase
from django.urls import reverse
from django.utils import timezone

from . import hang, write


class Pages(TestCase):
    def test_an_empty_site_says_how_to_fill_it(self):
        for name in ("pieces:home", "pieces:art", "pieces:writing"):
            page = self.client.get(reverse(name))
            self.assertContains(page, "python manage.py seed")

    def test_every_page_of_a_filled_site_answers(self):
        art = hang(tags=["red"], pictures=2)
        text = write(tags=["red"], pictures=1)
        for address in (
            "/",
            "/art/",
            "/writing/",
            "/tags/red/",
            "/about/",
            "/contact/",
            "/contact/thanks/",
            art.get_absolute_url(),
            text.get_absolute_url(),
        ):
            with self.subTest(address):
                self.assertEqual(self.client.get(address).status_code, 200)

    def test_art_and_writing_may_share_a_slug(self):
        hang("Rain, painted", "rain")
        write("Rain, written", "rain")
        self.assertContains(self.client.get("/art/rain/"), "Rain, painted")
        self.assertContains(self.client.get("/writing/rain/"), "Rain, written")

    def test_drafts_and_pieces_of_tomorrow_are_not_shown(self):
        hang("Draft", "draft", is_draft=True, tags=["hidden"])
        hang("Tomorrow", "tomorrow", published_at=timezone.now() + timedelta(days=1))
        home = self.client.get("/")
        self.assertNotContains(home, "Draft")
        self.assertNotContains(home, "Tomorrow")
        self.assertNotContains(home, "hidden")
        self.assertEqual(self.client.get("/art/draft/").status_code, 404)
        self.assertEqual(self.client.get("/art/tomorrow/").status_code, 404)

    def test_images_keep_their_room_and_offer_their_sizes(self):
        page = self.client.get(hang().get_absolute_url()).content.decode()
        self.assertIn('width="1200" height="900"', page)
        for width in ("320w", "640w", "960w", "1200w"):
            self.assertIn(width, page)

    def test_a_detail_page_leads_to_its_neighbours(self):
        now = timezone.now()
        for age, slug in enumerate(("new", "middle", "old")):
            hang(slug, slug, pictures=0, published_at=now - timedelta(days=age + 1))
        page = self.client.get("/art/middle/")
        self.assertEqual(page.context["newer"].slug, "new")
        self.assertEqual(page.context["older"].slug, "old")
        self.assertIsNone(self.client.get("/art/new/").context["newer"])
        self.assertIsNone(self.client.get("/art/old/").context["older"])

    def test_pieces_of_one_moment_are_neighbours_too(self):
        now = timezone.now()
        first = hang("a", "a", pictures=0, published_at=now)
        second = hang("b", "b", pictures=0, published_at=now)
        self.assertEqual(self.client.get("/art/a/").context["newer"].pk, second.pk)
        self.assertEqual(self.client.get("/art/b/").context["older"].pk, first.pk)

    def test_lists_have_pages(self):
        for number in range(13):
            hang(f"Piece {number}", f"piece-{number}", pictures=0)
        self.assertContains(self.client.get("/art/"), 'rel="next"')
        self.assertContains(self.client.get("/art/?page=2"), 'rel="prev"')
        self.assertEqual(self.client.get("/art/?page=3").status_code, 404)
        self.assertEqual(self.client.get("/art/?page=soon").status_code, 404)

    def test_a_missing_page_is_an_empty_frame(self):
        for address in ("/nothing/", "/art/nothing/", "/tags/nothing/"):
            page = self.client.get(address)
            self.assertContains(page, "An empty frame", status_code=404)


class ForMachines(TestCase):
    def test_the_feed_names_the_latest_pieces(self):
        hang("Hill & valley", summary="Both at once.")
        write()
        answer = self.client.get("/feed/")
        self.assertEqual(answer["Content-Type"], "application/rss+xml; charset=utf-8")
        titles = [
            item.findtext("title") for item in ElementTree.fromstring(answer.content).iter("item")
        ]
        self.assertEqual(titles, ["Rain", "Hill & valley"])

    def test_the_sitemap_lists_pages_pieces_and_tags(self):
        hang(tags=["red"])
        hang("Draft", "draft", is_draft=True, tags=["hidden"])
        text = self.client.get("/sitemap.xml").content.decode()
        for path in ("/", "/about/", "/art/hill/", "/tags/red/"):
            self.assertIn(f"<loc>http://testserver{path}</loc>", text)
        self.assertNotIn("draft", text)
        self.assertNotIn("hidden", text)

    def test_robots_are_told_where_the_sitemap_is(self):
        answer = self.client.get("/robots.txt")
        self.assertEqual(answer["Content-Type"], "text/plain; charset=utf-8")
        self.assertContains(answer, "Sitemap: http://testserver/sitemap.xml")


class Queries(TestCase):
    """Pages ask as many queries for many pieces as for few."""

    @classmethod
    def setUpTestData(cls):
        for number in range(8):
            hang(f"Art {number}", f"art-{number}", pictures=2, tags=["red", "blue"])
            write(f"Text {number}", f"text-{number}", pictures=1, tags=["red"])

    def test_home(self):
        with self.assertNumQueries(6):  # profile, tags of all, count, pieces, pictures, tags
            self.client.get("/")

    def test_lists(self):
        for address in ("/art/", "/writing/"):
            with self.subTest(address), self.assertNumQueries(5):
                self.client.get(address)

    def test_tag(self):
        with self.assertNumQueries(6):
            self.client.get("/tags/red/")

    def test_detail(self):
        with self.assertNumQueries(9):
            self.client.get("/art/art-3/")

    def test_feed(self):
        with self.assertNumQueries(4):
            self.client.get("/feed/")
