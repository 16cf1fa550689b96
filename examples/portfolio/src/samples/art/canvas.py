"""What all styles draw on: a canvas of twice the size, gradients, noise, shadows and paper grain."""

import math
import random

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageOps


def rgb(color):
    return ImageColor.getrgb(color) if isinstance(color, str) else color


def mix(a, b, amount):
    """The colour `amount` (0 to 1) of the way from a to b."""
    return tuple(round(x + (y - x) * amount) for x, y in zip(rgb(a), rgb(b)))


def ramp(colors, amount):
    """The colour at `amount` (0 to 1) along a list of colours."""
    place = min(max(amount, 0), 1) * (len(colors) - 1)
    index = min(int(place), len(colors) - 2)
    return mix(colors[index], colors[index + 1], place - index)


def gradient(size, colors, horizontal=False):
    """A smooth ramp of the colours from top to bottom, or from left to right."""
    steps = 256
    strip = Image.new("RGB", (steps, 1) if horizontal else (1, steps))
    strip.putdata([ramp(colors, step / (steps - 1)) for step in range(steps)])
    line = strip.resize((size[0], 1) if horizontal else (1, size[1]), Image.Resampling.BICUBIC)
    return line.resize(size, Image.Resampling.NEAREST)


# A round light that fades towards the edge, and is quite gone before the corners.
LIGHT = ImageOps.invert(Image.radial_gradient("L")).point(lambda v: max(0, v * 2 - 255) ** 2 // 255)


class Wave:
    """A smooth random curve: a few sines of rising frequency and falling height, within -1 to 1."""

    def __init__(self, rng, octaves=4, roughness=0.5):
        self.parts = [
            (2**n * rng.uniform(0.8, 1.25), rng.uniform(0, math.tau), roughness**n)
            for n in range(octaves)
        ]
        self.total = sum(height for _, _, height in self.parts)

    def __call__(self, x):
        return sum(h * math.sin(f * x + phase) for f, phase, h in self.parts) / self.total


class Canvas:
    def __init__(self, size, seed, background="#ffffff"):
        self.rng = random.Random(seed)
        self.size = size
        self.width, self.height = size[0] * 2, size[1] * 2
        self.image = Image.new("RGB", (self.width, self.height), rgb(background))
        self.unit = min(self.width, self.height)

    @property
    def pen(self):
        """Draws on the image; colours of four numbers are translucent."""
        return ImageDraw.Draw(self.image, "RGBA")

    def backdrop(self, colors):
        self.image.paste(gradient(self.image.size, colors))

    def mask(self, polygon):
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(polygon, fill=255)
        return mask

    def shade(self, mask, strength, blur, offset=(0, 0), color=(0, 0, 0)):
        """Lays a soft shadow (or light) of a mask's shape on the image."""
        small = mask.reduce(8).filter(ImageFilter.GaussianBlur(blur / 8))
        soft = small.resize(self.image.size, Image.Resampling.BILINEAR)
        soft = ImageChops.offset(soft, *offset) if any(offset) else soft
        self.image.paste(color, mask=soft.point(lambda value: int(value * strength)))

    def glow(self, center, radius, color, strength):
        """A round light that fades to nothing at its radius."""
        disk = LIGHT.point(lambda value: int(value * strength)).resize(
            (int(radius * 2),) * 2, Image.Resampling.BILINEAR
        )
        corner = (int(center[0] - radius), int(center[1] - radius))
        self.image.paste(rgb(color), corner, mask=disk)

    def finish(self, grain=14):
        """The picture at its own size, with a little paper grain."""
        picture = self.image.reduce(2)
        tile = Image.frombytes("L", (256, 256), self.rng.randbytes(256 * 256))
        tile = tile.filter(ImageFilter.GaussianBlur(0.6))
        tile = tile.point(lambda value: 128 + int((value - 128) * grain / 100))
        paper = Image.new("L", picture.size)
        for left in range(0, picture.width, 256):
            for top in range(0, picture.height, 256):
                paper.paste(tile, (left, top))
        return ImageChops.soft_light(picture, paper.convert("RGB"))
