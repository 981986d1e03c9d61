"""MAC commands, both directions, with their fields (LoRaWAN L2 1.1, 5; 1.0.4, 5; class B, 14).

A command is its identifier and a payload whose length identifier and direction decide. Reading stops at the first
identifier that is not known, for its length is not known either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.lorawan.facts import MacCommand

GPS_EPOCH_UNIX_S: Final = 315_964_800
PROPRIETARY_FIRST: Final = 0x80
FREQUENCY_STEP_HZ: Final = 100

Words = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Field:
    """Bits of a payload read as one little-endian number: `bits` from bit `shift` on, and how they are said."""

    name: str
    shift: int
    bits: int
    words: Words = str


@dataclass(frozen=True, slots=True)
class Kind:
    """One direction of one command."""

    name: str
    size: int
    fields: tuple[Field, ...] = ()


def _yes(value: int) -> str:
    return "yes" if value else "no"


def _mhz(value: int) -> str:
    hz = value * FREQUENCY_STEP_HZ
    return f"{hz // 1_000_000}.{hz % 1_000_000 // FREQUENCY_STEP_HZ:04} MHz" if hz else "default"


def _hex16(value: int) -> str:
    return f"0x{value:04X}"


def _duty(value: int) -> str:
    return "no limit" if value == 0 else f"1/{1 << value}"


def _battery(value: int) -> str:
    return {0: "external power", 255: "not known"}.get(value, f"{value}/254")


def _signed_margin(value: int) -> str:
    return f"{value - 64 if value > 31 else value} dB"


def _db(value: int) -> str:
    return f"{value} dB"


def _delay(value: int) -> str:
    return f"{value or 1} s"


def _power_of_two(value: int) -> str:
    return str(1 << value)


def _seconds(value: int) -> str:
    return f"{value} s"


def _fraction(value: int) -> str:
    return f"{value}/256 s"


def _device_class(value: int) -> str:
    return {0: "class A", 2: "class C"}.get(value, f"reserved {value}")


def _minor(value: int) -> str:
    return f"1.{value}"


def _dwell(value: int) -> str:
    return "400 ms" if value else "no limit"


_EIRP_DBM: Final = (8, 10, 12, 13, 14, 16, 18, 20, 21, 24, 26, 27, 29, 30, 33, 36)


def _eirp(value: int) -> str:
    return f"{_EIRP_DBM[value]} dBm"


_MINOR_VERSION: Final = (Field("version", 0, 4, _minor),)
_FREQUENCY_AT_1: Final = Field("frequency", 8, 24, _mhz)
_CHANNEL_ACCEPTED: Final = (Field("frequency_ok", 0, 1, _yes), Field("data_rates_ok", 1, 1, _yes))

UPLINK: Final[dict[int, Kind]] = {
    0x01: Kind("ResetInd", 1, _MINOR_VERSION),
    0x02: Kind("LinkCheckReq", 0),
    0x03: Kind(
        "LinkADRAns",
        1,
        (
            Field("channel_mask_ok", 0, 1, _yes),
            Field("data_rate_ok", 1, 1, _yes),
            Field("power_ok", 2, 1, _yes),
        ),
    ),
    0x04: Kind("DutyCycleAns", 0),
    0x05: Kind(
        "RXParamSetupAns",
        1,
        (
            Field("frequency_ok", 0, 1, _yes),
            Field("rx2_data_rate_ok", 1, 1, _yes),
            Field("rx1_offset_ok", 2, 1, _yes),
        ),
    ),
    0x06: Kind("DevStatusAns", 2, (Field("battery", 0, 8, _battery), Field("margin", 8, 6, _signed_margin))),
    0x07: Kind("NewChannelAns", 1, _CHANNEL_ACCEPTED),
    0x08: Kind("RXTimingSetupAns", 0),
    0x09: Kind("TXParamSetupAns", 0),
    0x0A: Kind("DlChannelAns", 1, (Field("frequency_ok", 0, 1, _yes), Field("uplink_frequency_exists", 1, 1, _yes))),
    0x0B: Kind("RekeyInd", 1, _MINOR_VERSION),
    0x0C: Kind("ADRParamSetupAns", 0),
    0x0D: Kind("DeviceTimeReq", 0),
    0x0F: Kind("RejoinParamSetupAns", 1, (Field("time_ok", 0, 1, _yes),)),
    0x10: Kind("PingSlotInfoReq", 1, (Field("periodicity", 0, 3),)),
    0x11: Kind("PingSlotChannelAns", 1, _CHANNEL_ACCEPTED),
    0x12: Kind("BeaconTimingReq", 0),
    0x13: Kind("BeaconFreqAns", 1, (Field("frequency_ok", 0, 1, _yes),)),
    0x20: Kind("DeviceModeInd", 1, (Field("class", 0, 8, _device_class),)),
}
"""Commands of a device, by identifier."""

DOWNLINK: Final[dict[int, Kind]] = {
    0x01: Kind("ResetConf", 1, _MINOR_VERSION),
    0x02: Kind("LinkCheckAns", 2, (Field("margin", 0, 8, _db), Field("gateways", 8, 8))),
    0x03: Kind(
        "LinkADRReq",
        4,
        (
            Field("tx_power", 0, 4),
            Field("data_rate", 4, 4),
            Field("channel_mask", 8, 16, _hex16),
            Field("transmissions", 24, 4),
            Field("channel_mask_control", 28, 3),
        ),
    ),
    0x04: Kind("DutyCycleReq", 1, (Field("share", 0, 4, _duty),)),
    0x05: Kind(
        "RXParamSetupReq",
        4,
        (Field("rx2_data_rate", 0, 4), Field("rx1_offset", 4, 3), _FREQUENCY_AT_1),
    ),
    0x06: Kind("DevStatusReq", 0),
    0x07: Kind(
        "NewChannelReq",
        5,
        (Field("channel", 0, 8), _FREQUENCY_AT_1, Field("min_data_rate", 32, 4), Field("max_data_rate", 36, 4)),
    ),
    0x08: Kind("RXTimingSetupReq", 1, (Field("delay", 0, 4, _delay),)),
    0x09: Kind(
        "TXParamSetupReq",
        1,
        (
            Field("max_eirp", 0, 4, _eirp),
            Field("uplink_dwell_time", 4, 1, _dwell),
            Field("downlink_dwell_time", 5, 1, _dwell),
        ),
    ),
    0x0A: Kind("DlChannelReq", 4, (Field("channel", 0, 8), _FREQUENCY_AT_1)),
    0x0B: Kind("RekeyConf", 1, _MINOR_VERSION),
    0x0C: Kind("ADRParamSetupReq", 1, (Field("delay", 0, 4, _power_of_two), Field("limit", 4, 4, _power_of_two))),
    0x0D: Kind("DeviceTimeAns", 5, (Field("gps_time", 0, 32, _seconds), Field("fraction", 32, 8, _fraction))),
    0x0E: Kind(
        "ForceRejoinReq",
        2,
        (
            Field("data_rate", 0, 4),
            Field("rejoin_type", 4, 3),
            Field("retries", 8, 3),
            Field("period", 11, 3),
        ),
    ),
    0x0F: Kind("RejoinParamSetupReq", 1, (Field("max_count_exponent", 0, 4), Field("max_time_exponent", 4, 4))),
    0x10: Kind("PingSlotInfoAns", 0),
    0x11: Kind("PingSlotChannelReq", 4, (Field("frequency", 0, 24, _mhz), Field("data_rate", 24, 4))),
    0x12: Kind("BeaconTimingAns", 3, (Field("delay", 0, 16), Field("channel", 16, 8))),
    0x13: Kind("BeaconFreqReq", 3, (Field("frequency", 0, 24, _mhz),)),
    0x20: Kind("DeviceModeConf", 1, (Field("class", 0, 8, _device_class),)),
}
"""Commands to a device, by identifier."""


@dataclass(frozen=True, slots=True)
class MacCommands:
    """The commands of one field, and where reading stopped: `end`, with the reason unless all was read."""

    commands: tuple[MacCommand, ...]
    end: int
    problem: str | None = None


def parse_mac_commands(data: bytes, *, uplink: bool) -> MacCommands:
    """Read commands one behind the other; offsets count from the first byte of `data`."""
    kinds = UPLINK if uplink else DOWNLINK
    commands: list[MacCommand] = []
    position = 0
    while position < len(data):
        cid = data[position]
        kind = kinds.get(cid)
        if kind is None:
            word = "proprietary" if cid >= PROPRIETARY_FIRST else "not known"
            return MacCommands(tuple(commands), position, f"MAC command {cid:02X} is {word}; its length is not known")
        end = position + 1 + kind.size
        if end > len(data):
            return MacCommands(tuple(commands), position, f"{kind.name} ends before its {kind.size} bytes")
        payload = data[position + 1 : end]
        commands.append(MacCommand(cid, kind.name, payload, _fields(kind, payload), position, end))
        position = end
    return MacCommands(tuple(commands), position)


def build_mac_commands(commands: Sequence[tuple[str, bytes]], *, uplink: bool) -> bytes:
    """Build commands from name and payload; `ValueError` for a name or length that the direction has not."""
    kinds = {kind.name: (cid, kind.size) for cid, kind in (UPLINK if uplink else DOWNLINK).items()}
    out = bytearray()
    for name, payload in commands:
        if name not in kinds:
            raise ValueError(f"{name} is no MAC command of an {'uplink' if uplink else 'downlink'}")
        cid, size = kinds[name]
        if len(payload) != size:
            raise ValueError(f"{name} has a payload of {size} bytes, not {len(payload)}")
        out += bytes((cid,)) + payload
    return bytes(out)


def _fields(kind: Kind, payload: bytes) -> tuple[tuple[str, str], ...]:
    number = int.from_bytes(payload, "little")
    return tuple((field.name, field.words(number >> field.shift & (1 << field.bits) - 1)) for field in kind.fields)
