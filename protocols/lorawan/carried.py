"""M-Bus messages that a LoRaWAN payload carries: whole telegrams, wired frames, or a transport header and records.

They are decoded as if a receiver had handed them over; their spans are shifted to where they lie in the payload.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from protocols.application import Opaque
from protocols.decoding import Decoding
from protocols.errors import ProtocolError, Truncated, Unsupported
from protocols.mbus.compact import shipped_formats
from protocols.model import Address, KeyLookup, Layer, Outcome, RawFrame, Record, Rung, Span, Telegram
from protocols.profiles.apply import interpret
from protocols.profiles.registry import shipped_profiles
from protocols.wired import is_wired
from protocols.wmbus.ci import Content, Header, ci_field
from protocols.wmbus.decoder import decode_transport
from protocols.wmbus.transport import parse_transport

SEND_NO_REPLY = 0x44
"""The C field of nearly all telegrams of meters; it stands behind the length byte."""

SHORTEST_TELEGRAM = 12
"""L, C, manufacturer, number, version, device type, CI field."""

CI_AT, SHORT_HEADER = 10, 0x7A

_CLEAR_MODES = frozenset({0, 6})


@dataclass(frozen=True, slots=True)
class Shifted:
    """A layer of a carried message, `offset` bytes further on in the frame that carries it."""

    inner: Layer
    offset: int
    size: int

    @property
    def name(self) -> str:
        """The inner layer's word."""
        return self.inner.name

    @property
    def start(self) -> int:
        """Offset in the outer frame."""
        return self.inner.start + self.offset

    @property
    def end(self) -> int:
        """Offset behind its last byte in the outer frame."""
        return self.inner.end + self.offset

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """The inner leaves, shifted."""
        inner = self.inner.spans(plain[self.offset : self.offset + self.size])
        return tuple(replace(span, start=span.start + self.offset, end=span.end + self.offset) for span in inner)


def shifted_records(records: tuple[Record, ...], offset: int) -> tuple[Record, ...]:
    """The same records, `offset` bytes further on."""
    return tuple(
        replace(r, start=r.start + offset, data_start=r.data_start + offset, end=r.end + offset) for r in records
    )


def decode_carried(data: bytes, keys: KeyLookup, received_at: datetime | None) -> Telegram:
    """Decode a whole telegram or wired frame."""
    # That module takes LoRaWAN frames as well, and so imports this one.
    from protocols.decode import decode

    return decode(RawFrame(data, received_at), keys)


def decode_headed(data: bytes, address: Address | None, keys: KeyLookup, received_at: datetime | None) -> Telegram:
    """Decode a transport header with what follows it.

    `address` is the meter's, for short headers: without it an encrypted payload stays closed.
    """
    decoding = Decoding(
        frame=RawFrame(data, received_at), keys=keys, formats=shipped_formats(), profiles=shipped_profiles()
    )
    decoding.data = decoding.plain = data
    decoding.size = len(data)
    decoding.meter = decoding.link_address = address
    try:
        _headed(decoding)
    except ProtocolError as problem:
        _fail(decoding, problem)
    if decoding.position < decoding.size:
        decoding.layers.append(Opaque("unknown", decoding.position, decoding.size, "not decoded"))
    decoding.layers += decoding.footers
    if decoding.position < len(data):
        decoding.layers.append(Opaque("trailer", decoding.position, len(data), "bytes after the message"))
    found = interpret(decoding.records, decoding.status, decoding.profile)
    return Telegram(
        frame=decoding.frame,
        data=data,
        plain=decoding.plain,
        outcome=decoding.ladder.outcome,
        problem=decoding.ladder.problem,
        verdict=decoding.ladder.steps,
        layers=tuple(decoding.layers),
        meter=decoding.meter,
        security=decoding.security,
        status=found.status,
        records=decoding.records,
        readings=found.readings,
        profile=found.profile,
        notes=tuple(decoding.notes),
    )


def _headed(decoding: Decoding) -> None:
    data = decoding.data
    decoding.ladder.passed(Rung.FRAME, "carried without a link layer")
    if not data:
        raise Truncated("no bytes at all", layer="transport", offset=0)
    if not begins_as_message(data[0]):
        raise Unsupported(f"CI field {data[0]:02X} where a meter's message begins", layer="transport", offset=0)
    transport = parse_transport(data, 0)
    if transport.address is None and decoding.meter is None and transport.security_mode not in _CLEAR_MODES:
        decoding.layers.append(transport)
        decoding.status = None
        decoding.layers.append(Opaque("encrypted", transport.end, decoding.size, "encrypted payload"))
        decoding.ladder.failed(
            Rung.KEY,
            Outcome.NO_KEY,
            "encrypted, and the short header does not say whose key it needs",
            "wait for the meter's installation message, or file its manufacturer, number, version and medium "
            "with the device's keys",
        )
        return
    decode_transport(decoding, 0)


def _fail(decoding: Decoding, problem: ProtocolError) -> None:
    outcome = Outcome.UNSUPPORTED if isinstance(problem, Unsupported) else Outcome.DAMAGED
    rung = Rung.FRAME if problem.layer == "transport" else Rung.RECORDS
    decoding.ladder.failed(rung, outcome, str(problem), "check whether the meter's profile is the right one")


def begins_as_message(ci: int) -> bool:
    """Whether a CI field is one that a meter's message can begin with."""
    field = ci_field(ci)
    return field.content is not Content.NAMED and not field.downlink


def looks_like_telegram(data: bytes) -> bool:
    """Whether the bytes are a whole wireless telegram without CRCs: length byte and C field fit."""
    return len(data) >= SHORTEST_TELEGRAM and data[0] == len(data) - 1 and data[1] == SEND_NO_REPLY


def with_known_ci(telegram: bytes, short_header_ci: int | None) -> bytes:
    """The telegram with the standard's CI field of a short header where the maker has one of his own."""
    if not looks_like_telegram(telegram) or telegram[CI_AT] != short_header_ci:
        return telegram
    return telegram[:CI_AT] + bytes([SHORT_HEADER]) + telegram[CI_AT + 1 :]


def looks_like_wired(data: bytes) -> bool:
    """Whether the bytes are a whole wired long frame."""
    return len(data) >= SHORTEST_TELEGRAM and is_wired(data) and len(data) == data[1] + 6


def looks_like_headed(data: bytes) -> bool:
    """Whether the bytes begin with a transport header as meters send it."""
    return bool(data) and data[0] in _HEADED and len(data) > _HEADED[data[0]]


_HEADER_SIZES = {Header.NONE: 1, Header.SHORT: 5, Header.LONG: 13}
_HEADED = {ci: _HEADER_SIZES[ci_field(ci).header] for ci in (0x72, 0x78, 0x7A)}
"""CI fields of full frames, and the size of what stands before the records."""
