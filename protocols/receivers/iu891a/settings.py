"""What a gateway can be told and tells of itself: link modes, configuration, identity, versions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from typing import Final, Self

from protocols.errors import Truncated
from protocols.receivers.iu891a.codes import MODULES
from protocols.text import safe_text

LAYER: Final = "iu891a"


class LinkMode(IntEnum):
    """The first byte of the configuration. 6 and 7 are modes of the maker's own (7 from firmware 1.1 on)."""

    OFF = 0
    S = 1
    T = 2
    C_T = 3
    C = 5


class Option(IntFlag):
    """Bits of the configuration's options."""

    LISTED_METERS_ONLY = 0x0001
    INDICATE_RECEIVED = 0x0002
    INDICATE_SENT = 0x0004
    RECALIBRATE = 0x0008


LISTENING_MODES: Final[dict[str, LinkMode]] = {
    "s1": LinkMode.S,
    "s1-m": LinkMode.S,
    "s2": LinkMode.S,
    "t1": LinkMode.T,
    "t2": LinkMode.T,
    "c1": LinkMode.C,
    "c2": LinkMode.C,
    "c1,t1": LinkMode.C_T,
}
"""The modes a user may name, and what makes the module listen to them."""

HEARD_MODES: Final[dict[int, frozenset[str]]] = {
    LinkMode.S: frozenset({"S1", "S1-m", "S2"}),
    LinkMode.T: frozenset({"T1", "T2"}),
    LinkMode.C_T: frozenset({"C1", "C2", "T1", "T2"}),
    LinkMode.C: frozenset({"C1", "C2"}),
}
"""Link mode to the radio modes that are heard in it."""


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration: link mode (1), options (2), options of the front (2), LED (2, ms), recalibration (4, ms).

    Little endian. What stands behind the options is kept as it came, and so is what newer firmware may append.
    """

    link_mode: int
    options: int
    rest: bytes

    SIZE = 11

    @classmethod
    def from_body(cls, data: bytes) -> Self:
        """Read what stands behind the status; raises `Truncated`."""
        if len(data) < cls.SIZE:
            raise Truncated(f"configuration of {len(data)} bytes instead of {cls.SIZE}", layer=LAYER, offset=len(data))
        return cls(data[0], int.from_bytes(data[1:3], "little"), data[3:])

    def to_body(self) -> bytes:
        """Build it."""
        return bytes((self.link_mode,)) + self.options.to_bytes(2, "little") + self.rest

    def listening(self, link_mode: int) -> Config:
        """Return this configuration with what makes the module hand over all that it hears in a link mode."""
        options = self.options & ~Option.LISTED_METERS_ONLY | Option.INDICATE_RECEIVED
        return replace(self, link_mode=link_mode, options=int(options))

    def listens(self, link_mode: int) -> bool:
        """Say whether a module set like this hands over all that it hears in that link mode."""
        return self == self.listening(link_mode)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Which module it is: type (1), unique number (4, little endian), and what is not known."""

    module_type: int
    uid: int
    rest: bytes = bytes(4)

    SIZE = 5

    @classmethod
    def from_body(cls, data: bytes) -> Self:
        """Read what stands behind the status; raises `Truncated`."""
        if len(data) < cls.SIZE:
            raise Truncated(f"device information of {len(data)} bytes", layer=LAYER, offset=len(data))
        return cls(data[0], int.from_bytes(data[1:5], "little"), data[5:])

    def to_body(self) -> bytes:
        """Build it."""
        return bytes((self.module_type,)) + self.uid.to_bytes(4, "little") + self.rest

    @property
    def is_gateway(self) -> bool:
        """Whether it is one of this family."""
        return self.module_type in MODULES

    @property
    def model(self) -> str:
        """The module's name, or its type in hex."""
        return MODULES.get(self.module_type, f"module type 0x{self.module_type:02X}")

    @property
    def serial(self) -> str:
        """Its unique number in hex."""
        return f"{self.uid:08X}"


@dataclass(frozen=True, slots=True)
class FirmwareInfo:
    """Which firmware it runs: minor, major, build (2, little endian), date (10 characters), name."""

    minor: int
    major: int
    build: int = 0
    date: str = ""
    name: str = ""

    SIZE = 2
    _DATE_AT = 4
    _NAME_AT = 14

    @classmethod
    def from_body(cls, data: bytes) -> Self:
        """Read what stands behind the status; raises `Truncated` when there is not even a version."""
        if len(data) < cls.SIZE:
            raise Truncated(f"firmware information of {len(data)} bytes", layer=LAYER, offset=len(data))
        date, name = data[cls._DATE_AT : cls._NAME_AT], data[cls._NAME_AT :]
        return cls(data[0], data[1], int.from_bytes(data[2:4], "little"), _text(date), _text(name))

    def to_body(self) -> bytes:
        """Build it."""
        head = bytes((self.minor, self.major)) + self.build.to_bytes(2, "little")
        return head + self.date.encode("ascii").ljust(self._NAME_AT - self._DATE_AT) + self.name.encode("ascii")

    @property
    def text(self) -> str:
        """The version."""
        return f"{self.major}.{self.minor}"


def _text(data: bytes) -> str:
    return safe_text(data.rstrip(b"\0 ").decode("ascii", errors="replace"))
