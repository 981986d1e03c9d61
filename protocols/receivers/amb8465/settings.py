"""What an AMB8465, AMB8665 or AMB3665 can be told and tells of itself: radio modes, settings in flash, versions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from protocols.errors import BadField, Truncated


class Model(StrEnum):
    """The modules, as far as they can be told apart: those for 868 MHz have 120 settings, that for 169 MHz 128."""

    AMB8465 = "AMB8465"
    """The AMB8665 as well."""
    AMB3665 = "AMB3665"


class RadioMode(IntEnum):
    """Modes of the modules for 868 MHz; `OTHER` is the side that listens to meters."""

    S1 = 0x01
    S1_M = 0x02
    S2 = 0x03
    T1 = 0x05
    T2_METER = 0x07
    T2_OTHER = 0x08
    C2_T2_OTHER = 0x09
    R2_METER = 0x0A
    R2_OTHER = 0x0B
    C1 = 0x0C
    C2_METER = 0x0D
    C2_OTHER = 0x0E


_LETTERS_169: Final = "abcdef"

LISTENING_MODES: Final[dict[Model, dict[str, int]]] = {
    Model.AMB8465: {
        "s1": RadioMode.S2,
        "s1-m": RadioMode.S2,
        "s2": RadioMode.S2,
        "t1": RadioMode.T2_OTHER,
        "t2": RadioMode.T2_OTHER,
        "r2": RadioMode.R2_OTHER,
        "c1": RadioMode.C2_OTHER,
        "c2": RadioMode.C2_OTHER,
        "c1,t1": RadioMode.C2_T2_OTHER,
    },
    Model.AMB3665: {f"n{way}{letter}": 2 + 2 * place for way in (1, 2) for place, letter in enumerate(_LETTERS_169)},
}
"""Model to the modes a user may name, and what makes the module listen to them."""

HEARD_MODES: Final[dict[Model, dict[int, frozenset[str]]]] = {
    Model.AMB8465: {
        RadioMode.S2: frozenset({"S1", "S1-m", "S2"}),
        RadioMode.T2_OTHER: frozenset({"T1", "T2"}),
        RadioMode.C2_T2_OTHER: frozenset({"C1", "C2", "T1", "T2"}),
        RadioMode.R2_OTHER: frozenset({"R2"}),
        RadioMode.C2_OTHER: frozenset({"C1", "C2"}),
    },
    Model.AMB3665: {
        2 + 2 * place: frozenset({f"N1{letter}", f"N2{letter}"}) for place, letter in enumerate(_LETTERS_169)
    },
}
"""Model to mode to which radio modes are heard in it."""


ALL_MODES: Final = tuple(dict.fromkeys(name for modes in LISTENING_MODES.values() for name in modes))
"""The modes that any of them can be asked for."""


class Parameter(IntEnum):
    """Addresses in the settings."""

    COMMAND_OUTPUT = 0x05
    AUTO_SLEEP = 0x3F
    RSSI_ENABLE = 0x45
    MODE_PRESELECT = 0x46


ALL_PARAMETERS: Final = bytes((0x00, 0x80))
"""Payload of the request for all settings: from 0 on, as many as there are."""

_SIZES: Final[dict[int, Model]] = {0x78: Model.AMB8465, 0x80: Model.AMB3665}


@dataclass(frozen=True, slots=True)
class Parameters:
    """All settings of a module. What they say holds from the module's last start on."""

    data: bytes

    @classmethod
    def from_payload(cls, payload: bytes) -> Parameters:
        """Read the confirmation of `ALL_PARAMETERS`: address, count, bytes; raises `Truncated` and `BadField`."""
        if len(payload) < 2 or len(payload) - 2 < payload[1]:
            raise Truncated("settings are cut", layer="amb8465", offset=len(payload))
        if payload[0] != 0 or payload[1] not in _SIZES or len(payload) - 2 != payload[1]:
            raise BadField("not all settings of a known module", layer="amb8465", offset=0)
        return cls(payload[2:])

    def to_payload(self) -> bytes:
        """Build that payload."""
        return bytes((0, len(self.data))) + self.data

    @property
    def model(self) -> Model:
        """The module that has so many settings."""
        return _SIZES[len(self.data)]

    @property
    def command_output(self) -> bool:
        """Whether telegrams come in command frames."""
        return bool(self.data[Parameter.COMMAND_OUTPUT])

    @property
    def has_rssi(self) -> bool:
        """Whether a byte of signal strength stands behind each telegram, and is counted in its length."""
        return bool(self.data[Parameter.RSSI_ENABLE])

    @property
    def sleeps(self) -> bool:
        """Whether the module goes to sleep of its own accord."""
        return bool(self.data[Parameter.AUTO_SLEEP])
