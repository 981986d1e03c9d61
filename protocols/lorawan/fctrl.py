"""FCtrl: the control bits of a data message, by direction (LoRaWAN L2 1.1, 4.3.1)."""

from __future__ import annotations

from functools import cache
from typing import Final

ADR: Final = 0x80
ADR_ACK_REQ: Final = 0x40
ACK: Final = 0x20
CLASS_B: Final = 0x10
F_PENDING: Final = 0x10
FOPTS_LENGTH: Final = 0x0F

_UPLINK: Final = ((ADR, "adr"), (ADR_ACK_REQ, "adr_ack_req"), (ACK, "ack"), (CLASS_B, "class_b"))
_DOWNLINK: Final = ((ADR, "adr"), (ACK, "ack"), (F_PENDING, "f_pending"))
"""Bit 6 is reserved in downlinks."""


@cache
def flags(fctrl: int, *, uplink: bool) -> tuple[str, ...]:
    """Names of the bits that are set, without the length of FOpts."""
    return tuple(name for mask, name in (_UPLINK if uplink else _DOWNLINK) if fctrl & mask)


def fctrl_of(names: tuple[str, ...], fopts_size: int, *, uplink: bool) -> int:
    """The inverse of `flags`; `ValueError` for a name that the direction has not, or for too long FOpts."""
    if fopts_size > FOPTS_LENGTH:
        raise ValueError(f"FOpts of {fopts_size} bytes; at most {FOPTS_LENGTH} fit")
    masks = {name: mask for mask, name in (_UPLINK if uplink else _DOWNLINK)}
    unknown = [name for name in names if name not in masks]
    if unknown:
        raise ValueError(f"no such FCtrl bit in this direction: {', '.join(unknown)}")
    return sum(masks[name] for name in set(names)) | fopts_size
