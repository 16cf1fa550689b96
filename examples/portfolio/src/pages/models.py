"""Who the artist is, and what visitors wrote to them."""

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """The artist. There is one; until it is saved, a stand-in takes its place."""

    name = models.CharField(max_length=80, default="A new portfolio")
    tagline = models.CharField(max_length=200, blank=True, default="Pictures and words.")
    about = models.TextField(blank=True, help_text="A blank line begins a new paragraph.")
    portrait = models.ImageField(upload_to="profile/", blank=True)
    portrait_alt = models.CharField("description of the portrait", max_length=250, blank=True)
    email = models.EmailField(
        blank=True, help_text="Where the contact form's messages go. Shown nowhere."
    )

    class Meta:
        verbose_name_plural = "profile"

    def __str__(self):
        return self.name

    @classmethod
    def load(cls):
        return cls.objects.first() or cls()

    @property
    def inbox(self):
        return self.email or settings.CONTACT_EMAIL


class Message(models.Model):
    """What came through the contact form; kept, so that it survives a mail server's bad day."""

    name = models.CharField(max_length=80)
    email = models.EmailField()
    text = models.TextField(max_length=5000)
    sent_at = models.DateTimeField(auto_now_add=True)
    is_answered = models.BooleanField("answered", default=False)

    class Meta:
        ordering = ["-sent_at"]

    def __str__(self):
        return f"{self.name}, {self.sent_at:%d %B %Y}"
