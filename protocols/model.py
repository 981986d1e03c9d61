"""The nouns of every protocol layer: frame, address, span, record, reading, verdict, telegram.

All are frozen values. A `Telegram` is always built, even for garbage; what could not be decoded is named in
`outcome`, `problem` and `verdict`, and what was decoded before the damage is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

from protocols.lorawan.facts import LoraReception, LorawanFacts
from protocols.media import manufacturer_code, manufacturer_letters, medium_name

Value: TypeAlias = Decimal | int | str | date | datetime | time | None
"""A measured value is a Decimal; bit fields and plain numbers without a scale are ints."""


class Outcome(StrEnum):
    """What became of a frame, in one word."""

    OK = "ok"
    NO_KEY = "no_key"
    WRONG_KEY = "wrong_key"
    NOT_PERMITTED = "not_permitted"
    UNSUPPORTED = "unsupported"
    DAMAGED = "damaged"


class Rung(StrEnum):
    """One step of the verdict ladder, in the order in which they are climbed."""

    FRAME = "frame"
    ADDRESS = "address"
    KEY = "key"
    DECRYPTION = "decryption"
    RECORDS = "records"
    PLAUSIBILITY = "plausibility"


class RungState(StrEnum):
    """How far the ladder was climbed at one rung."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not_reached"


class Function(StrEnum):
    """What a value is over its period (DIF bits 5-4; EN 13757-3, Table 3)."""

    INSTANTANEOUS = "instantaneous"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    ERROR = "error"


class Quality(StrEnum):
    """Whether a value can be believed."""

    GOOD = "good"
    INVALID = "invalid"
    NOT_AVAILABLE = "not_available"
    ERROR_STATE = "error_state"
    OVERFLOW = "overflow"
    UNDERFLOW = "underflow"


class FindingKind(StrEnum):
    """What was noticed in a telegram that decoded; none of them changes its outcome."""

    POSSIBLE_REPLAY = "possible_replay"
    REPEATED_BY_HOP = "repeated_by_hop"
    NEGATIVE_CONSUMPTION = "negative_consumption"
    JUMP = "jump"
    CLOCK_FAR_OFF = "clock_far_off"
    IMPOSSIBLE_DATE = "impossible_date"
    ERROR_STATE = "error_state"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a telegram that is not plausible, or worth knowing: its kind, and one sentence of what was seen."""

    kind: FindingKind
    detail: str


@dataclass(frozen=True, slots=True)
class VerdictStep:
    """One rung of the ladder: state, one sentence of what was found, and the next thing to do when it failed."""

    rung: Rung
    state: RungState
    detail: str
    next: str | None = None


class Link(StrEnum):
    """What the bytes of a frame are; wired M-Bus is distinguished from wireless by its start character."""

    MBUS = "mbus"
    LORAWAN = "lorawan"
    LORAWAN_PAYLOAD = "lorawan-payload"


class FrameFormat(StrEnum):
    """How the link-layer CRCs of wireless M-Bus lie in the bytes that were handed over (EN 13757-4, 12)."""

    A = "A"
    B = "B"
    STRIPPED = "stripped"


@dataclass(frozen=True, slots=True)
class RawFrame:
    """Bytes as a receiver handed them over, with when, where and how strongly they were heard.

    `link` says whether `data` is an M-Bus frame, a LoRaWAN PHYPayload, or an application payload that a network server
    decrypted; `lora` what the receiver knows beside the bytes of the latter two. `frame_format` is where the CRCs of a
    wireless M-Bus frame lie, None where the receiver does not tell: then the CRCs that fit decide.
    """

    data: bytes
    at: datetime | None = None
    source: str = ""
    mode: str | None = None
    rssi_dbm: int | None = None
    link: Link = Link.MBUS
    lora: LoraReception | None = None
    frame_format: FrameFormat | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A meter's address: manufacturer, identification number, version, device type (EN 13757-7, 7.5.2).

    `number` is the eight digits as printed (hex digits are kept: real meters send them). `manufacturer_code` keeps
    bit 15, which says that the address is only locally unique.
    """

    manufacturer_code: int
    number: str
    version: int
    medium_code: int

    @classmethod
    def of(cls, manufacturer: str, number: str, version: int, medium_code: int) -> Address:
        """Build from the letters; `ValueError` when letters or number do not fit."""
        if len(number) != 8:
            raise ValueError(f"not an identification number: {number!r} (eight digits)")
        int(number, 16)
        return cls(manufacturer_code(manufacturer), number.lower(), version, medium_code)

    @classmethod
    def from_wire(cls, data: bytes) -> Address:
        """Read the link layer's order: M (2, LE), ID (4, LE BCD), version, device type; exactly 8 bytes."""
        return cls(int.from_bytes(data[:2], "little"), data[5:1:-1].hex(), data[6], data[7])

    @classmethod
    def from_transport(cls, data: bytes) -> Address:
        """Read the long transport header's order: ID (4), M (2), version, device type; exactly 8 bytes."""
        return cls(int.from_bytes(data[4:6], "little"), data[3::-1].hex(), data[6], data[7])

    @property
    def manufacturer(self) -> str:
        """The three letters, or `0xNNNN`."""
        return manufacturer_letters(self.manufacturer_code)

    @property
    def medium(self) -> str:
        """The device type by name."""
        return medium_name(self.medium_code, self.manufacturer)

    @property
    def number_wire(self) -> bytes:
        """The identification number as transmitted: 4 bytes, least significant pair first."""
        return bytes.fromhex(self.number)[::-1]

    def to_wire(self) -> bytes:
        """M, ID, version, device type: the order of the link layer and of every IV."""
        return self.manufacturer_code.to_bytes(2, "little") + self.number_wire + bytes((self.version, self.medium_code))

    def to_transport(self) -> bytes:
        """ID, M, version, device type: the order of the long transport header."""
        return self.number_wire + self.manufacturer_code.to_bytes(2, "little") + bytes((self.version, self.medium_code))

    def __str__(self) -> str:
        return f"{self.manufacturer} {self.number} {self.version:02X}/{self.medium_code:02X}"


@dataclass(frozen=True, slots=True)
class Key:
    """An AES (16 bytes) or DES (8 bytes) key with the name of where it came from; neither repr nor str show it."""

    value: bytes = field(repr=False)
    label: str = ""


KeyLookup: TypeAlias = Callable[[Address], Sequence[Key]]
"""The keys filed for an address, best first; empty when there is none. What else one may offer: `protocols.lookups`."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of bytes of the frame and what it means; the leaves of the explanation.

    `start` and `end` are offsets into `Telegram.data`; `record` is the index into `Telegram.records` it belongs to.
    """

    start: int
    end: int
    layer: str
    name: str
    meaning: str = ""
    clause: str = ""
    record: int | None = None


class Layer(Protocol):
    """One protocol layer of a telegram; its spans tile `start:end` without gaps or overlaps."""

    @property
    def name(self) -> str:
        """The layer's word: link, ell, nwl, afl, transport, application, trailer, unknown."""

    @property
    def start(self) -> int:
        """Offset of its first byte in `Telegram.data`."""

    @property
    def end(self) -> int:
        """Offset after its last byte."""

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """Return the leaves, given the frame with the encrypted region replaced by plain text."""


@dataclass(frozen=True, slots=True)
class Record:
    """One DIF/VIF item, or one item of a proprietary payload.

    `start:end` is where its bytes lie in the frame: header and data, or data alone (`start == data_start`) when the
    header came from a known format (compact frame). `header` is DIF, DIFEs, VIF and VIFEs. `unit` is a code of
    `protocols.units`; `value` is already scaled to it. `name` is set where a payload decoder knows what the item is.
    """

    index: int
    start: int
    data_start: int
    end: int
    header: bytes
    data: bytes
    quantity: str
    unit: str
    value: Value
    quality: Quality = Quality.GOOD
    function: Function = Function.INSTANTANEOUS
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    modifiers: tuple[str, ...] = ()
    expanded_from: int | None = None
    name: str = ""

    @property
    def source(self) -> str:
        """The header in hex, as engineers quote records: `0413`."""
        return self.header.hex().upper()


@dataclass(frozen=True, slots=True)
class Reading:
    """A named value with a unit: what a user reads off a meter."""

    name: str
    value: Value
    unit: str
    quantity: str
    function: Function = Function.INSTANTANEOUS
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    source: str = ""
    quality: Quality = Quality.GOOD
    record: int | None = None


@dataclass(frozen=True, slots=True)
class Security:
    """How the payload was protected and what the key proved.

    `mode` is the transport layer's security mode, None where the extended link layer encrypts. `key_check_value` is
    that of the key that fitted; `tried` holds those of all keys that were tried.
    """

    mode: int | None
    name: str
    key_check_value: str | None = None
    authenticated: bool = False
    access_number: int | None = None
    message_counter: int | None = None
    already_decrypted: bool = False
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """What the meter says of itself: the transport layer's status byte and the maker's own flags by name.

    `raw` is the status byte, None where the telegram has none and the flags come from a record alone.
    """

    raw: int | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Telegram:
    """A decoded frame.

    `data` is the frame without link-layer CRCs, `plain` the same bytes with the encrypted region replaced by plain
    text where decryption succeeded. `meter` is the application's own address when there is one, else the link-layer
    address; `link_address` is filled when the two differ. Where a maker orders the address bytes in a way of its own,
    `identity` is the address put right and `printed_number` the number on the meter's front. `message` is the kind of
    link-layer message by name, `SND-NR`. `notes` are oddities that did not stop the decoding.
    """

    frame: RawFrame
    data: bytes
    plain: bytes
    outcome: Outcome
    problem: str | None
    verdict: tuple[VerdictStep, ...]
    layers: tuple[Layer, ...] = ()
    meter: Address | None = None
    link_address: Address | None = None
    identity: Address | None = None
    printed_number: str | None = None
    message: str | None = None
    security: Security | None = None
    status: Status | None = None
    records: tuple[Record, ...] = ()
    readings: tuple[Reading, ...] = ()
    profile: str | None = None
    notes: tuple[str, ...] = ()
    lorawan: LorawanFacts | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """True when every layer was decoded."""
        return self.outcome is Outcome.OK

    @property
    def number(self) -> str | None:
        """The number that a person finds on the meter, as far as the telegram tells."""
        return self.printed_number or (self.meter.number if self.meter is not None else None)

    @property
    def medium(self) -> str | None:
        """The device type by name."""
        address = self.identity or self.meter
        return None if address is None else address.medium

    @property
    def spans(self) -> tuple[Span, ...]:
        """All leaves in order; they tile `data` without gaps or overlaps."""
        return tuple(span for layer in self.layers for span in layer.spans(self.plain))
