"""What an iM871A or iM170A can be told and tells of itself: identity, configuration block, link modes, RSSI codes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Final

from construct import ConstructError, Int8ub, Int32ul, Struct, Terminated

from protocols.errors import BadField, Truncated


class DeviceType(IntEnum):
    """The module, as its device information names it."""

    IM871A = 0x33
    IM170A = 0x36


class LinkMode(IntEnum):
    """Link modes of the iM871A; the iM170A counts on from 0x0A with the N modes instead."""

    S1 = 0x00
    S1_M = 0x01
    S2 = 0x02
    T1 = 0x03
    T2 = 0x04
    R2 = 0x05
    C1_A = 0x06
    C1_B = 0x07
    C2_A = 0x08
    C2_B = 0x09
    C1_T1 = 0x0A


FIRMWARE_WITH_C1_T1: Final = 0x14
"""V1.4 is the first that listens to modes C and T at once."""

_COMMON_MODES: Final[dict[str, int]] = {
    "s1": LinkMode.S1,
    "s1-m": LinkMode.S1_M,
    "s2": LinkMode.S2,
    "t1": LinkMode.T1,
    "t2": LinkMode.T2,
    "r2": LinkMode.R2,
    "c1": LinkMode.C1_B,
    "c2": LinkMode.C2_B,
}

LISTENING_MODES: Final[dict[int, dict[str, int]]] = {
    DeviceType.IM871A: {**_COMMON_MODES, "c1,t1": LinkMode.C1_T1},
    DeviceType.IM170A: {
        **_COMMON_MODES,
        **{f"n1{letter}": 0x0A + 2 * place for place, letter in enumerate("abcdef")},
        **{f"n2{letter}": 0x0B + 2 * place for place, letter in enumerate("abcdef")},
    },
}
"""Device type to the modes a user may name, and the link mode that makes the module listen to them."""

HEARD_MODES: Final[dict[int, frozenset[str]]] = {
    LinkMode.S1: frozenset({"S1"}),
    LinkMode.S1_M: frozenset({"S1", "S1-m"}),
    LinkMode.S2: frozenset({"S1", "S2"}),
    LinkMode.T1: frozenset({"T1"}),
    LinkMode.T2: frozenset({"T1", "T2"}),
    LinkMode.R2: frozenset({"R2"}),
    LinkMode.C1_A: frozenset({"C1"}),
    LinkMode.C1_B: frozenset({"C1"}),
    LinkMode.C2_A: frozenset({"C1", "C2"}),
    LinkMode.C2_B: frozenset({"C1", "C2"}),
    LinkMode.C1_T1: frozenset({"C1", "T1"}),
}
"""Which radio modes an iM871A hears in a link mode. Whether C1_A and C1_B differ in what they reject is not known."""


ALL_MODES: Final = tuple(dict.fromkeys(name for modes in LISTENING_MODES.values() for name in modes))
"""The modes that any of them can be asked for."""


_DEVICE_INFO: Final = Struct(
    "device_type" / Int8ub,
    "mode" / Int8ub,
    "firmware" / Int8ub,
    "hci_version" / Int8ub,
    "uid" / Int32ul,
    Terminated,
)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """The module's identity; `mode` is 0 for a collector and 1 for a meter, `firmware` 0x14 for V1.4."""

    device_type: int
    mode: int
    firmware: int
    hci_version: int
    uid: int

    @classmethod
    def from_bytes(cls, data: bytes) -> DeviceInfo:
        """Read exactly eight bytes; raises `BadField`."""
        try:
            parsed = _DEVICE_INFO.parse(data)
        except ConstructError as error:
            raise BadField(f"device information of {len(data)} bytes", layer="im871a", offset=0) from error
        return cls(**{field.name: int(parsed[field.name]) for field in fields(cls)})

    def to_bytes(self) -> bytes:
        """Build the eight bytes."""
        return bytes(_DEVICE_INFO.build({field.name: getattr(self, field.name) for field in fields(self)}))

    @property
    def model(self) -> str:
        """The name on the box, or the type's code."""
        names = {DeviceType.IM871A.value: "iM871A", DeviceType.IM170A.value: "iM170A"}
        return names.get(self.device_type, f"module type 0x{self.device_type:02X}")

    @property
    def firmware_version(self) -> str:
        """The version as printed: `1.4`."""
        return f"{self.firmware >> 4}.{self.firmware & 0x0F}"

    @property
    def serial(self) -> str:
        """The unique id as eight hex digits."""
        return f"{self.uid:08X}"


_FIRST_FIELDS: Final[tuple[tuple[str, int], ...]] = (
    ("device_mode", 1),
    ("link_mode", 1),
    ("c_field", 1),
    ("manufacturer_code", 2),
    ("device_id", 4),
    ("version", 1),
    ("device_type", 1),
    ("radio_channel", 1),
)
_SECOND_FIELDS: Final[tuple[tuple[str, int], ...]] = (
    ("power_level", 1),
    ("data_rate", 1),
    ("rx_window_ms", 1),
    ("auto_power_saving", 1),
    ("attach_rssi", 1),
    ("attach_timestamp", 1),
    ("led_control", 1),
    ("rtc_control", 1),
)
CONFIG_GROUPS: Final = (_FIRST_FIELDS, _SECOND_FIELDS)
"""Fields of the configuration block in two groups; bit n of a group's flag byte says that its field n is there."""


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration block; a field that is None is not in it (set requests change only what they hold).

    `device_id` is the identification number read little endian, `power_level` 0 to 7 stands for -8 to 14 dBm.
    """

    device_mode: int | None = None
    link_mode: int | None = None
    c_field: int | None = None
    manufacturer_code: int | None = None
    device_id: int | None = None
    version: int | None = None
    device_type: int | None = None
    radio_channel: int | None = None
    power_level: int | None = None
    data_rate: int | None = None
    rx_window_ms: int | None = None
    auto_power_saving: int | None = None
    attach_rssi: int | None = None
    attach_timestamp: int | None = None
    led_control: int | None = None
    rtc_control: int | None = None

    @classmethod
    def listening(cls, link_mode: int) -> Config:
        """The least that makes a module listen: collector, link mode, no power saving, RSSI on, timestamp off."""
        return cls(device_mode=0, link_mode=link_mode, auto_power_saving=0, attach_rssi=1, attach_timestamp=0)

    @classmethod
    def from_bytes(cls, data: bytes) -> Config:
        """Read a block; raises `Truncated` and `BadField`."""
        values: dict[str, int] = {}
        offset = 0
        for group in CONFIG_GROUPS:
            flags, offset = _take(data, offset, 1)
            for bit, (name, size) in enumerate(group):
                if flags >> bit & 1:
                    values[name], offset = _take(data, offset, size)
        if offset != len(data):
            raise BadField(f"{len(data) - offset} bytes after the configuration", layer="im871a", offset=offset)
        return cls(**values)

    def to_bytes(self) -> bytes:
        """Build the block; `ValueError` when a value does not fit its field."""
        block = bytearray()
        for group in CONFIG_GROUPS:
            held = [(bit, getattr(self, name), size) for bit, (name, size) in enumerate(group)]
            block.append(sum(1 << bit for bit, value, _ in held if value is not None))
            for (name, _), (_, value, size) in zip(group, held, strict=True):
                if value is None:
                    continue
                if not 0 <= value < 1 << 8 * size:
                    raise ValueError(f"{name} {value} does not fit into {size} byte(s)")
                block += value.to_bytes(size, "little")
        return bytes(block)

    def merged(self, change: Config) -> Config:
        """Return this configuration with the fields that `change` holds."""
        merged = {field.name: getattr(self, field.name) for field in fields(self)}
        merged.update({name: value for name in merged if (value := getattr(change, name)) is not None})
        return Config(**merged)


def _take(data: bytes, offset: int, size: int) -> tuple[int, int]:
    end = offset + size
    if end > len(data):
        raise Truncated("configuration ends within a field", layer="im871a", offset=len(data))
    return int.from_bytes(data[offset:end], "little"), end


_RSSI_OFFSET_RAW: Final = 45
_RSSI_OFFSET_DBM: Final = -100
_RSSI_SATURATED_RAW: Final = 230


def rssi_dbm(raw: int) -> int:
    """Return the field strength of an RSSI code: half a dB a step, -100 dBm at 45, 0 dBm from 230 on.

    Another formula in use, `raw * 80 / 150 - 126.67`, differs by at most 3 dB between 45 and 205.
    """
    if raw >= _RSSI_SATURATED_RAW:
        return 0
    return int(_RSSI_OFFSET_DBM + (raw - _RSSI_OFFSET_RAW) / 2)


def rssi_raw(dbm: int) -> int:
    """Return the RSSI code of a field strength, limited to what a module can say."""
    return min(max(_RSSI_OFFSET_RAW + 2 * (dbm - _RSSI_OFFSET_DBM), 0), _RSSI_SATURATED_RAW)
