"""Art and writing with their pictures, and tags."""

from django.contrib import admin
from django.db.models import Count
from django.utils.html import format_html

from .models import Art, Picture, Tag, Writing


def preview(picture, height):
    if picture is None or not picture.image:
        return "–"
    return format_html(
        '<img src="{}" alt="" style="height:{}px;width:auto;border-radius:4px" loading="lazy">',
        picture.small_url,
        height,
    )


class PictureInline(admin.TabularInline):
    model = Picture
    extra = 1
    fields = ["preview", "image", "alt", "caption", "position"]
    readonly_fields = ["preview"]

    @admin.display(description="")
    def preview(self, picture):
        return preview(picture, 72)


class PieceAdmin(admin.ModelAdmin):
    list_display = ["cover", "title", "medium", "year", "published_at", "is_draft"]
    list_display_links = ["cover", "title"]
    list_filter = ["is_draft", "tags", "year"]
    search_fields = ["title", "summary", "body"]
    date_hierarchy = "published_at"
    prepopulated_fields = {"slug": ["title"]}
    filter_horizontal = ["tags"]
    inlines = [PictureInline]
    save_on_top = True

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("pictures")

    @admin.display(description="")
    def cover(self, piece):
        return preview(piece.cover, 48)


@admin.register(Art)
class ArtAdmin(PieceAdmin):
    fieldsets = [
        (None, {"fields": ["title", "slug", "summary"]}),
        ("The work", {"fields": [("medium", "dimensions", "year"), "body", "tags"]}),
        ("On the site", {"fields": [("published_at", "is_draft")]}),
    ]


@admin.register(Writing)
class WritingAdmin(PieceAdmin):
    fieldsets = [
        (None, {"fields": ["title", "slug", "summary", "body"]}),
        ("About it", {"fields": [("medium", "year"), "tags"]}),
        ("On the site", {"fields": [("published_at", "is_draft")]}),
    ]


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    list_display = ["name", "used"]
    prepopulated_fields = {"slug": ["name"]}
    search_fields = ["name"]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(used=Count("pieces"))

    @admin.display(ordering="used")
    def used(self, tag):
        return tag.used
