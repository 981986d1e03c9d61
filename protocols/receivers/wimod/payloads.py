"""Payloads of WiMOD messages: device and firmware information, radio configuration, and received packets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Final, Self

from construct import ConstructError, Int8sb, Int8ub, Int16sl, Int16ul, Int24ul, Int32ul, Struct

from protocols.errors import Truncated
from protocols.receivers.lora_channel import Channel
from protocols.receivers.wimod.codes import (
    ATTACH_QUALITY,
    ATTACHED,
    BANDWIDTH_125_KHZ,
    CODING_RATE_4_5,
    CRYSTAL_HZ,
    FREQUENCY_BITS,
    MODULATION_LORA,
    MODULES,
    RECEIVER_ALWAYS_ON,
    RadioMode,
)
from protocols.text import safe_text

LAYER: Final = "wimod"

_DEVICE_INFO: Final = Struct(
    "module_type" / Int8ub, "address" / Int16ul, "group" / Int8ub, "reserved" / Int8ub, "uid" / Int32ul
)
_FIRMWARE_INFO: Final = Struct("minor" / Int8ub, "major" / Int8ub, "build" / Int16ul)
_CONFIG: Final = Struct(
    "mode" / Int8ub,
    "group" / Int8ub,
    "tx_group" / Int8ub,
    "address" / Int16ul,
    "tx_address" / Int16ul,
    "modulation" / Int8ub,
    "frequency_steps" / Int24ul,
    "bandwidth" / Int8ub,
    "spreading_factor" / Int8ub,
    "coding_rate" / Int8ub,
    "power_dbm" / Int8ub,
    "tx_control" / Int8ub,
    "rx_control" / Int8ub,
    "rx_window_ms" / Int16ul,
    "led_control" / Int8ub,
    "options" / Int8ub,
    "fsk_data_rate" / Int8ub,
    "power_saving" / Int8ub,
    "lbt_threshold_dbm" / Int16sl,
)
_QUALITY: Final = Struct("rssi_dbm" / Int16sl, "snr_db" / Int8sb, "time" / Int32ul)
QUALITY_SIZE: Final = _QUALITY.sizeof()


def _whole(data: bytes, size: int, what: str) -> bytes:
    """The first `size` bytes of `data`; newer firmware may append fields."""
    if len(data) < size:
        raise Truncated(f"{what} of {len(data)} bytes instead of {size}", layer=LAYER, offset=len(data))
    return data[:size]


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Which module it is."""

    module_type: int
    address: int = 0
    group: int = 0
    reserved: int = 0
    uid: int = 0

    @classmethod
    def from_payload(cls, data: bytes) -> Self:
        """Read what stands behind the status; raises `Truncated`."""
        parsed = _DEVICE_INFO.parse(_whole(data, _DEVICE_INFO.sizeof(), "device information"))
        return cls(parsed.module_type, parsed.address, parsed.group, parsed.reserved, parsed.uid)

    def payload(self) -> bytes:
        """Build it."""
        return bytes(_DEVICE_INFO.build(asdict(self)))

    @property
    def model(self) -> str:
        """The module's name, or its type in hex."""
        return MODULES.get(self.module_type, f"WiMOD module type {self.module_type:#04x}")

    @property
    def serial(self) -> str:
        """Its unique number in hex."""
        return f"{self.uid:08X}"


@dataclass(frozen=True, slots=True)
class FirmwareInfo:
    """Which firmware it runs."""

    minor: int
    major: int
    build: int = 0
    name: str = ""

    @classmethod
    def from_payload(cls, data: bytes) -> Self:
        """Read what stands behind the status; raises `Truncated`."""
        size = _FIRMWARE_INFO.sizeof()
        parsed = _FIRMWARE_INFO.parse(_whole(data, size, "firmware information"))
        name = safe_text(data[size:].rstrip(b"\0").decode("ascii", errors="replace"))
        return cls(parsed.minor, parsed.major, parsed.build, name)

    def payload(self) -> bytes:
        """Build it."""
        head = _FIRMWARE_INFO.build({"minor": self.minor, "major": self.major, "build": self.build})
        return bytes(head) + self.name.encode("ascii")

    @property
    def text(self) -> str:
        """Version and name."""
        return f"{self.major}.{self.minor} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class RadioConfig:
    """The radio configuration as it is read; to be set, a byte in front says whether it is stored."""

    mode: int = RadioMode.STANDARD
    group: int = 0x10
    tx_group: int = 0x10
    address: int = 0x1234
    tx_address: int = 0x1234
    modulation: int = MODULATION_LORA
    frequency_steps: int = 0xD9_06_66
    bandwidth: int = BANDWIDTH_125_KHZ
    spreading_factor: int = 11
    coding_rate: int = CODING_RATE_4_5
    power_dbm: int = 14
    tx_control: int = 0
    rx_control: int = RECEIVER_ALWAYS_ON
    rx_window_ms: int = 3000
    led_control: int = 7
    options: int = ATTACH_QUALITY
    fsk_data_rate: int = 0
    power_saving: int = 0
    lbt_threshold_dbm: int = -90

    @classmethod
    def sniffing(cls, channel: Channel) -> Self:
        """What makes a module hand over every packet of a channel, with strength and time."""
        return cls(
            mode=RadioMode.SNIFFER,
            frequency_steps=frequency_steps(channel.frequency_hz),
            spreading_factor=channel.spreading_factor,
        )

    @classmethod
    def from_payload(cls, data: bytes) -> Self:
        """Read what stands behind the status, or behind the byte that says whether to store; raises `Truncated`."""
        parsed = _CONFIG.parse(_whole(data, _CONFIG.sizeof(), "radio configuration"))
        return cls(**{name: value for name, value in parsed.items() if not name.startswith("_")})

    def payload(self) -> bytes:
        """Build it; `ValueError` when a field does not fit."""
        try:
            return bytes(_CONFIG.build(asdict(self)))
        except ConstructError as error:
            raise ValueError(f"no radio configuration: {error}") from error

    @property
    def frequency_hz(self) -> int:
        """The frequency, to the nearest hertz."""
        return round(self.frequency_steps * CRYSTAL_HZ / (1 << FREQUENCY_BITS))

    def hears(self, channel: Channel) -> bool:
        """Whether a module set like this hears that channel; its steps are 61 Hz apart."""
        return (self.modulation, self.bandwidth, self.frequency_steps, self.spreading_factor, self.rx_control) == (
            MODULATION_LORA,
            BANDWIDTH_125_KHZ,
            frequency_steps(channel.frequency_hz),
            channel.spreading_factor,
            RECEIVER_ALWAYS_ON,
        )


def frequency_steps(frequency_hz: int) -> int:
    """A frequency as the module counts it, rounded down as its maker's tables are."""
    return (frequency_hz << FREQUENCY_BITS) // CRYSTAL_HZ


@dataclass(frozen=True, slots=True)
class RawPacket:
    """A packet as it was on the air; strength and noise where they are attached."""

    data: bytes = field(repr=False)
    rssi_dbm: int | None = None
    snr_db: int | None = None
    time: int = 0

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Read a raw data indication; raises `Truncated` when there is no packet in it."""
        attached = QUALITY_SIZE if payload[:1] and payload[0] & ATTACHED else 0
        end = len(payload) - attached
        if end < 2:
            raise Truncated("a reception without a packet", layer=LAYER, offset=len(payload))
        if not attached:
            return cls(payload[1:])
        quality = _QUALITY.parse(payload[end:])
        return cls(payload[1:end], quality.rssi_dbm, quality.snr_db, quality.time)

    def payload(self) -> bytes:
        """Build it."""
        if self.rssi_dbm is None or self.snr_db is None:
            return bytes((0,)) + self.data
        quality = _QUALITY.build({"rssi_dbm": self.rssi_dbm, "snr_db": self.snr_db, "time": self.time})
        return bytes((ATTACHED,)) + self.data + bytes(quality)
