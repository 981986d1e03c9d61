"""Frame counters: from the 16 bits of the air to 32 (LoRaWAN L2 1.1, 4.3.1.5), and the search that finds them.

Each upper half that is tried costs one CMAC; the search is bounded and computes them many at a time, so that no
frame can make it long.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
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

_BATCH: Final = 4096
_FCNT_HIGH_AT: Final = 12
"""Offset of the upper half of the counter in B0."""


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


def search(key: bytes, b0: bytes, message: bytes, fcnt: int, mic: bytes, halves: int) -> Iterator[int]:
    """Yield the 32-bit counters under which the MIC of a 1.0 message or 1.1 downlink fits, lowest first.

    `b0` holds any counter; `halves` upper halves are tried. A wrong key fits by chance once in 2^32 tries.
    """
    for first in range(0, min(halves, ALL_HALVES), _BATCH):
        last = min(first + _BATCH, halves, ALL_HALVES)
        head, tail = b0[: _FCNT_HIGH_AT - 2] + fcnt.to_bytes(2, "little"), b0[_FCNT_HIGH_AT + 2 :]
        blocks = b"".join(head + high.to_bytes(2, "little") + tail for high in range(first, last))
        for index in _places(aes_cmac_of_each(key, blocks, message), mic):
            yield (first + index) * LOW | fcnt


def search_radio(s_key: bytes, b1_of: bytes, message: bytes, half: bytes, rates: range, channels: range) -> bool:
    """Whether SNwkSIntKey fits with any data rate and channel: half a MIC, when the receiver does not know the two.

    `b1_of` is a B1 with any data rate and channel.
    """
    blocks = b"".join(b1_of[:3] + bytes((rate, channel)) + b1_of[5:] for rate in rates for channel in channels)
    return any(True for _ in _places(aes_cmac_of_each(s_key, blocks, message), half))


def search_acknowledged(key: bytes, b0: bytes, message: bytes, mic: bytes) -> bool:
    """Whether the MIC of a 1.1 downlink fits whatever message it acknowledges; `b0` holds any ConfFCnt."""
    blocks = b"".join(b0[:1] + number.to_bytes(2, "little") + b0[3:] for number in range(LOW))
    return any(True for _ in _places(aes_cmac_of_each(key, blocks, message), mic))


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
