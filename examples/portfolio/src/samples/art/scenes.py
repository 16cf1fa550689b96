"""Pictures of something: hills at dusk, the sea, a meadow, a town at night."""

import math

from .canvas import Canvas, Wave, gradient, mix, ramp, rgb


def dusk(size, palette, seed):
    """Ridges behind ridges under a low sun. Palette: three of the sky, sun, far hills, near hills."""
    canvas = Canvas(size, seed)
    rng, width, height = canvas.rng, canvas.width, canvas.height
    *sky, sun, far, near = palette
    canvas.backdrop(sky)
    x, y = width * rng.uniform(0.25, 0.75), height * rng.uniform(0.22, 0.4)
    radius = canvas.unit * rng.uniform(0.06, 0.12)
    canvas.glow((x, y), radius * 5, sun, 0.55)
    canvas.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=rgb(sun))
    ridges = rng.randint(6, 8)
    for ridge in range(ridges):
        depth = ridge / (ridges - 1)
        wave = Wave(rng, 6, 0.42 + 0.08 * (1 - depth))
        base = height * (0.42 + 0.5 * depth**1.15)
        swing = height * rng.uniform(0.05, 0.1) * (1.15 - depth * 0.4)
        stretch = rng.uniform(3.0, 5.0) * width / height / 1.3
        line = [(i, base + swing * wave(i / width * stretch)) for i in range(-8, width + 16, 8)]
        shape = line + [(width, height), (0, height)]
        mask = canvas.mask(shape)
        color = mix(far, near, depth**0.85)
        top, below = int(base - swing), int(base - swing + height * 0.45)
        mist = gradient((width, below - top), [color] * 4 + [mix(color, sky[-1], 0.55)])
        canvas.image.paste(mist, (0, top), mask=mask.crop((0, top, width, below)))
        if below < height:
            canvas.image.paste(color, (0, below, width, height))
    _birds(canvas, mix(near, "#000000", 0.2), x, y + radius * 2.4)
    return canvas.finish()


def _birds(canvas, color, x, y):
    rng, pen = canvas.rng, canvas.pen
    for _ in range(rng.randint(3, 7)):
        span = canvas.unit * rng.uniform(0.008, 0.016)
        left = x + rng.uniform(-0.2, 0.2) * canvas.width
        top = y - rng.uniform(0, 0.16) * canvas.height
        for side in (-1, 1):
            wing = [
                (left + side * span * t, top - span * 0.5 * math.sin(t * 2.2))
                for t in (0, 0.35, 0.7, 1)
            ]
            pen.line(wing, fill=color, width=max(3, int(span / 7)))


def tides(size, palette, seed):
    """Lines of swell, each hiding what lies behind it. Palette: background, then the lines."""
    canvas = Canvas(size, seed, palette[0])
    rng, width, height = canvas.rng, canvas.width, canvas.height
    pen, ground, colors = canvas.pen, rgb(palette[0]), palette[1:]
    lines = 64
    swell, ripple, drift = Wave(rng, 3, 0.6), Wave(rng, 4, 0.6), Wave(rng, 2)
    margin = canvas.unit * 0.09
    step = (height - margin * 2.4) / lines
    for line in range(lines):
        base = margin * 1.7 + line * step
        center = 0.5 + 0.2 * drift(line / 11)
        points = []
        for i in range(241):
            t = i / 240
            lift = math.exp(-(((t - center) / 0.2) ** 2))
            crest = 0.55 + 0.45 * swell(line / 7 + t * 9)
            noise = 0.10 * ripple(t * 34 + line * 2.1) * (0.15 + lift)
            y = base - step * 8.5 * (lift * crest + noise)
            points.append((margin + t * (width - margin * 2), y))
        pen.polygon(
            points + [(width - margin, base + step * 2), (margin, base + step * 2)], fill=ground
        )
        pen.line(points, fill=ramp(colors, line / lines), width=int(canvas.unit / 270))
    pen.rectangle((0, height - margin * 0.65, width, height), fill=ground)
    return canvas.finish()


def meadow(size, palette, seed):
    """Stems, leaves and umbels against the light. Palette: two of paper, two of stems, then flowers."""
    canvas = Canvas(size, seed)
    rng, width, height = canvas.rng, canvas.width, canvas.height
    paper, stems, flowers = palette[:2], palette[2:4], palette[4:]
    canvas.backdrop(paper)
    x, y = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.2, 0.4)
    canvas.glow((x, y), canvas.unit * 0.7, mix(paper[0], "#ffffff", 0.75), 0.8)
    plants = int(84 * max(1, width / height))
    for plant in range(plants):
        near = plant / plants
        color = mix(mix(paper[1], stems[0], 0.25), stems[1], near**1.4)
        tall = height * rng.uniform(0.3, 0.82) * (0.65 + 0.35 * rng.random())
        _plant(canvas, rng.uniform(-0.02, 1.02) * width, tall, color, flowers, near)
    return canvas.finish(grain=18)


def _plant(canvas, x, tall, color, flowers, near):
    rng, pen = canvas.rng, canvas.pen
    lean, bend = rng.uniform(-0.12, 0.12), rng.uniform(-0.16, 0.16)
    steps = 26
    stem = [
        (x + tall * (lean * t + bend * t * t), canvas.height + 20 - tall * t)
        for t in (i / steps for i in range(steps + 1))
    ]
    thick = canvas.unit * (0.0016 + 0.0022 * near)
    pen.line(stem, fill=color, width=max(2, int(thick)))
    kind = rng.choice(("umbel", "umbel", "grass", "poppy", "leafy"))
    if kind in ("leafy", "poppy", "umbel"):
        for index in range(4, steps - 8, rng.choice((3, 4, 5))):
            side = rng.choice((-1, 1))
            length = tall * rng.uniform(0.06, 0.13) * (1.2 - index / steps)
            _leaf(pen, stem[index], -math.pi / 2 + side * rng.uniform(0.5, 1.0), length, color)
    tip, flower = stem[-1], mix(color, rng.choice(flowers), 0.3 + 0.7 * near)
    if kind == "umbel":
        for _ in range(rng.randint(11, 19)):
            angle = -math.pi / 2 + rng.uniform(-1.15, 1.15)
            reach = tall * rng.uniform(0.08, 0.13)
            end = (tip[0] + reach * math.cos(angle), tip[1] + reach * math.sin(angle))
            pen.line([tip, end], fill=color, width=max(2, int(thick * 0.6)))
            _dot(pen, end, canvas.unit * rng.uniform(0.003, 0.007), flower)
    elif kind == "grass":
        for index in range(steps // 2, steps + 1):
            for side in (-1, 1):
                _leaf(pen, stem[index], -math.pi / 2 + side * 0.45, tall * 0.045, flower)
    elif kind == "poppy":
        radius = canvas.unit * rng.uniform(0.016, 0.032)
        for petal in range(5):
            angle = math.pi + petal * math.pi / 4 + rng.uniform(-0.15, 0.15)
            spot = (
                tip[0] + radius * 0.65 * math.cos(angle),
                tip[1] + radius * 0.5 * math.sin(angle),
            )
            _dot(pen, spot, radius * 0.72, (*mix(flower, "#ffffff", 0.08 * (petal % 2)), 225))
        _dot(pen, tip, radius * 0.3, mix(color, "#000000", 0.4))


def _leaf(pen, root, angle, length, color):
    side = length * 0.16
    cos, sin = math.cos(angle), math.sin(angle)
    shape = []
    for t, breadth in (
        (0, 0),
        (0.25, 0.8),
        (0.5, 1),
        (0.75, 0.65),
        (1, 0),
        (0.75, -0.65),
        (0.5, -1),
        (0.25, -0.8),
    ):
        shape.append(
            (
                root[0] + length * t * cos - side * breadth * sin,
                root[1] + length * t * sin + side * breadth * cos,
            )
        )
    pen.polygon(shape, fill=color)


def _dot(pen, center, radius, color):
    pen.ellipse(
        (center[0] - radius, center[1] - radius, center[0] + radius, center[1] + radius), fill=color
    )


def windows(size, palette, seed):
    """A town at night, with lit windows. Palette: two of the sky, far walls, near walls, lights."""
    canvas = Canvas(size, seed)
    rng, width, height = canvas.rng, canvas.width, canvas.height
    sky, far, near, lights = palette[:2], palette[2], palette[3], palette[4:]
    canvas.backdrop(sky)
    pen = canvas.pen
    for _ in range(170):
        x, y = rng.uniform(0, width), rng.uniform(0, height * 0.6)
        _dot(pen, (x, y), rng.uniform(1.2, 3.4), (255, 248, 230, rng.randint(60, 190)))
    moon = (width * rng.uniform(0.2, 0.8), height * rng.uniform(0.12, 0.24))
    canvas.glow(moon, canvas.unit * 0.45, lights[0], 0.4)
    _dot(canvas.pen, moon, canvas.unit * 0.055, mix(lights[0], "#ffffff", 0.5))
    for row in range(4):
        depth = row / 3
        wall = mix(far, near, depth)
        x = -width * rng.uniform(0, 0.08)
        while x < width:
            broad = canvas.unit * rng.uniform(0.12, 0.24) * (0.75 + 0.45 * depth)
            roof = height * (0.3 + 0.19 * row + rng.uniform(-0.06, 0.09))
            _house(
                canvas, x, roof, broad, mix(wall, "#000000", rng.uniform(0, 0.16)), lights, depth
            )
            x += broad
        canvas.glow((width / 2, height * (0.62 + 0.16 * row)), width * 0.8, lights[-1], 0.05)
    return canvas.finish()


def _house(canvas, x, roof, broad, wall, lights, depth):
    rng, pen, bottom = canvas.rng, canvas.pen, canvas.height
    shape = rng.choice(("flat", "gable", "gable", "shed"))
    rise = broad * rng.uniform(0.25, 0.5)
    pen.rectangle((x, roof, x + broad, bottom), fill=wall)
    if shape == "gable":
        pen.polygon([(x, roof), (x + broad / 2, roof - rise), (x + broad, roof)], fill=wall)
    elif shape == "shed":
        pen.polygon([(x, roof), (x, roof - rise * 0.6), (x + broad, roof)], fill=wall)
    chimney = x + broad * rng.uniform(0.15, 0.3)
    pen.rectangle((chimney, roof - rise * 0.8, chimney + broad * 0.08, roof), fill=wall)
    across = rng.randint(2, 4)
    pitch = broad / across
    pane = pitch * 0.42
    floor = roof + pitch * 0.35
    while floor < bottom:
        for column in range(across):
            left = x + pitch * column + (pitch - pane) / 2
            box = (left, floor, left + pane, floor + pane * 1.35)
            if rng.random() < 0.34 + 0.14 * depth:
                light = mix(rng.choice(lights), "#ffffff", rng.uniform(0, 0.25))
                if depth > 0.5:
                    canvas.glow((left + pane / 2, floor + pane * 0.7), pane * 1.8, light, 0.28)
                pen.rectangle(box, fill=mix(wall, light, 0.6 + 0.4 * depth))
                middle = left + pane / 2
                pen.line(
                    [(middle, box[1]), (middle, box[3])], fill=wall, width=max(2, int(pane / 14))
                )
                pen.line(
                    [(box[0], floor + pane * 0.5), (box[2], floor + pane * 0.5)],
                    fill=wall,
                    width=max(2, int(pane / 14)),
                )
            else:
                pen.rectangle(box, fill=mix(wall, "#000000", 0.3))
        floor += pitch * 0.95
