"""C field: who sends, and what is wanted (EN 13757-4, 12.5.2; EN 13757-2, 6.2)."""

from __future__ import annotations

C_FIELDS: dict[int, str] = {
    0x00: "ACK",
    0x01: "NACK",
    0x06: "CNF-IR",
    0x08: "RSP-UD",
    0x10: "ACK",
    0x11: "NACK",
    0x18: "RSP-UD",
    0x20: "ACK",
    0x21: "NACK",
    0x28: "RSP-UD",
    0x30: "ACK",
    0x31: "NACK",
    0x38: "RSP-UD",
    0x40: "SND-NKE",
    0x43: "SND-UD2",
    0x44: "SND-NR",
    0x45: "SND-UD3",
    0x46: "SND-IR",
    0x47: "ACC-NR",
    0x48: "ACC-DMD",
    0x4A: "REQ-UD1",
    0x4B: "REQ-UD2",
    0x53: "SND-UD",
    0x5A: "REQ-UD1",
    0x5B: "REQ-UD2",
    0x73: "SND-UD",
    0x7A: "REQ-UD1",
    0x7B: "REQ-UD2",
}

C_MEANINGS: dict[str, str] = {
    "ACK": "acknowledge",
    "NACK": "negative acknowledge",
    "CNF-IR": "confirm installation",
    "RSP-UD": "response with user data",
    "SND-NKE": "link reset, end of access",
    "SND-UD": "send user data, expects ACK",
    "SND-UD2": "send user data, expects RSP-UD",
    "SND-UD3": "send user data, no reply",
    "SND-NR": "spontaneous data, no reply",
    "SND-IR": "installation request",
    "ACC-NR": "opens an access window",
    "ACC-DMD": "access demand",
    "REQ-UD1": "request alarm data",
    "REQ-UD2": "request user data",
}

FROM_PRIMARY = 0x40
"""PRM bit: set in messages of the side that starts the exchange."""

UNASKED = frozenset({0x44, 0x46})
"""C fields of nearly all telegrams that are heard: SND-NR and SND-IR."""

DOWNLINK = frozenset({"SND-NKE", "SND-UD", "SND-UD2", "SND-UD3", "REQ-UD1", "REQ-UD2", "CNF-IR"})
"""Messages that only a gateway sends."""


def control_name(control: int) -> str:
    """Return the name of a C field, or `C 0xNN`; bit 7 (set by some repeaters) is ignored."""
    return C_FIELDS.get(control & 0x7F) or f"C 0x{control:02X}"
