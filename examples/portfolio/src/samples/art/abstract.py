"""Pictures of nothing but themselves: cut paper, lines in a field, tiles, washes of water colour."""

import math

from PIL import Image, ImageDraw, ImageFilter

from .canvas import Canvas, Wave, mix, ramp, rgb


def paper(size, palette, seed):
    """Sheets with holes, stacked. Palette: from the deepest sheet to the topmost."""
    canvas = Canvas(size, seed)
    rng, width, height = canvas.rng, canvas.width, canvas.height
    canvas.image.paste(rgb(palette[0]), (0, 0, width, height))
    center = (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6))
    sheets = 9
    first = Wave(rng, 3, 0.55)
    turn = rng.uniform(0.2, 0.38)
    edge = [0.0] * 240
    for sheet in range(1, sheets):
        depth = sheet / (sheets - 1)
        reach = 0.06 + 0.5 * depth**1.1
        hole = []
        for step in range(240):
            angle = math.tau * step / 240
            bulge = first(math.cos(angle) * 1.6 + sheet * turn) + first(
                math.sin(angle) * 1.6 - sheet * turn
            )
            far = edge[step] = max(reach * (1 + 0.34 * bulge), edge[step] + 0.014)
            hole.append(
                (
                    center[0] + width * far * math.cos(angle),
                    center[1] + height * far * math.sin(angle),
                )
            )
        mask = Image.new("L", canvas.image.size, 255)
        ImageDraw.Draw(mask).polygon(hole, fill=0)
        canvas.shade(mask, 0.62, 40, (16, 26), color=mix(palette[0], "#000000", 0.72))
        color = ramp(palette, depth)
        canvas.image.paste(color, mask=mask)
        canvas.pen.line(hole + hole[:1], fill=(*mix(color, "#ffffff", 0.4), 130), width=4)
    return canvas.finish(grain=26)


def field(size, palette, seed):
    """Lines that follow a hidden current. Palette: background, then the lines."""
    canvas = Canvas(size, seed, palette[0])
    rng, pen, width, height = canvas.rng, canvas.pen, canvas.width, canvas.height
    across, down = Wave(rng, 3, 0.55), Wave(rng, 3, 0.55)
    tint = Wave(rng, 3)
    scale, turn, swirl = canvas.unit, rng.uniform(0, math.tau), rng.uniform(1.6, 2.6)
    stride = canvas.unit / 110
    lines = int(1500 * (width * height) / (3200 * 2400) + 500)
    for _ in range(lines):
        x, y = rng.uniform(-0.1, 1.05) * width, rng.uniform(-0.05, 1.05) * height
        color = palette[1:][
            int(
                len(palette[1:])
                * (0.5 + 0.42 * tint(x / scale * 2.2 + y / scale) + rng.uniform(-0.12, 0.12))
            )
            % len(palette[1:])
        ]
        points = [(x, y)]
        for _ in range(rng.randint(14, 44)):
            angle = turn + swirl * (
                across(x / scale * 2.1 + y / scale * 0.7) + down(y / scale * 2.1 - x / scale * 0.5)
            )
            x += stride * math.cos(angle)
            y += stride * math.sin(angle)
            points.append((x, y))
        thick = int(canvas.unit / rng.choice((150, 210, 300, 420)))
        shade = mix(color, palette[0], rng.uniform(0, 0.25))
        pen.line(points, fill=shade, width=thick)
        for end in (points[0], points[-1]):
            half = thick / 2
            pen.ellipse((end[0] - half, end[1] - half, end[0] + half, end[1] + half), fill=shade)
    return canvas.finish(grain=20)


def tiles(size, palette, seed):
    """Quarter circles, leaves and dots in a grid. Palette: ground, then the shapes."""
    canvas = Canvas(size, seed, palette[0])
    rng, width, height = canvas.rng, canvas.width, canvas.height
    side = math.gcd(size[0], size[1]) * 2
    while side > canvas.unit / 4:
        side //= 2
    for left in range(0, width, side):
        for top in range(0, height, side):
            ground, shape, extra = rng.sample(palette, 3)
            canvas.image.paste(_tile(rng, side, ground, shape, extra), (left, top))
    return canvas.finish(grain=24)


def _tile(rng, side, ground, shape, extra):
    tile = Image.new("RGB", (side, side), rgb(ground))
    pen = ImageDraw.Draw(tile)
    kind = rng.choice(("quarter", "quarter", "leaf", "half", "rings", "dot", "rays", "plain"))
    if kind == "quarter":
        pen.ellipse((-side, -side, side, side), fill=shape)
        pen.ellipse((-side * 0.5, -side * 0.5, side * 0.5, side * 0.5), fill=extra)
    elif kind == "leaf":
        first, second = Image.new("1", tile.size), Image.new("1", tile.size)
        ImageDraw.Draw(first).ellipse((-side, 0, side, side * 2), fill=1)
        ImageDraw.Draw(second).ellipse((0, -side, side * 2, side), fill=1)
        blank = Image.new("1", tile.size)
        blank.paste(first, mask=second)
        tile.paste(rgb(shape), mask=blank)
    elif kind == "half":
        pen.pieslice((0, -side / 2, side, side / 2), 0, 180, fill=shape)
        pen.pieslice((0, 0, side, side), 0, 180, fill=extra)
    elif kind == "rings":
        for ring, color in enumerate((shape, ground, extra, ground, shape)):
            inset = side * (0.06 + 0.09 * ring)
            pen.ellipse((inset, inset, side - inset, side - inset), fill=color)
    elif kind == "dot":
        pen.rectangle((0, side / 2, side, side), fill=extra)
        pen.ellipse((side * 0.22, side * 0.22, side * 0.78, side * 0.78), fill=shape)
    elif kind == "rays":
        for ray in range(0, 90, 18):
            pen.pieslice((-side, -side, side, side), ray, ray + 9, fill=shape)
        pen.ellipse((-side * 0.3, -side * 0.3, side * 0.3, side * 0.3), fill=extra)
    else:
        pen.polygon([(0, 0), (side, 0), (0, side)], fill=shape)
    return tile.rotate(rng.choice((0, 90, 180, 270)))


def wash(size, palette, seed):
    """Water colour that ran, with a line of ink. Palette: paper, then the colours, then the ink."""
    canvas = Canvas((size[0] // 2, size[1] // 2), seed, palette[0])
    rng, width, height = canvas.rng, canvas.width, canvas.height
    *colors, ink = palette[1:]
    spots = rng.randint(7, 9)
    for spot in range(spots):
        across = (spot + rng.uniform(0.2, 0.8)) / spots
        center = (width * (0.1 + 0.8 * across), height * rng.uniform(0.22, 0.78))
        radius = canvas.unit * rng.uniform(0.14, 0.28)
        shape = _blot(rng, center, radius)
        shape = _run(rng, _run(rng, shape, 0.5), 0.4)
        color = rgb(colors[spot % len(colors)])
        for layer in range(26):
            wet = _run(rng, _run(rng, shape, 0.42), 0.3)
            canvas.pen.polygon(
                wet, fill=(*mix(color, colors[(spot + 1) % len(colors)], layer / 90), 13)
            )
        canvas.pen.line(shape + shape[:1], fill=(*mix(color, "#000000", 0.15), 26), width=3)
    canvas.image = canvas.image.filter(ImageFilter.GaussianBlur(1.1))
    _splashes(canvas, colors)
    canvas.image = canvas.image.resize((size[0] * 2, size[1] * 2), Image.Resampling.BICUBIC)
    canvas.width, canvas.height = canvas.image.size
    canvas.unit = min(canvas.image.size)
    _ink(canvas, ink)
    return canvas.finish(grain=34)


def _blot(rng, center, radius):
    spread = [rng.uniform(0.65, 1.25) for _ in range(12)]
    return [
        (
            center[0] + radius * far * math.cos(math.tau * i / 12),
            center[1] + radius * far * math.sin(math.tau * i / 12),
        )
        for i, far in enumerate(spread)
    ]


def _run(rng, points, amount):
    """Breaks each edge in the middle and pulls the break outwards or inwards at random."""
    result = []
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        dx, dy = x1 - x0, y1 - y0
        pull = rng.gauss(0, amount) * 0.8
        part = rng.uniform(0.35, 0.65)
        result.append((x0, y0))
        result.append((x0 + dx * part - dy * pull, y0 + dy * part + dx * pull))
    return result


def _splashes(canvas, colors):
    rng = canvas.rng
    for _ in range(60):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height)
        radius = canvas.unit * 0.012 * rng.random() ** 3
        canvas.pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=(*rgb(rng.choice(colors)), 90)
        )


def _ink(canvas, ink):
    rng, pen = canvas.rng, canvas.pen
    for _ in range(rng.randint(2, 3)):
        wave = Wave(rng, 4, 0.6)
        base = canvas.height * rng.uniform(0.25, 0.8)
        start, end = rng.uniform(0.04, 0.2), rng.uniform(0.75, 0.97)
        last = None
        for step in range(400):
            t = start + (end - start) * step / 399
            point = (t * canvas.width, base + canvas.height * 0.1 * wave(t * 5.2))
            thick = canvas.unit * (0.0011 + 0.0010 * (1 + wave(t * 31)))
            if last:
                pen.line([last, point], fill=rgb(ink), width=max(2, int(thick)))
            last = point
