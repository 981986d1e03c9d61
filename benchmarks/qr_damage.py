"""What happens to a QR code between two screens: compression, rotation, blur, perspective, noise, a phone's photo.

Each damage takes a picture in grey and a seeded random generator, and returns another picture. All are synthetic: no
camera was used.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from random import Random
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Damage = Callable[[Image.Image, Random], Image.Image]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Compress and open again."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(io.BytesIO(out.getvalue())).convert("L")


def rotated(image: Image.Image, degrees: float) -> Image.Image:
    """Turn on a white ground."""
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def blurred(image: Image.Image, radius_px: float) -> Image.Image:
    """Blur as a lens out of focus."""
    return image.filter(ImageFilter.GaussianBlur(radius_px))


def resized(image: Image.Image, factor: float) -> Image.Image:
    """Make it smaller or larger, as a thumbnail or a screen does."""
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BILINEAR)


def noisy(image: Image.Image, sigma: float, random: Random) -> Image.Image:
    """Add noise of about this deviation, of 256 steps of grey."""
    span = round(sigma * 3.46)
    raw = Image.frombytes("L", image.size, random.randbytes(image.width * image.height))
    grain = raw.point(lambda value: 128 + (value - 128) * span // 256)
    return ImageChops.add(image, grain, 1, -128)


def tilted(image: Image.Image, part: float, random: Random) -> Image.Image:
    """See it from one side: each corner moves inwards by up to this part of the width, and nothing is cut off."""
    width, height = image.size
    reach = 2 * part * width
    border = round(reach) + 8
    wide = Image.new("L", (width + 2 * border, height + 2 * border), 255)
    wide.paste(image, (border, border))
    # A quadrilateral around the picture becomes the whole of the new one.
    quad: list[float] = []
    for x, y in ((0, 0), (0, 1), (1, 1), (1, 0)):
        for at, size in ((x, width), (y, height)):
            outwards = random.uniform(0, reach)
            quad.append(border + (size + outwards if at else -outwards))
    return wide.transform((width, height), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC, fillcolor=255)


def patched(image: Image.Image, part: float, random: Random) -> Image.Image:
    """Cover this part of the area with a white patch, as glare does."""
    side = round((part * image.width * image.height) ** 0.5)
    x, y = (random.randrange(round(0.25 * full), round(0.75 * full - side) + 1) for full in image.size)
    covered = image.copy()
    ImageDraw.Draw(covered).rectangle((x, y, x + side, y + side), fill=255)
    return covered


def photographed(image: Image.Image, random: Random) -> Image.Image:
    """Take a photo of a screen: its pixels' grid, a tilt, a turn, dim light, blur, noise, and a phone's JPEG."""
    screen = resized(image, 2.0)
    grid = Image.new("L", screen.size, 255)
    draw = ImageDraw.Draw(grid)
    for x in range(0, screen.width, 4):
        draw.line((x, 0, x, screen.height), fill=200)
    seen = tilted(ImageChops.multiply(screen, grid), 0.04, random)
    seen = rotated(seen, random.uniform(-15, 15))
    seen = resized(seen, random.uniform(0.45, 0.6))
    seen = seen.point(lambda value: 50 + value * 130 // 255)
    return jpeg(noisy(blurred(seen, random.uniform(0.5, 1.2)), 8, random), 70)


DAMAGES: Final[dict[str, Damage]] = {
    "none": lambda image, random: image,
    "JPEG 90": lambda image, random: jpeg(image, 90),
    "JPEG 75": lambda image, random: jpeg(image, 75),
    "JPEG 50": lambda image, random: jpeg(image, 50),
    "JPEG 30": lambda image, random: jpeg(image, 30),
    "JPEG 10": lambda image, random: jpeg(image, 10),
    "rotation 7": lambda image, random: rotated(image, 7),
    "rotation 33": lambda image, random: rotated(image, 33),
    "rotation any": lambda image, random: rotated(image, random.uniform(0, 360)),
    "blur 1": lambda image, random: blurred(image, 1),
    "blur 2": lambda image, random: blurred(image, 2),
    "half size": lambda image, random: resized(image, 0.5),
    "perspective 3 %, noise 12": lambda image, random: noisy(tilted(image, 0.03, random), 12, random),
    "noise 30": lambda image, random: noisy(image, 30, random),
    "patch 4 %": lambda image, random: patched(image, 0.04, random),
    "photo of a screen": photographed,
}
"""Damages that every code of 6 pixels a module and error correction Q should survive."""

HARDER: Final[dict[str, Damage]] = {
    "blur 3": lambda image, random: blurred(image, 3),
    "patch 12 %": lambda image, random: patched(image, 0.12, random),
    "third of the size": lambda image, random: resized(image, 1 / 3),
}
"""Damages beyond that: where codes begin to fail."""
