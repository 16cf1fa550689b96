"""All addresses of the site."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.contrib.sitemaps.views import sitemap
from django.urls import include, path

from pages.sitemaps import PageSitemap
from pieces.sitemaps import PieceSitemap, TagSitemap

sitemaps = {"pages": PageSitemap, "pieces": PieceSitemap, "tags": TagSitemap}

urlpatterns = [
    path("admin/", admin.site.urls),
    path("sitemap.xml", sitemap, {"sitemaps": sitemaps}, name="sitemap"),
    path("", include("pieces.urls")),
    path("", include("pages.urls")),
]

if settings.DEBUG:
    urlpatterns += static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)

admin.site.site_header = "Portfolio"
admin.site.site_title = "Portfolio"
admin.site.index_title = "What hangs where"
