"""The QR gauntlet: `python -m benchmarks.qr` writes docs/qr.md; everything is seeded, so that runs can be compared."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import segno
from PIL import Image

from benchmarks.qr_damage import DAMAGES, HARDER
from keystore.certificates.errors import CertificateRejected
from keystore.certificates.payload import PayloadKind, write_payload
from keystore.certificates.picture import read_picture

PAGE = Path(__file__).resolve().parents[1] / "docs" / "qr.md"
SIZES = {"token": 90, "request": 281, "certificate": 487, "certificate with issuer": 930, "the longest": 1400}
"""Bytes: of what the certificate desk sends, and of what just fits."""
LEVELS = ("l", "m", "q")
PIXELS = (3, 4, 6)
RUNS = 15


_HEAD = """# QR codes: what is written, and what survives

Made by `python -m benchmarks.qr`; a small seeded part of it is a test. Codes are written with error correction Q,
6 pixels a module, a quiet zone of 4 modules, as JPEG of quality 85. The text is a prefix (`MTC1:` certificate, `MTT1:`
token, `MTR1:` request, `MTL1:` revocation list, `MTA1:` trust anchor) and Base45 (RFC 9285) of a zlib stream. The bytes
here are random, which cannot be deflated: real certificates make smaller codes.

Each cell: {runs} codes a size, damaged, saved as JPEG of quality 85, and read. What was read was always what had been
written. All damage is synthetic, no camera was used: `photo of a screen` is a grid of pixels, a tilt of 4 %, a turn of
up to 15 degrees, half the size, dim light, blur, noise, and JPEG of quality 70.
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the gauntlet: a code of one size, correction and scale, and one damage."""

    size: str
    level: str
    pixels: int
    damage: str
    runs: int


@dataclass(frozen=True, slots=True)
class Result:
    """How many of a cell's pictures were read, in how much time, and how large the code is."""

    cell: Cell
    read: int
    seconds: float
    version: int


def cells(runs: int) -> Iterator[Cell]:
    """All cells."""
    for size in SIZES:
        for level in LEVELS:
            for pixels in PIXELS:
                for damage in (*DAMAGES, *HARDER):
                    yield Cell(size, level, pixels, damage, runs)


def measure(cell: Cell) -> Result:
    """Write, damage and read the pictures of one cell; what is read must be what was written."""
    damage = {**DAMAGES, **HARDER}[cell.damage]
    read, seconds, version = 0, 0.0, 0
    for run in range(cell.runs):
        random = Random(f"{cell.size} {cell.level} {cell.pixels} {cell.damage} {run}")
        text = write_payload(PayloadKind.CERTIFICATE, random.randbytes(SIZES[cell.size]))
        code = segno.make(text, error=cell.level, boost_error=False, micro=False)
        version = int(code.version)
        out = io.BytesIO()
        code.save(out, kind="png", scale=cell.pixels, border=4)
        image = damage(Image.open(out).convert("L"), random)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=85)
        began = time.perf_counter()
        try:
            found = read_picture(out.getvalue())
        except CertificateRejected:
            continue
        finally:
            seconds += time.perf_counter() - began
        if found != text:
            raise AssertionError(f"{cell}: another text was read")
        read += 1
    return Result(cell, read, seconds, version)


def page(results: list[Result], runs: int) -> str:
    """Return docs/qr.md."""
    total = sum(result.cell.runs for result in results)
    written = [result for result in results if (result.cell.level, result.cell.pixels) == ("q", 6)]
    kept = [result for result in written if result.cell.damage in DAMAGES]
    mean_ms = 1000 * sum(result.seconds for result in results) / total
    lines = [
        _HEAD.format(runs=runs),
        f"As written (Q, 6 pixels), {sum(r.read for r in kept)} of {sum(r.cell.runs for r in kept)} are read; "
        "damages in italics go beyond\nwhat a code should survive. "
        f"Reading a picture takes {mean_ms:.0f} ms on average; {total} pictures in all.\n",
        "## As written: error correction Q, 6 pixels a module\n",
        _table(written, lambda result: result.cell.size, list(SIZES)),
        "## By error correction and scale, all sizes together\n",
        _table(results, _scale, [f"{level.upper()} {pixels} px" for level in LEVELS for pixels in PIXELS]),
        "## Sizes\n",
        "| payload | bytes | version at L | M | Q |\n| --- | --- | --- | --- | --- |",
    ]
    for size, count in SIZES.items():
        versions = [next(r.version for r in results if (r.cell.size, r.cell.level) == (size, x)) for x in LEVELS]
        lines.append(f"| {size} | {count} | {' | '.join(str(version) for version in versions)} |")
    return "\n".join(lines) + "\n"


def _scale(result: Result) -> str:
    return f"{result.cell.level.upper()} {result.cell.pixels} px"


def _table(results: list[Result], column: Callable[[Result], str], columns: list[str]) -> str:
    lines = [f"| damage | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
    for damage in (*DAMAGES, *HARDER):
        shown = []
        for name in columns:
            chosen = [r for r in results if r.cell.damage == damage and column(r) == name]
            read, runs = sum(r.read for r in chosen), sum(r.cell.runs for r in chosen)
            shown.append(f"{read}/{runs}")
        label = f"*{damage}*" if damage in HARDER else damage
        lines.append(f"| {label} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description="The QR gauntlet.")
    parser.add_argument("--runs", type=int, default=RUNS, help="pictures a cell")
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args(argv)
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(measure, cells(arguments.runs), chunksize=8))
    arguments.page.write_text(page(results, arguments.runs), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
