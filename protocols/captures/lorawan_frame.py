"""LoRaWAN frames among texts that do not say what they hold: told by their message type and their lengths."""

from __future__ import annotations

from typing import Final

from protocols.captures.plausible import has_control
from protocols.lorawan.phy import DATA, MAX_PHY, MType

KIND: Final = "LoRaWAN frame"

_MAJOR_AND_RFU: Final = 0x1F
_SIZES: Final[dict[MType, frozenset[int]]] = {
    MType.JOIN_REQUEST: frozenset({23}),
    MType.JOIN_ACCEPT: frozenset({17, 33}),
    MType.REJOIN_REQUEST: frozenset({19, 24}),
}
_DATA_SIZE: Final = 12
_FCTRL: Final = 5
_FOPTS_LENGTH: Final = 0x0F


def looks_like_lorawan(data: bytes) -> bool:
    """Say whether bytes that are no whole M-Bus frame can be a PHYPayload; nothing but a key proves it."""
    if not data or data[0] & _MAJOR_AND_RFU or len(data) > MAX_PHY:
        return False
    mtype = MType(data[0] >> 5)
    if mtype in DATA:
        # A wireless M-Bus frame that was cut off begins like this too, but for the C field.
        enough = len(data) >= _DATA_SIZE and len(data) >= _DATA_SIZE + (data[_FCTRL] & _FOPTS_LENGTH)
        return enough and not has_control(data)
    return len(data) in _SIZES.get(mtype, frozenset())
