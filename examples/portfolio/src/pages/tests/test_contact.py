from unittest import mock

from django.core import mail
from django.test import Client, TestCase

from pages.models import Message, Profile

LETTER = {"name": "Ada", "email": "ada@example.org", "text": "Is the blue one for sale?"}


class Contact(TestCase):
    def test_a_message_is_mailed_kept_and_thanked_for(self):
        Profile.objects.create(name="Mirela", email="mirela@example.org")
        answer = self.client.post("/contact/", LETTER, follow=True)
        self.assertRedirects(answer, "/contact/thanks/")
        self.assertContains(answer, "Your message is on its way, Ada.")
        (letter,) = mail.outbox
        self.assertEqual(letter.to, ["mirela@example.org"])
        self.assertEqual(letter.reply_to, ["ada@example.org"])
        self.assertIn("blue one", letter.body)
        self.assertEqual(Message.objects.get().text, LETTER["text"])

    def test_without_a_profile_mail_goes_where_the_settings_say(self):
        with self.settings(CONTACT_EMAIL="studio@example.org"):
            self.client.post("/contact/", LETTER)
        self.assertEqual(mail.outbox[0].to, ["studio@example.org"])

    def test_an_incomplete_message_comes_back_with_what_was_written(self):
        answer = self.client.post("/contact/", {**LETTER, "email": "nowhere"})
        self.assertContains(answer, "Enter a valid email address.")
        self.assertContains(answer, "Is the blue one for sale?")
        self.assertContains(answer, 'aria-invalid="true"')
        self.assertEqual(mail.outbox, [])

    def test_a_program_that_fills_in_everything_is_thanked_and_ignored(self):
        answer = self.client.post("/contact/", {**LETTER, "website": "http://spam.example"})
        self.assertRedirects(answer, "/contact/thanks/")
        self.assertEqual(mail.outbox, [])
        self.assertFalse(Message.objects.exists())

    def test_a_name_cannot_add_lines_to_the_mail(self):
        self.client.post("/contact/", {**LETTER, "name": "Ada\r\nBcc: all@example.org"})
        self.assertEqual(mail.outbox[0].subject, "A message from Ada Bcc: all@example.org")

    def test_a_message_that_cannot_be_mailed_is_kept(self):
        failing = mock.patch("pages.views.EmailMessage.send", side_effect=OSError("no route"))
        with failing, self.assertLogs("pages.views", "ERROR"):
            answer = self.client.post("/contact/", LETTER)
        self.assertRedirects(answer, "/contact/thanks/")
        self.assertEqual(Message.objects.count(), 1)

    def test_a_form_from_elsewhere_is_refused(self):
        strict = Client(enforce_csrf_checks=True)
        self.assertEqual(strict.post("/contact/", LETTER).status_code, 403)
        page = strict.get("/contact/")
        token = page.context["csrf_token"]
        answer = strict.post("/contact/", {**LETTER, "csrfmiddlewaretoken": str(token)})
        self.assertEqual(answer.status_code, 302)


class Faults(TestCase):
    def test_a_fault_shows_a_page_that_needs_nothing(self):
        visitor = Client(raise_request_exception=False)
        broken = mock.patch("pages.views.AboutView.get", side_effect=RuntimeError("paint"))
        with broken, self.assertLogs("django.request", "ERROR"):
            answer = visitor.get("/about/")
        self.assertContains(answer, "Something fell off the wall", status_code=500)
        self.assertNotContains(answer, "/static/", status_code=500)


class About(TestCase):
    def test_the_artist_is_introduced(self):
        Profile.objects.create(name="Mirela", about="I cut paper.\n\nAnd fingers.")
        page = self.client.get("/about/")
        self.assertContains(page, "<p>I cut paper.</p>")
        self.assertContains(page, "<title>About Mirela</title>", html=True)
