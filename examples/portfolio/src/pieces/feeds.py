"""The RSS feed of what was published last."""

from django.contrib.syndication.views import Feed
from django.urls import reverse_lazy

from pages.models import Profile

from .models import Piece


class LatestPieces(Feed):
    link = reverse_lazy("pieces:home")
    feed_url = reverse_lazy("pieces:feed")

    def get_object(self, request):
        return Profile.load()

    def title(self, profile):
        return profile.name

    def description(self, profile):
        return profile.tagline

    def items(self):
        return Piece.objects.published().for_cards()[:20]

    def item_title(self, piece):
        return piece.title

    def item_description(self, piece):
        return piece.excerpt

    def item_pubdate(self, piece):
        return piece.published_at

    def item_updateddate(self, piece):
        return piece.updated_at

    def item_categories(self, piece):
        return [tag.name for tag in piece.tags.all()]
