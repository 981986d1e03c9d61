"""Frame counters: from the 16 bits of the air to 32 (LoRaWAN L2 1.1, 4.3.1.5), and the search that finds them.

Each upper half that is tried costs one CMAC; a search computes them many at a time. `Effort` bounds them for all
searches of a frame together, so that neither a frame nor the number of keys filed for an address can make it long.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from protocols.crypto import BLOCK, aes_cmac, aes_cmac_of_each
from protocols.lorawan.mic import MIC_SIZE

LOW: Final = 0x10000
MAX_GAP: Final = 16384
"""How far the 16-bit counter may seem to lie behind before it is taken as rolled over."""

USUAL_HALVES: Final = 64
"""Upper halves tried where no session is known: a device that sends every minute needs 8 years for them."""

ALL_HALVES: Final = LOW
"""Upper halves there are."""

MAX_MICS: Final = 8 * LOW
"""MICs that are computed to search one frame's counters: those of eight sessions with all upper halves."""

_BATCH: Final = 4096

CONF_FCNT_AT: Final = 1
FCNT_AT: Final = 10
"""Offsets of ConfFCnt (2 bytes) and FCnt (4 bytes) in B0."""


@dataclass(slots=True)
class Effort:
    """MICs that searches may still compute for one frame."""

    left: int = MAX_MICS

    @property
    def spent(self) -> bool:
        """True when a search ended before it was through."""
        return self.left < 0

    def take(self, count: int) -> int:
        """Return how many of so many may be computed."""
        granted = max(0, min(count, self.left))
        # One that asked for more than there was leaves less than nothing, so that it shows.
        self.left -= count
        return granted


def likely(fcnt: int, last: int | None) -> tuple[int, ...]:
    """The 32-bit counters to try first: next to the last one heard, then from zero after a reset.

    Without a last one: upper halves 0 and 1.
    """
    if last is None:
        return fcnt, fcnt | LOW
    high = last & ~(LOW - 1)
    expected = high | fcnt
    if expected <= last - MAX_GAP:
        expected += LOW
    ordered = (expected, high | fcnt, high + LOW | fcnt, fcnt)
    return tuple(dict.fromkeys(counter for counter in ordered if counter < 1 << 32))


def search(key: bytes, b0: bytes, message: bytes, fcnt: int, mic: bytes, halves: int, effort: Effort) -> Iterator[int]:
    """Yield the 32-bit counters under which the MIC of a 1.0 message or 1.1 downlink fits, lowest first.

    `b0` holds any counter; `halves` upper halves are tried. A wrong key fits by chance once in 2^32 tries.
    """
    base = b0[:FCNT_AT] + fcnt.to_bytes(2, "little") + bytes(2) + b0[FCNT_AT + 4 :]
    for first in range(0, min(halves, ALL_HALVES), _BATCH):
        count = effort.take(min(first + _BATCH, halves, ALL_HALVES) - first)
        if not count:
            return
        blocks = _numbered(base, FCNT_AT + 2, first, count)
        for index in _places(aes_cmac_of_each(key, blocks, message), mic):
            yield (first + index) * LOW | fcnt


def search_radio(
    s_key: bytes, b1_of: bytes, message: bytes, half: bytes, rates: range, channels: range, effort: Effort
) -> bool:
    """Whether SNwkSIntKey fits with any data rate and channel: half a MIC, when the receiver does not know the two.

    `b1_of` is a B1 with any data rate and channel.
    """
    blocks = b"".join(b1_of[:3] + bytes((rate, channel)) + b1_of[5:] for rate in rates for channel in channels)
    if effort.take(len(blocks) // BLOCK) < len(blocks) // BLOCK:
        return False
    return any(True for _ in _places(aes_cmac_of_each(s_key, blocks, message), half))


def search_acknowledged(key: bytes, b0: bytes, message: bytes, mic: bytes, effort: Effort) -> bool:
    """Whether the MIC of a 1.1 downlink fits whatever message it acknowledges; `b0` holds any ConfFCnt."""
    base = b0[:CONF_FCNT_AT] + bytes(2) + b0[CONF_FCNT_AT + 2 :]
    for first in range(0, LOW, _BATCH):
        count = effort.take(_BATCH)
        if not count:
            return False
        blocks = _numbered(base, CONF_FCNT_AT, first, count)
        if any(True for _ in _places(aes_cmac_of_each(key, blocks, message), mic)):
            return True
    return False


def fits(key: bytes, b0: bytes, message: bytes, mic: bytes) -> bool:
    """Whether the MIC of a 1.0 message or 1.1 downlink fits."""
    return hmac.compare_digest(aes_cmac(key, b0 + message)[:MIC_SIZE], mic)


def _places(macs: bytes, mic: bytes) -> Iterator[int]:
    """Which of many CMACs begin with a MIC."""
    position = macs.find(mic)
    while position >= 0:
        if not position % BLOCK:
            yield position // BLOCK
        position = macs.find(mic, position + 1)


def _numbered(base: bytes, at: int, first: int, count: int) -> bytes:
    """Return `count` blocks like `base`, with the numbers from `first` on in two bytes, which `base` has as zeros."""
    size = count * BLOCK
    return (int.from_bytes(base * count, "big") | _numbers(at, first, count)).to_bytes(size, "big")


@lru_cache(maxsize=64)
def _numbers(at: int, first: int, count: int) -> int:
    """Blocks of zeros with numbers in them, as one integer: the same for every search."""
    head, tail = bytes(at), bytes(BLOCK - at - 2)
    blocks = b"".join(head + number.to_bytes(2, "little") + tail for number in range(first, first + count))
    return int.from_bytes(blocks, "big")
