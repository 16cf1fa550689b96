"""Vessels on a table in window light, each one turned from an outline as on a potter's wheel."""

import math
from itertools import pairwise

from PIL import Image, ImageDraw

from .canvas import Canvas, gradient, mix

# Half outlines of vessels from mouth to foot: how far down, how wide (both of 1).
VESSELS = {
    "bottle": [
        (0, 0.2),
        (0.03, 0.24),
        (0.06, 0.19),
        (0.3, 0.2),
        (0.42, 0.5),
        (0.52, 0.62),
        (0.97, 0.6),
        (1, 0.56),
    ],
    "jug": [
        (0, 0.62),
        (0.04, 0.58),
        (0.2, 0.44),
        (0.36, 0.62),
        (0.58, 0.92),
        (0.8, 0.86),
        (0.97, 0.6),
        (1, 0.56),
    ],
    "bowl": [(0, 1.3), (0.05, 1.3), (0.4, 1.16), (0.75, 0.7), (0.92, 0.46), (1, 0.5)],
    "vase": [(0, 0.42), (0.05, 0.38), (0.2, 0.3), (0.4, 0.6), (0.62, 0.8), (0.84, 0.62), (1, 0.4)],
    "cup": [(0, 0.86), (0.5, 0.82), (0.9, 0.74), (1, 0.68)],
    "box": [(0, 0.74), (1, 0.74)],
    "flask": [
        (0, 0.26),
        (0.04, 0.26),
        (0.06, 0.16),
        (0.5, 0.17),
        (0.62, 0.5),
        (0.78, 0.76),
        (0.93, 0.74),
        (1, 0.6),
    ],
}
HEIGHTS = {
    "bottle": 0.5,
    "jug": 0.3,
    "bowl": 0.13,
    "vase": 0.34,
    "cup": 0.16,
    "box": 0.2,
    "flask": 0.42,
}


def still(size, palette, seed):
    """Vessels on a table in window light. Palette: wall, table, then the vessels."""
    canvas = Canvas(size, seed)
    rng, width, height = canvas.rng, canvas.width, canvas.height
    wall, table, *glazes = palette
    canvas.image.paste(
        gradient(
            canvas.image.size,
            [mix(wall, "#ffffff", 0.22), wall, mix(wall, "#000000", 0.16)],
            horizontal=True,
        )
    )
    edge = int(height * rng.uniform(0.62, 0.68))
    board = gradient(
        (width, height - edge), [mix(table, "#000000", 0.1), mix(table, "#ffffff", 0.12), table]
    )
    canvas.image.paste(board, (0, edge))
    canvas.pen.line([(0, edge), (width, edge)], fill=(*mix(table, "#000000", 0.45), 120), width=5)
    count = 5 if width > height else 4
    kinds = rng.sample(sorted(VESSELS), count)
    kinds.sort(key=lambda kind: -HEIGHTS[kind])
    places = [0.5 + (i - (count - 1) / 2) * (0.74 / count) for i in range(count)]
    rng.shuffle(places)
    rng.shuffle(glazes)
    for index, (kind, place) in enumerate(zip(kinds, places)):
        foot = edge + height * (0.07 + 0.035 * index) + rng.uniform(-0.006, 0.006) * height
        _vessel(canvas, kind, place * width, foot, glazes[index % len(glazes)])
    return canvas.finish(grain=22)


def _vessel(canvas, kind, x, foot, glaze):
    rng = canvas.rng
    tall = min(canvas.unit * 1.22, canvas.height) * HEIGHTS[kind] * rng.uniform(0.92, 1.1)
    broad = canvas.unit * 0.132 * rng.uniform(0.9, 1.1)
    outline = _smooth(VESSELS[kind])
    top, dip = foot - tall, broad * 0.16
    right = [(x + broad * w, top + tall * t) for t, w in outline]
    left = [(x - broad * w, top + tall * t) for t, w in outline]
    base, mouth = broad * outline[-1][1], broad * outline[0][1]
    arc = [
        (x + base * math.cos(a), foot + dip * math.sin(a))
        for a in (math.pi * i / 16 for i in range(17))
    ]
    shadow = [
        (x - base, foot - dip),
        (x + base, foot - dip),
        (x + base + tall * 0.55, foot + dip * 0.6),
        (x + tall * 0.5, foot + dip * 2.2),
        (x - base, foot + dip),
    ]
    canvas.shade(canvas.mask(shadow), 0.5, 34, color=(24, 18, 20))
    mask = canvas.mask(right + arc + left[::-1])
    widest = broad * max(w for _, w in outline)
    colors = [
        mix(glaze, "#ffffff", 0.16),
        mix(glaze, "#ffffff", 0.34),
        glaze,
        mix(glaze, "#000000", 0.22),
        mix(glaze, "#000000", 0.46),
    ]
    box = (int(x - widest), int(top), int(x + widest) + 2, int(foot + dip) + 2)
    shading = gradient((box[2] - box[0], box[3] - box[1]), colors, horizontal=True)
    canvas.image.paste(shading, box, mask=mask.crop(box))
    lip = mouth * 0.2
    inside = gradient(
        (256, 8), [mix(glaze, "#000000", 0.62), mix(glaze, "#000000", 0.25)], horizontal=True
    )
    opening = Image.new("L", canvas.image.size)
    ImageDraw.Draw(opening).ellipse((x - mouth, top - lip, x + mouth, top + lip), fill=255)
    rim = (int(x - mouth) - 1, int(top - lip) - 1, int(x + mouth) + 2, int(top + lip) + 2)
    canvas.image.paste(
        inside.resize((rim[2] - rim[0], rim[3] - rim[1])), rim, mask=opening.crop(rim)
    )
    canvas.pen.ellipse(
        (x - mouth, top - lip, x + mouth, top + lip), outline=mix(glaze, "#ffffff", 0.3), width=4
    )


def _smooth(points):
    """Eases between the given outline points, so that shoulders are round."""
    curve = []
    for (t0, w0), (t1, w1) in pairwise(points):
        for step in range(12):
            part = step / 12
            eased = (1 - math.cos(part * math.pi)) / 2
            curve.append((t0 + (t1 - t0) * part, w0 + (w1 - w0) * eased))
    return [*curve, points[-1]]
