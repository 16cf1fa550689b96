"""Smaller copies of an uploaded image, as WebP, upright whatever the camera was."""

import io
import logging
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from django.core.files.base import ContentFile
from PIL import Image, ImageOps

logger = logging.getLogger(__name__)


@dataclass
class Made:
    files: list = field(default_factory=list)
    size: tuple = None


def make(source, widths):
    """Copies of an ImageField's file, narrowest first, in those widths that are narrower than it.

    A file that Pillow cannot read to its end gets none, and is shown as it is.
    """
    try:
        with source.storage.open(source.name) as file, Image.open(file) as image:
            upright = _upright(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        logger.warning("no thumbnails of %s: %s", source.name, error)
        return Made()
    made = Made(size=upright.size)
    current = upright
    for width in sorted((w for w in widths if w < upright.width), reverse=True):
        height = max(1, round(upright.height * width / upright.width))
        current = current.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        made.files.insert(0, {"name": _store(source, current, width), "width": width})
    return made


def _upright(image):
    image = ImageOps.exif_transpose(image)
    transparent = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def _store(source, image, width):
    path = PurePosixPath(source.name)
    data = io.BytesIO()
    image.save(data, "WEBP", quality=80, method=2)
    name = str(path.parent / "thumbnails" / f"{path.stem}-{width}.webp")
    return source.storage.save(name, ContentFile(data.getvalue()))
