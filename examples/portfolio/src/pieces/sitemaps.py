from django.contrib.sitemaps import Sitemap
from django.utils import timezone

from .models import Piece, Tag


class PieceSitemap(Sitemap):
    def items(self):
        return Piece.objects.published()

    def lastmod(self, piece):
        return piece.updated_at


class TagSitemap(Sitemap):
    def items(self):
        shown = {"pieces__is_draft": False, "pieces__published_at__lte": timezone.now()}
        return Tag.objects.filter(**shown).distinct()
