"""The pictures of the sample folder, drawn from numbers: the same pixels on every run."""

from collections.abc import Sequence
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
Stops = Sequence[tuple[float, Colour]]

_FINE = 2  # everything is drawn larger and then shrunk, which smooths its edges


def _gradient(width: int, height: int, stops: Stops) -> Image.Image:
    """A sky: colours from top to bottom."""
    places = np.linspace(0.0, 1.0, height)
    columns = [np.interp(places, [at for at, _ in stops], [colour[part] for _, colour in stops]) for part in range(3)]
    column = np.stack(columns, axis=1)[:, None, :]
    return Image.fromarray(np.repeat(column, width, axis=1).round().astype(np.uint8))


def _grain(picture: Image.Image, strength: float) -> Image.Image:
    """A little paper grain, so that wide gradients show no bands."""
    noise = np.random.default_rng(7).normal(0.0, strength, (picture.height, picture.width, 1))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def _glow(picture: Image.Image, centre: tuple[float, float], radius: float, colour: Colour) -> Image.Image:
    """Light that fades with distance."""
    ys, xs = np.mgrid[0 : picture.height, 0 : picture.width]
    distance = np.hypot(xs - centre[0], ys - centre[1]) / radius
    amount = (np.exp(-(distance**2)) * 0.85)[:, :, None]
    lit = np.asarray(picture) * (1 - amount) + np.array(colour) * amount
    return Image.fromarray(lit.round().astype(np.uint8))


def _shrunk(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // _FINE, picture.height // _FINE), Image.Resampling.LANCZOS)


def _boat(draw: ImageDraw.ImageDraw, x: float, y: float, size: float, colour: Colour) -> None:
    draw.polygon(
        [(x - size, y), (x + size, y), (x + size * 0.7, y + size * 0.34), (x - size * 0.7, y + size * 0.34)], colour
    )
    draw.line([(x, y), (x, y - size * 2.1)], colour, max(2, round(size * 0.06)))
    draw.polygon(
        [(x + size * 0.08, y - size * 2.0), (x + size * 0.08, y - size * 0.2), (x + size * 0.85, y - size * 0.2)],
        colour,
    )
    draw.polygon(
        [(x - size * 0.08, y - size * 1.7), (x - size * 0.08, y - size * 0.2), (x - size * 0.6, y - size * 0.2)], colour
    )


def harbour_at_dusk() -> Image.Image:
    width, height = 1080 * _FINE, 720 * _FINE
    horizon, sun_x = round(height * 0.6), width * 0.64
    sky = _gradient(
        width, horizon, [(0, (38, 34, 82)), (0.45, (142, 68, 110)), (0.8, (240, 128, 82)), (1, (255, 205, 130))]
    )
    sky = _glow(sky, (sun_x, horizon - 20), height * 0.3, (255, 226, 160))
    ImageDraw.Draw(sky).ellipse((sun_x - 120, horizon - 165, sun_x + 120, horizon + 75), (255, 238, 190))
    water = sky.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((width, height - horizon))
    mirrored = np.asarray(water).astype(np.float64)
    rows = np.arange(mirrored.shape[0])
    depth = rows / mirrored.shape[0]
    shift = (18 * (0.2 + depth) * _FINE * np.sin(rows / (3.0 + 14 * depth))).astype(int)
    rippled = np.stack([np.roll(line, by, axis=0) for line, by in zip(mirrored, shift, strict=True)])
    rippled *= (0.86 - 0.3 * depth)[:, None, None]
    picture = Image.new("RGB", (width, height))
    picture.paste(sky, (0, 0))
    picture.paste(Image.fromarray(rippled.astype(np.uint8)), (0, horizon))
    draw = ImageDraw.Draw(picture)
    hills = [(x, horizon - 50 - 40 * sin(x / 310) - 26 * sin(x / 120 + 1)) for x in range(0, width // 2 + 200, 8)]
    draw.polygon([(0, horizon), *hills, (width // 2 + 200, horizon)], (74, 42, 86))
    for x, y, size in ((0.2, 0.72, 92), (0.43, 0.655, 46), (0.82, 0.79, 128)):
        _boat(draw, width * x, height * y, size, (40, 24, 52))
    return _grain(_shrunk(picture), 2.0)


def tide_mill() -> Image.Image:
    width, height = 900 * _FINE, 900 * _FINE
    ground = round(height * 0.66)
    picture = _gradient(width, height, [(0, (176, 214, 222)), (0.62, (244, 236, 214)), (1, (244, 236, 214))])
    draw = ImageDraw.Draw(picture)
    draw.ellipse((1180, 190, 1440, 450), (250, 208, 120))
    far = [(x, ground - 190 - 60 * sin(x / 260 + 0.6)) for x in range(0, width + 8, 8)]
    draw.polygon([(0, height), *far, (width, height)], (160, 190, 160))
    near = [(x, ground - 70 - 36 * sin(x / 190 + 2.2)) for x in range(0, width + 8, 8)]
    draw.polygon([(0, height), *near, (width, height)], (116, 158, 128))
    _mill_house(draw, 330, ground)
    draw.rectangle((0, ground, width, height), (58, 122, 140))
    for row in range(9):
        y, step = ground + 34 + row * 62, 150 + row * 26
        for column in range(-1, width // step + 2):
            x = column * step + (row % 2) * step // 2
            draw.arc((x, y, x + step * 0.7, y + 30), 200, 340, (128, 184, 192), 7)
    _wheel(draw, (1130, ground - 30), 250, 0.2, ((92, 62, 44), (132, 92, 62)))
    return _shrunk(picture)


def _mill_house(draw: ImageDraw.ImageDraw, left: int, ground: int) -> None:
    top, right = ground - 560, left + 640
    draw.rectangle((left, top, right, ground + 30), (236, 222, 196))
    draw.rectangle((left, ground - 150, right, ground + 30), (150, 140, 132))
    for row in range(4):
        for column in range(8):
            x, y = left + column * 84 - (row % 2) * 42, ground - 146 + row * 46
            draw.rounded_rectangle((max(left, x), y, min(right, x + 76), y + 38), 8, (168, 158, 148))
    draw.polygon(
        [(left - 50, top + 10), (left + 110, top - 250), (right - 110, top - 250), (right + 50, top + 10)],
        (178, 78, 58),
    )
    for row in range(1, 5):
        y = top - 250 + row * 52
        draw.line([(left + 110 - row * 32, y), (right - 110 + row * 32, y)], (152, 62, 48), 6)
    for x, y in ((left + 90, top + 90), (left + 280, top + 90), (left + 470, top + 90), (left + 90, top + 270)):
        draw.rectangle((x - 10, y - 10, x + 100, y + 130), (120, 92, 72))
        draw.rectangle((x, y, x + 90, y + 120), (74, 98, 112))
        draw.line([(x + 45, y), (x + 45, y + 120)], (120, 92, 72), 8)
        draw.line([(x, y + 60), (x + 90, y + 60)], (120, 92, 72), 8)


def _wheel(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, turn: float, colours: tuple[Colour, Colour]
) -> None:
    x, y = centre
    dark, light = colours
    for spoke in range(12):
        angle = turn + spoke * pi / 6
        draw.line([(x, y), (x + radius * cos(angle), y + radius * sin(angle))], dark, round(radius * 0.06))
        paddle_x, paddle_y = x + radius * 1.02 * cos(angle), y + radius * 1.02 * sin(angle)
        across = (-sin(angle) * radius * 0.13, cos(angle) * radius * 0.13)
        ends = [(paddle_x - across[0], paddle_y - across[1]), (paddle_x + across[0], paddle_y + across[1])]
        draw.line(ends, light, round(radius * 0.1))
    for size in (1.0, 0.62):
        reach = radius * size
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=light, width=round(radius * 0.07))
    hub = radius * 0.14
    draw.ellipse((x - hub, y - hub, x + hub, y + hub), dark)


def turning_wheel() -> list[Image.Image]:
    frames = []
    for frame in range(10):
        picture = Image.new("RGB", (360 * _FINE, 360 * _FINE), (232, 240, 238))
        draw = ImageDraw.Draw(picture)
        _wheel(draw, (360, 330), 240, frame * pi / 60, ((84, 70, 60), (170, 120, 74)))
        water = [(x, 560 + 12 * sin(x / 57.3 + frame * 2 * pi / 10)) for x in range(0, 728, 8)]
        draw.polygon([(0, 720), *water, (720, 720)], (66, 140, 156))
        frames.append(_shrunk(picture).quantize(32, Image.Quantize.MEDIANCUT))
    return frames


def lighthouse_at_night() -> Image.Image:
    width, height = 720 * _FINE, 1080 * _FINE
    sea, lamp = round(height * 0.8), (width * 0.36, height * 0.335)
    picture = _gradient(
        width, height, [(0, (8, 12, 38)), (0.55, (20, 42, 84)), (0.8, (54, 84, 118)), (1, (10, 26, 48))]
    )
    draw = ImageDraw.Draw(picture, "RGBA")
    stars = np.random.default_rng(11)
    for x, y, size in zip(
        stars.uniform(0, width, 190), stars.uniform(0, sea * 0.9, 190), stars.uniform(1, 4.6, 190), strict=True
    ):
        draw.ellipse((x - size, y - size, x + size, y + size), (255, 250, 225, 215))
    for spread, strength in ((190, 26), (130, 34), (80, 44), (40, 60)):
        for side in (1, -1):
            far = lamp[0] + side * width * 1.2
            edge = [(far, lamp[1] - spread * 2.2 - 60), (far, lamp[1] + spread * 2.2 - 60)]
            draw.polygon([lamp, *edge], (255, 232, 160, strength))
    picture = _glow(picture, lamp, 190, (255, 240, 190))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, sea, width, height), (14, 36, 62))
    for row in range(10):
        y = sea + 26 + row * 42
        curve = [(x, y + 9 * sin(x / (58 + row * 9) + row * 1.7)) for x in range(0, width + 12, 12)]
        draw.line(curve, (40 + row * 2, 78 + row * 2, 108), 4)
    _tower(draw, lamp, sea)
    return _grain(_shrunk(picture), 1.6)


def _tower(draw: ImageDraw.ImageDraw, lamp: tuple[float, float], sea: int) -> None:
    x, top, foot = lamp[0], lamp[1] + 74, sea + 30
    rock = [
        (x - 330, sea + 110),
        (x - 250, sea - 6),
        (x - 120, sea - 60),
        (x + 140, sea - 52),
        (x + 280, sea + 20),
        (x + 380, sea + 110),
    ]
    draw.polygon(rock, (26, 30, 40))
    bands = 6
    for band in range(bands):
        upper, lower = band / bands, (band + 1) / bands
        half_upper, half_lower = 74 + 46 * upper, 74 + 46 * lower
        y_upper, y_lower = top + (foot - 80 - top) * upper, top + (foot - 80 - top) * lower
        colour = (206, 62, 56) if band % 2 else (238, 232, 220)
        draw.polygon(
            [
                (x - half_upper, y_upper),
                (x + half_upper, y_upper),
                (x + half_lower, y_lower),
                (x - half_lower, y_lower),
            ],
            colour,
        )
    draw.rectangle((x - 104, top - 18, x + 104, top + 8), (34, 38, 48))
    draw.rectangle((x - 56, top - 130, x + 56, top - 18), (255, 238, 176))
    draw.rectangle((x - 60, top - 130, x - 48, top - 18), (34, 38, 48))
    draw.rectangle((x + 48, top - 130, x + 60, top - 18), (34, 38, 48))
    draw.polygon([(x - 78, top - 128), (x, top - 216), (x + 78, top - 128)], (206, 62, 56))


def wave_interference() -> Image.Image:
    ys, xs = np.mgrid[0:720, 0:720] / 720.0
    sources = ((0.24, 0.3, 52.0), (0.78, 0.24, 46.0), (0.55, 0.86, 60.0))
    height = sum(np.sin(np.hypot(xs - x, ys - y) * wave) for x, y, wave in sources) / 3.0
    stops = [-1.0, -0.45, 0.0, 0.5, 1.0]
    colours = np.array([(6, 24, 54), (12, 74, 104), (24, 138, 144), (146, 210, 190), (250, 246, 222)], dtype=float)
    parts = [np.interp(height, stops, colours[:, part]) for part in range(3)]
    return Image.fromarray(np.stack(parts, axis=2).round().astype(np.uint8))


def wheat_field() -> Image.Image:
    width, height = 960 * _FINE, 640 * _FINE
    picture = _gradient(
        width, height, [(0, (84, 150, 206)), (0.42, (196, 224, 234)), (0.44, (226, 180, 84)), (1, (160, 98, 30))]
    )
    cloud = Image.new("L", (width, height), 0)
    puff = ImageDraw.Draw(cloud)
    for at, up, wide in (
        (300, 190, 90),
        (400, 160, 120),
        (520, 195, 84),
        (1250, 270, 66),
        (1340, 246, 96),
        (1450, 276, 64),
    ):
        puff.ellipse((at - wide * 1.5, up - wide * 0.6, at + wide * 1.5, up + wide * 0.6), 235)
    picture.paste((255, 255, 250), (0, 0), cloud.filter(ImageFilter.GaussianBlur(16)))
    draw = ImageDraw.Draw(picture)
    chance = np.random.default_rng(5)
    for depth in np.sort(chance.uniform(0.0, 1.0, 2600)):
        x, light = chance.uniform(-40, width + 40), chance.uniform(-18, 22)
        _ear(draw, (x, height * (0.45 + 0.6 * depth**1.5)), 10 + 120 * depth**1.4, _straw(depth, light))
    return _shrunk(picture)


def _straw(depth: float, light: float) -> Colour:
    red, green, blue = (min(255, round(part + light)) for part in (222 - 26 * depth, 168 - 40 * depth, 72 - 26 * depth))
    return (red, green, blue)


def _ear(draw: ImageDraw.ImageDraw, foot: tuple[float, float], size: float, colour: Colour) -> None:
    (x, y), lean = foot, size * (0.22 + 0.1 * sin(foot[0] / 220))
    draw.line([(x, y), (x + lean * 0.4, y - size * 0.6), (x + lean, y - size)], colour, max(2, int(size / 22)))
    draw.ellipse((x + lean - size * 0.05, y - size * 1.16, x + lean + size * 0.07, y - size * 0.86), colour)


def moon_phases() -> Image.Image:
    size, phases = 170 * _FINE, 5
    picture = Image.new("RGBA", (size * phases, size + 40), (0, 0, 0, 0))
    ys, xs = np.mgrid[0 : size - 60, 0 : size - 60] / ((size - 60) / 2.0) - 1.0
    inside = np.hypot(xs, ys) <= 1.0
    craters = 1 - 0.14 * sum(
        np.exp(-(((xs - x) ** 2 + (ys - y) ** 2) / r))
        for x, y, r in ((-0.3, -0.3, 0.05), (0.35, 0.1, 0.09), (-0.1, 0.5, 0.04))
    )
    for phase in range(phases):
        edge = cos(pi * (phase + 0.55) / phases) * np.sqrt(np.clip(1 - ys**2, 0, 1))
        lit = np.where(xs > edge, 1.0, 0.16)
        shade = np.stack([part * craters * lit for part in (246, 236, 208)] + [255.0 * inside], axis=2)
        picture.paste(Image.fromarray(shade.round().astype(np.uint8)), (phase * size + 30, 50))
    return _shrunk(picture)


def tide_curve() -> Image.Image:
    """Height of the water over half a month: two daily tides, swelling to springs and falling to neaps."""
    width, height = 1000 * _FINE, 440 * _FINE
    picture = Image.new("RGB", (width, height), (250, 248, 242))
    draw = ImageDraw.Draw(picture)
    hours = np.linspace(0, 15 * 24, width // 4)
    level = 1.6 * np.cos(2 * pi * hours / 12.42) + 0.7 * np.cos(2 * pi * hours / 12.0 + 2.6)
    points = [(x * 4, height * 0.5 - value * 150) for x, value in enumerate(level)]
    for line in range(1, 15):
        draw.line([(width * line / 15, 0), (width * line / 15, height)], (228, 224, 214), 2)
    draw.polygon([(0, height), *points, (width, height)], (122, 190, 200))
    draw.line(points, (16, 88, 108), 7, joint="curve")
    draw.line([(0, height / 2), (width, height / 2)], (214, 120, 80), 3)
    return _shrunk(picture)


def loaf() -> Image.Image:
    width, height = 840 * _FINE, 600 * _FINE
    picture = _gradient(
        width, height, [(0, (226, 214, 200)), (0.62, (206, 190, 172)), (0.63, (132, 90, 62)), (1, (104, 68, 46))]
    )
    shadow = Image.new("L", (width, height), 0)
    ImageDraw.Draw(shadow).ellipse((260, 760, 1440, 980), 150)
    picture.paste((50, 30, 20), (0, 0), shadow.filter(ImageFilter.GaussianBlur(40)))
    draw = ImageDraw.Draw(picture)
    for ring in range(60):
        inset, light = ring * 4.6, ring * 1.25
        box = (270 + inset, 360 + inset * 0.62, 1410 - inset, 920 - inset * 1.15)
        draw.ellipse(box, (int(138 + light), int(80 + light * 0.95), int(36 + light * 0.6)))
    for cut in range(4):
        x = 470 + cut * 195
        draw.polygon([(x, 640), (x + 60, 470), (x + 165, 430), (x + 84, 560), (x + 26, 690)], (240, 214, 168))
    return _grain(_glow(_shrunk(picture), (90, 60), 300, (250, 236, 214)), 3.0)


def notice_board() -> Image.Image:
    """Words in a picture: they are in no name and in no text, so only who reads pictures finds them."""
    picture = Image.new("RGB", (900, 520), (96, 74, 52))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((50, 40, 850, 480), fill=(244, 239, 224))
    draw.text((90, 70), "HARBOUR NOTICE", fill=(120, 30, 24), font=ImageFont.load_default(56))
    for row, line in enumerate(
        ("The slipway is closed on Monday.", "Crab pots out of the water", "by the first of May.")
    ):
        draw.text((90, 180 + 80 * row), line, fill=(32, 36, 48), font=ImageFont.load_default(44))
    for corner in ((66, 56), (834, 56), (66, 464), (834, 464)):
        draw.ellipse([part + sign * 6 for sign in (-1, 1) for part in corner], fill=(150, 150, 156))
    return picture
