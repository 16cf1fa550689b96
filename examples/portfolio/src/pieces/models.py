"""Pieces of art and of writing, their pictures, and tags."""

from django.conf import settings
from django.core.validators import FileExtensionValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator

from . import thumbnails


class Tag(models.Model):
    name = models.CharField(max_length=50, unique=True)
    slug = models.SlugField(max_length=50, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("pieces:tag", args=[self.slug])


class PieceQuerySet(models.QuerySet):
    def published(self):
        return self.filter(is_draft=False, published_at__lte=timezone.now())

    def for_cards(self):
        """Everything that a list of cards shows, in one query for each table."""
        return self.prefetch_related("pictures", "tags")


class Piece(models.Model):
    class Kind(models.TextChoices):
        ART = "art", "Art"
        WRITING = "writing", "Writing"

    kind = models.CharField(max_length=10, choices=Kind, editable=False)
    title = models.CharField(max_length=120)
    slug = models.SlugField(max_length=120)
    medium = models.CharField(
        max_length=120, blank=True, help_text="“Gouache on paper”, “Poem”, “Short prose”…"
    )
    dimensions = models.CharField(max_length=60, blank=True, help_text="“40 × 30 cm”")
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    summary = models.CharField(
        max_length=300, blank=True, help_text="One or two sentences for lists and search engines."
    )
    body = models.TextField(blank=True, help_text="A blank line begins a new paragraph.")
    tags = models.ManyToManyField(Tag, blank=True, related_name="pieces")
    is_draft = models.BooleanField("draft", default=False, help_text="Only visible in the admin.")
    published_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PieceQuerySet.as_manager()

    class Meta:
        ordering = ["-published_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "slug"], name="piece_slug_once_per_kind")
        ]
        indexes = [models.Index(fields=["kind", "-published_at"], name="piece_by_kind_and_date")]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse(f"pieces:{self.kind}-detail", args=[self.slug])

    @property
    def cover(self):
        """The first picture, or None; asks no query where pictures were prefetched."""
        return next(iter(self.pictures.all()), None)

    @property
    def excerpt(self):
        return self.summary or Truncator(self.body).words(34, truncate="…")

    @property
    def is_prose(self):
        """Whether the body begins with a paragraph rather than a line of verse."""
        return len(self.body.partition("\n")[0]) > 120


class ArtManager(models.Manager.from_queryset(PieceQuerySet)):
    def get_queryset(self):
        return super().get_queryset().filter(kind=Piece.Kind.ART)


class WritingManager(models.Manager.from_queryset(PieceQuerySet)):
    def get_queryset(self):
        return super().get_queryset().filter(kind=Piece.Kind.WRITING)


class Art(Piece):
    objects = ArtManager()

    class Meta:
        proxy = True
        verbose_name_plural = "art"

    def save(self, *args, **kwargs):
        self.kind = Piece.Kind.ART
        super().save(*args, **kwargs)


class Writing(Piece):
    objects = WritingManager()

    class Meta:
        proxy = True
        verbose_name_plural = "writing"

    def save(self, *args, **kwargs):
        self.kind = Piece.Kind.WRITING
        super().save(*args, **kwargs)


class Picture(models.Model):
    """An uploaded image and its smaller copies, which are made whenever the image is a new one."""

    piece = models.ForeignKey(Piece, on_delete=models.CASCADE, related_name="pictures")
    image = models.ImageField(
        upload_to="pieces/%Y/%m/",
        width_field="width",
        height_field="height",
        validators=[FileExtensionValidator(["jpg", "jpeg", "png", "webp", "gif"])],
    )
    width = models.PositiveIntegerField(editable=False, default=0)
    height = models.PositiveIntegerField(editable=False, default=0)
    alt = models.CharField(
        "description",
        max_length=250,
        blank=True,
        help_text="What can be seen, for those who cannot see it.",
    )
    caption = models.CharField(max_length=250, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    thumbnails = models.JSONField(editable=False, default=list, blank=True)
    thumbnails_of = models.CharField(max_length=120, editable=False, default="", blank=True)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self):
        return self.alt or self.image.name

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        if self.image and self.thumbnails_of != self.image.name:
            self.make_thumbnails()

    def make_thumbnails(self):
        """Makes the smaller copies of the image as it is now, and notes them in the database."""
        made = thumbnails.make(self.image, settings.THUMBNAIL_WIDTHS)
        self.thumbnails, self.thumbnails_of = made.files, self.image.name
        self.width, self.height = made.size or (self.width, self.height)
        type(self).objects.filter(pk=self.pk).update(
            thumbnails=self.thumbnails,
            thumbnails_of=self.thumbnails_of,
            width=self.width,
            height=self.height,
        )

    @property
    def srcset(self):
        """The smaller copies and the image itself, as the attribute wants them."""
        url = self.image.storage.url
        sizes = [(url(small["name"]), small["width"]) for small in self.thumbnails]
        sizes.append((self.image.url, self.width))
        return ", ".join(f"{address} {width}w" for address, width in sizes)

    @property
    def small_url(self):
        """A copy of moderate width, for browsers that do not choose one by themselves."""
        if self.thumbnails:
            return self.image.storage.url(self.thumbnails[min(1, len(self.thumbnails) - 1)]["name"])
        return self.image.url
