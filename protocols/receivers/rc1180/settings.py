"""What a Radiocrafts MBUS module can be told and tells of itself: commands, radio modes, and its settings in memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.errors import BadField, Truncated

LAYER: Final = "rc1180"
ENTER: Final = b"\x00"
"""Opens the configuration: the module answers with `PROMPT`, and hands over no telegrams until `LEAVE`."""

PROMPT: Final = b">"
"""Answer to `ENTER`, and the end of every answer."""

READ_MEMORY: Final = b"0"
SET_MODE: Final = b"G"
"""With one byte behind it: the radio mode, until the module is reset. The memory is not written."""

LEAVE: Final = b"X"
"""Never answered."""

MEMORY_SIZE: Final = 256
ERASED: Final = 0xFF

LISTENING_MODES: Final[dict[str, int]] = {
    "s2": 0x00,
    "t1": 0x01,
    "t2": 0x02,
    "s1": 0x03,
    "r2": 0x04,
    "c2": 0x08,
    "c1": 0x09,
    "c1,t1": 0x0A,
    "c2,t2": 0x0B,
    "n2": 0x10,
    "n1": 0x11,
}
"""The modes a user may name to what `SET_MODE` takes; which of them a module has depends on the part.

Old parts know 0 (S) and 1 (T), MBUS3 those up to 0x0B, MBUS4 the last two as well.
"""

HEARD_MODES: Final[dict[int, frozenset[str]]] = {
    0x00: frozenset({"S1", "S1-m", "S2"}),
    0x01: frozenset({"T1", "T2"}),
    0x02: frozenset({"T1", "T2"}),
    0x03: frozenset({"S1", "S1-m", "S2"}),
    0x04: frozenset({"R2"}),
    0x08: frozenset({"C1", "C2"}),
    0x09: frozenset({"C1", "C2"}),
    0x0A: frozenset({"C1", "C2", "T1", "T2"}),
    0x0B: frozenset({"C1", "C2", "T1", "T2"}),
}
"""Mode of the parts for 868 MHz to which radio modes are heard in it."""

HIGHEST_MODE: Final = 0x1F


class Setting(IntEnum):
    """Addresses in the memory."""

    MODE = 0x03
    SLEEP = 0x04
    RSSI = 0x05
    TIMEOUT = 0x10
    ROLE = 0x12
    MANUFACTURER = 0x19
    ID = 0x1B
    BAUD = 0x30
    DATA_INTERFACE = 0x36
    FILTER = 0x3D
    DECRYPT = 0x3F


ID_SIZE: Final = 4
ROLES: Final = {0: "slave", 1: "master", 2: "repeater"}
INSTALLED_ONLY: Final = (0, 1)
"""Filters that keep telegrams back: of meters that are not bound, or that are not installed."""

SPEEDS: Final = range(0x01, 0x0C)


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands around and behind a telegram: start and stop byte, signal strength, two bytes of CRC."""

    marks: bool = False
    rssi: bool = False
    crc: bool = False

    @property
    def extra(self) -> int:
        """How many bytes the L field counts beside the telegram's own."""
        return self.rssi + 2 * self.crc


_INTERFACES: Final[dict[int, tuple[bool, bool]]] = {
    0x00: (False, False),
    0x04: (True, False),
    0x08: (False, True),
    0x0C: (True, True),
    ERASED: (False, False),
}
"""Data interface to start and stop byte, CRC; others hand over parts of telegrams."""


@dataclass(frozen=True, slots=True)
class Memory:
    """All settings of a module, as they are in its memory."""

    data: bytes

    @classmethod
    def from_answer(cls, answer: bytes) -> Memory:
        """Read the answer to `READ_MEMORY`; raises `Truncated`, and `BadField` when it cannot be that."""
        if len(answer) < MEMORY_SIZE + 1:
            raise Truncated("settings are cut", layer=LAYER, offset=len(answer))
        data = answer[:MEMORY_SIZE]
        known = (
            answer[MEMORY_SIZE:] == PROMPT,
            data[Setting.MODE] <= HIGHEST_MODE,
            data[Setting.RSSI] <= 1,
            data[Setting.ROLE] in ROLES,
            data[Setting.BAUD] in SPEEDS,
        )
        if not all(known):
            raise BadField("not the settings of a module", layer=LAYER, offset=known.index(False))
        return cls(data)

    def to_answer(self) -> bytes:
        """Build that answer."""
        return self.data + PROMPT

    @property
    def serial(self) -> str:
        """The module's own id, eight digits."""
        return f"{int.from_bytes(self.data[Setting.ID : Setting.ID + ID_SIZE], 'little'):08X}"

    @property
    def mode(self) -> int:
        """The radio mode that it starts with."""
        return self.data[Setting.MODE]

    @property
    def interface(self) -> int:
        """How it hands over telegrams, as a code."""
        return self.data[Setting.DATA_INTERFACE]

    @property
    def layout(self) -> Layout | None:
        """How it hands over telegrams; None where it does not hand them over whole."""
        if self.interface not in _INTERFACES:
            return None
        marks, crc = _INTERFACES[self.interface]
        return Layout(marks, bool(self.data[Setting.RSSI]), crc)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the settings take away, each in a few words."""
        layout, role = self.layout or Layout(), self.data[Setting.ROLE]
        kept_back = self.data[Setting.FILTER] in INSTALLED_ONLY
        notes = (
            (not layout.crc, "hands over telegrams without a checksum (setting 36)"),
            (not layout.rssi, "tells no signal strength (setting 05 is off)"),
            (role != 1, f"is a {ROLES[role]}, not a master (setting 12)"),
            (kept_back, "keeps back meters that it does not know (setting 3D)"),
            (self.data[Setting.SLEEP] not in (0, ERASED), "goes to sleep by itself (setting 04)"),
            (self.data[Setting.DECRYPT] not in (0, ERASED), "decrypts by itself (setting 3F)"),
        )
        return tuple(text for holds, text in notes if holds)


def rssi_dbm(raw: int) -> int:
    """Return the field strength of a code: half a dB a step below 0 dBm."""
    return -(raw // 2)


def rssi_raw(dbm: int) -> int:
    """Return the code of a field strength, or the nearest that there is."""
    return min(max(-2 * dbm, 0), 0xFF)
