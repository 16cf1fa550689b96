"""What the tests of pieces share: an image in memory, and pieces with pictures."""

import io

from django.core.files.base import ContentFile
from PIL import Image

from pieces.models import Art, Picture, Tag, Writing


def image_file(name="hill.jpg", size=(1200, 900), exif=None, mode="RGB"):
    data = io.BytesIO()
    image = Image.new(mode, size, "#b5532d" if mode == "RGB" else (181, 83, 45, 90))
    extra = {"exif": exif} if exif else {}
    image.save(data, {"jpg": "JPEG", "png": "PNG"}[name.rpartition(".")[2]], **extra)
    return ContentFile(data.getvalue(), name=name)


def hang(title="Hill", slug="hill", pictures=1, model=Art, tags=(), **fields):
    piece = model.objects.create(title=title, slug=slug, **fields)
    for position in range(pictures):
        Picture.objects.create(
            piece=piece, image=image_file(), alt=f"{title}, {position}", position=position
        )
    piece.tags.set(Tag.objects.get_or_create(slug=tag, defaults={"name": tag})[0] for tag in tags)
    return piece


def write(title="Rain", slug="rain", **fields):
    fields = {"body": "It rains.\nIt stops.", "pictures": 0, **fields}
    return hang(title, slug, model=Writing, **fields)
