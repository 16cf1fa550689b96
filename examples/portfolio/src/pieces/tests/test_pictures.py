from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.test import TestCase
from PIL import Image

from pieces.models import Art, Picture, Writing

from . import hang, image_file


def sizes(picture):
    storage = picture.image.storage
    found = []
    for small in picture.thumbnails:
        with storage.open(small["name"]) as file, Image.open(file) as image:
            found.append(image.size)
    return found


class Thumbnails(TestCase):
    def add(self, image):
        piece = hang("Hill", f"hill-{image.size}", pictures=0)
        picture = Picture.objects.create(piece=piece, image=image)
        picture.refresh_from_db()
        return picture

    def test_saving_a_picture_makes_its_smaller_copies(self):
        picture = self.add(image_file())
        self.assertEqual(sizes(picture), [(320, 240), (640, 480), (960, 720)])
        self.assertEqual((picture.width, picture.height), (1200, 900))

    def test_no_copy_is_as_wide_as_the_picture_or_wider(self):
        self.assertEqual(sizes(self.add(image_file(size=(640, 100)))), [(320, 50)])
        tiny = self.add(image_file(size=(90, 60)))
        self.assertEqual(tiny.thumbnails, [])
        self.assertEqual(tiny.small_url, tiny.image.url)

    def test_a_picture_taken_sideways_is_shown_upright(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        picture = self.add(image_file(exif=exif.tobytes()))
        self.assertEqual(sizes(picture)[0], (320, 427))
        self.assertEqual((picture.width, picture.height), (900, 1200))

    def test_transparency_is_kept(self):
        picture = self.add(image_file("leaf.png", mode="RGBA"))
        with picture.image.storage.open(picture.thumbnails[0]["name"]) as file:
            self.assertEqual(Image.open(file).mode, "RGBA")

    def test_a_truncated_image_is_kept_without_copies(self):
        whole = image_file().read()
        with self.assertLogs("pieces.thumbnails", "WARNING"):
            picture = self.add(ContentFile(whole[: len(whole) // 2], name="half.jpg"))
        self.assertEqual(picture.thumbnails, [])

    def test_a_change_of_words_makes_no_new_copies(self):
        picture = self.add(image_file())
        before = picture.thumbnails
        picture.alt = "A hill"
        picture.save()
        picture.refresh_from_db()
        self.assertEqual(picture.thumbnails, before)

    def test_files_go_with_their_picture(self):
        piece = hang()
        picture = piece.pictures.get()
        names = [picture.image.name, *(small["name"] for small in picture.thumbnails)]
        self.assertTrue(all(picture.image.storage.exists(name) for name in names))
        with self.captureOnCommitCallbacks(execute=True):
            piece.delete()
        self.assertFalse(any(picture.image.storage.exists(name) for name in names))

    def test_a_new_image_takes_the_place_of_the_old_one(self):
        picture = hang().pictures.get()
        old = picture.image.name
        with self.captureOnCommitCallbacks(execute=True):
            picture.image = image_file("valley.jpg", (1000, 1000))
            picture.save()
        picture.refresh_from_db()
        self.assertEqual(sizes(picture)[0], (320, 320))
        self.assertFalse(picture.image.storage.exists(old))
        self.assertTrue(picture.image.storage.exists(picture.image.name))


class Admin(TestCase):
    def setUp(self):
        user = get_user_model().objects.create_superuser("painter", password="a brush of hair")
        self.client.force_login(user)

    def form(self, image):
        return {
            "title": "New hill",
            "slug": "new-hill",
            "published_at_0": "2025-05-01",
            "published_at_1": "10:00:00",
            "pictures-TOTAL_FORMS": "1",
            "pictures-INITIAL_FORMS": "0",
            "pictures-0-image": image,
            "pictures-0-alt": "A new hill",
            "pictures-0-position": "0",
        }

    def test_an_uploaded_picture_is_on_the_page_with_its_copies(self):
        answer = self.client.post("/admin/pieces/art/add/", self.form(image_file()))
        self.assertRedirects(answer, "/admin/pieces/art/")
        picture = Art.objects.get(slug="new-hill").pictures.get()
        self.assertEqual(len(picture.thumbnails), 3)
        self.client.logout()
        page = self.client.get("/art/new-hill/")
        self.assertContains(page, picture.image.url)
        self.assertContains(page, "A new hill")

    def test_what_is_no_picture_is_refused(self):
        for name, data in (("page.html", b"<script>"), ("fake.jpg", b"not a picture")):
            answer = self.client.post(
                "/admin/pieces/art/add/", self.form(ContentFile(data, name=name))
            )
            self.assertEqual(answer.status_code, 200)
            self.assertFalse(Art.objects.exists())

    def test_each_kind_has_lists_and_forms_of_its_own(self):
        art = hang()
        hang("Rain", "rain", model=Writing)
        page = self.client.get("/admin/pieces/art/")
        self.assertContains(page, "Hill")
        self.assertNotContains(page, "Rain")
        self.assertContains(self.client.get(f"/admin/pieces/art/{art.pk}/change/"), "thumbnails/")
        for path in ("pieces/writing/", "pieces/tag/", "pages/profile/", "pages/message/"):
            self.assertEqual(self.client.get(f"/admin/{path}").status_code, 200)
