"""What may go wrong on a simulated stick's serial line: damage, strays, pieces, delay, silence."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from simulators.receivers.serial_line import SerialLine

STRAYS: Final = (0xD5, 0xFE)
"""Bytes that real sticks were seen to write before a frame."""


@dataclass(frozen=True, slots=True)
class LineFaults:
    """What goes wrong; the shares are of the pieces that are written, from 0 to 1.

    `slow_s` delays every answer and telegram; `split` writes each in pieces of a few bytes.
    """

    bad_checksum: float = 0.0
    stray: float = 0.0
    split: bool = False
    mute: bool = False
    slow_s: float = 0.0

    def pieces(self, data: bytes, rng: random.Random) -> list[bytes]:
        """Return what becomes of one frame, in order; the last byte of a frame is its checksum, or data."""
        if self.mute:
            return []
        if rng.random() < self.bad_checksum:
            data = data[:-1] + bytes((data[-1] ^ 1 << rng.randrange(8),))
        if rng.random() < self.stray:
            data = bytes((rng.choice(STRAYS),)) + data
        if not self.split:
            return [data]
        cuts = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, 5)))
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def write(self, data: bytes, line: SerialLine, at_s: float, rng: random.Random, *, end: bytes = b"") -> None:
        """Write what becomes of one frame; `end` stands behind its checksum, and always arrives as it is."""
        pieces = self.pieces(data, rng)
        if pieces:
            pieces[-1] += end
        for piece in pieces:
            line.say(piece, at_s + self.slow_s)


NO_FAULTS: Final = LineFaults()

FAULTS: Final[dict[str, LineFaults]] = {
    "bad-checksum": LineFaults(bad_checksum=0.2),
    "stray": LineFaults(stray=0.2),
    "split": LineFaults(split=True),
    "mute": LineFaults(mute=True),
    "slow": LineFaults(slow_s=0.3),
}
"""Faults by name, at a strength with which a program has to cope; it cannot with `mute`."""


def faults_named(names: Iterable[str]) -> LineFaults:
    """Return the faults of these names, all at once; `KeyError` for a name that is not in `FAULTS`."""
    found = [FAULTS[name] for name in names]
    return LineFaults(
        bad_checksum=max((one.bad_checksum for one in found), default=0.0),
        stray=max((one.stray for one in found), default=0.0),
        split=any(one.split for one in found),
        mute=any(one.mute for one in found),
        slow_s=max((one.slow_s for one in found), default=0.0),
    )


@runtime_checkable
class HasFaultyLine(Protocol):
    """A simulated stick on whose line things may go wrong."""

    faults: LineFaults
