"""Fills the site with sample works. What is there already, by its address, is left alone."""

import io
from datetime import datetime, timedelta, timezone
from itertools import chain, zip_longest

from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.text import slugify

from pages.models import Profile
from pieces.models import Art, Picture, Tag, Writing
from samples import writings
from samples.art import draw
from samples.works import SHAPES, WORKS
from samples.writings import TEXTS

NEWEST = datetime(2025, 10, 26, 9, 30, tzinfo=timezone.utc)
BETWEEN = timedelta(days=17)


class Command(BaseCommand):
    help = "Fills the site with sample art and writing, drawn and written for it. Safe to repeat."

    def handle(self, *args, verbosity=1, **options):
        self.verbosity = verbosity
        made = 0
        for age, sample in enumerate(in_order()):
            hang = self.hang_art if sample in WORKS else self.hang_writing
            made += hang(sample, NEWEST - age * BETWEEN)
        self.introduce()
        if verbosity > 0:
            self.stdout.write(
                self.style.SUCCESS(f"{made} of {len(WORKS) + len(TEXTS)} samples are new.")
            )

    @transaction.atomic
    def hang_art(self, work, date):
        fields = {"dimensions": work.dimensions, "summary": work.summary, "body": work.body}
        piece = self.new_piece(Art, work, date, fields)
        if piece is None:
            return 0
        for position, (alt, caption) in enumerate(work.pictures):
            size = SHAPES[work.shape]
            if position:
                size = tuple(side * 3 // 4 for side in size)
            self.add_picture(
                piece, position, work.style, size, work.palette, alt=alt, caption=caption
            )
        return 1

    @transaction.atomic
    def hang_writing(self, text, date):
        piece = self.new_piece(Writing, text, date, {"summary": text.summary, "body": text.body})
        if piece is None:
            return 0
        if text.picture:
            style, palette, alt = text.picture
            self.add_picture(piece, 0, style, (1280, 800), palette, alt=alt)
        return 1

    def new_piece(self, model, sample, date, fields):
        slug = slugify(sample.title)
        if model.objects.filter(slug=slug).exists():
            return None
        if self.verbosity > 0:
            self.stdout.write(f"  {sample.title}")
            self.stdout.flush()
        piece = model.objects.create(
            slug=slug,
            title=sample.title,
            medium=sample.medium,
            year=sample.year,
            published_at=date,
            **fields,
        )
        piece.tags.set(tag_named(name) for name in sample.tags.split(", "))
        return piece

    def add_picture(self, piece, position, style, size, palette, **texts):
        name = f"{piece.slug}-{position + 1}"
        image = jpeg(draw(style, size, palette.split(), name), f"{name}.jpg")
        Picture.objects.create(piece=piece, position=position, image=image, **texts)

    @transaction.atomic
    def introduce(self):
        if Profile.objects.exists():
            return
        profile = Profile(name=writings.NAME, tagline=writings.TAGLINE, about=writings.ABOUT)
        style, palette, profile.portrait_alt = writings.PORTRAIT
        profile.portrait = jpeg(draw(style, (800, 1000), palette.split(), "studio"), "studio.jpg")
        profile.save()


def in_order():
    """Two pictures, a text, two pictures, a text; and what is left over, in turns."""
    art, texts = list(WORKS), list(TEXTS)
    begin = chain.from_iterable((art[2 * i], art[2 * i + 1], texts[i]) for i in range(6))
    rest = chain.from_iterable(zip_longest(art[12:], texts[6:]))
    return [sample for sample in chain(begin, rest) if sample is not None]


def tag_named(name):
    return Tag.objects.get_or_create(slug=slugify(name), defaults={"name": name})[0]


def jpeg(image, name):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=86, progressive=True)
    return ContentFile(data.getvalue(), name=name)
