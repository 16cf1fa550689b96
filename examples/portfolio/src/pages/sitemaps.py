from django.contrib.sitemaps import Sitemap
from django.urls import reverse


class PageSitemap(Sitemap):
    def items(self):
        return ["pieces:home", "pieces:art", "pieces:writing", "pages:about", "pages:contact"]

    def location(self, name):
        return reverse(name)
