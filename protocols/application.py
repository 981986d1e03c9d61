"""Application layer: what stands behind the transport header, by content (EN 13757-3; EN 13757-7, 8).

`decode_application` is total: what cannot be read is kept as bytes with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from protocols.errors import ProtocolError, Truncated, Unsupported
from protocols.mbus.compact import SIGNATURE_LENGTH, FormatLibrary, expand_compact, headers_of, parse_format_frame
from protocols.mbus.records import parse_records
from protocols.mbus.selection import ADDRESS_SIZE, application_words, device_words
from protocols.mbus.spans import UNDECODED, application_spans
from protocols.mbus.tables import MANUFACTURER_DATA_MORE
from protocols.model import Record, Span
from protocols.plural import counted
from protocols.profiles.model import PayloadRule, Where
from protocols.profiles.payloads import Payload, payload_decoder
from protocols.profiles.payloads.model import records_of
from protocols.wmbus.ci import CiField, Content

FILLERS = b"\x2f\x2f"
COMPACT_HEADER_SIZE = 4
"""Format signature and full-frame CRC, two bytes each, little endian (EN 13757-3, Annex G)."""

DYNAMIC_ERROR = 0xF0
"""The error whose code is followed by records that describe it."""

APPLICATION_ERRORS: dict[int, str] = {
    0x00: "unspecified error",
    0x01: "unimplemented CI field",
    0x02: "buffer too long, truncated",
    0x03: "too many records",
    0x04: "premature end of record",
    0x05: "more than 10 DIFEs",
    0x06: "more than 10 VIFEs",
    0x08: "application busy",
    0x09: "too many readouts",
    0x10: "access denied",
    0x11: "application or command unknown",
    0x12: "parameter missing or wrong",
    0x13: "unknown receiver address",
    0x14: "decryption key fails",
    0x15: "encryption method not supported",
    0x16: "signature method not supported",
    DYNAMIC_ERROR: "dynamic application error",
}
"""EN 13757-3, Table 20, and OMS Vol. 2, 7.3 (codes from 0x10 on)."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Bytes without an inner structure that is known here."""

    name: str
    start: int
    end: int
    meaning: str
    clause: str = ""

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """One leaf, or none when it is empty."""
        if self.start == self.end:
            return ()
        return (Span(self.start, self.end, self.name, self.name, self.meaning, self.clause),)


@dataclass(frozen=True, slots=True)
class Application:
    """The application layer of one telegram.

    `format_headers` are the record headers that a compact frame of this meter would refer to, empty when there is
    nothing to learn. `tail` is the run of manufacturer-specific bytes behind DIF 0F or 1F, DIF included. `flags` are
    alarms that a proprietary payload reports.
    """

    start: int
    end: int
    content: Content
    records: tuple[Record, ...] = ()
    tail: tuple[int, int] | None = None
    problem: ProtocolError | None = None
    format_headers: bytes = b""
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    name: str = "application"

    def unknown_signature(self, plain: bytes) -> int | None:
        """The signature of a compact frame whose format is not known, None for everything else."""
        if self.content is not Content.COMPACT or not isinstance(self.problem, Unsupported):
            return None
        start = self.start + _fillers_at(plain, self.start, self.end)
        return int.from_bytes(plain[start : start + SIGNATURE_LENGTH], "little")

    def more_follows(self, plain: bytes) -> bool:
        """Whether the meter has more records for its next telegram (DIF 1F; EN 13757-3, 6.3.7)."""
        return self.tail is not None and plain[self.tail[0]] == MANUFACTURER_DATA_MORE

    def spans(self, plain: bytes) -> tuple[Span, ...]:
        """Fields, records, fillers, manufacturer's bytes; what is not decoded is a leaf as well."""
        if self.content in (Content.RECORDS, Content.MANUFACTURER):
            leaves = application_spans(self.records, self.start, self.end, plain, self.tail)
            return leaves if self.content is Content.RECORDS else tuple(map(_in_payload, leaves))
        if self.content is Content.COMPACT:
            return self._compact_spans(plain)
        return self._other_spans(plain)

    def _compact_spans(self, plain: bytes) -> tuple[Span, ...]:
        clause = "EN 13757-3, Annex G"
        position = self.start + _fillers_at(plain, self.start, self.end)
        leaves = [] if position == self.start else [Span(self.start, position, self.name, "filler", "idle filler")]
        for name, meaning in (("signature", "record format"), ("full-frame CRC", "CRC over the full frame")):
            stop = min(position + 2, self.end)
            if stop > position:
                value = plain[position:stop][::-1].hex().upper()
                leaves.append(Span(position, stop, self.name, name, f"{meaning} 0x{value}", clause))
            position = stop
        return (*leaves, *application_spans(self.records, position, self.end, plain, self.tail))

    def _other_spans(self, plain: bytes) -> tuple[Span, ...]:
        start, end = _between_fillers(plain, self.start, self.end)
        meaning = str(self.content)
        if self.content is Content.APPLICATION_ERROR and start < end:
            meaning = f"application error: {_error_name(plain[start])}"
            end = start + 1
        elif self.content is Content.SELECTION:
            end = min(end, start + ADDRESS_SIZE)
        leaves = application_spans((), self.start, start, plain, None)
        if start < end:
            leaves += (Span(start, end, self.name, str(self.content), meaning),)
        return (*leaves, *application_spans(self.records, end, self.end, plain, self.tail))


def _in_payload(leaf: Span) -> Span:
    """A leaf of a maker's payload, where bytes may have given flags although they are no reading."""
    return replace(leaf, meaning="flags, check bytes, or not known here") if leaf.name == UNDECODED else leaf


def decode_application(
    ci: CiField, plain: bytes, start: int, end: int, formats: FormatLibrary, payloads: Sequence[PayloadRule] = ()
) -> Application:
    """Read `plain[start:end]` as the CI field says; a problem is carried in the result, never raised.

    `payloads` are the proprietary payloads that the meter's profile knows of.
    """
    whole = next((rule for rule in payloads if _reads_whole(rule, ci.content)), None)
    if whole is not None:
        payload = payload_decoder(whole.decoder)(plain, start, end)
        if not payload.foreign:
            return _payload(payload, plain, start, end)
    reader = _commands if ci.downlink and ci.content is Content.RECORDS else _READERS.get(ci.content)
    if reader is None:
        problem = Unsupported(_named(ci), layer="application", offset=start)
        return Application(start, end, ci.content, problem=problem)
    try:
        application = reader(plain, start, end, formats)
    except ProtocolError as problem:
        return Application(start, end, ci.content, problem=problem)
    for rule in payloads:
        application = _with_payload(application, rule, plain)
    return application


def _reads_whole(rule: PayloadRule, content: Content) -> bool:
    if rule.where is Where.MANUFACTURER:
        return content is Content.MANUFACTURER
    return rule.where is Where.WHOLE and content is Content.RECORDS


def _payload(payload: Payload, plain: bytes, start: int, end: int) -> Application:
    """A payload without records of the standard's kind."""
    records = records_of(payload, plain, 0)
    # Items may lie in the frame's header; the application layer's bytes are only those behind it.
    return Application(
        start, end, Content.MANUFACTURER, records, problem=payload.problem, notes=payload.notes, flags=payload.flags
    )


def _with_payload(application: Application, rule: PayloadRule, plain: bytes) -> Application:
    """Add what a payload behind DIF 0F, or in the data of a record, holds."""
    if rule.where is Where.TAIL and application.tail is not None:
        dif, end = application.tail
        payload = payload_decoder(rule.decoder)(plain, dif + 1, end)
        added = records_of(payload, plain, len(application.records))
        application = replace(application, tail=(dif, dif + 1))
    elif rule.record is not None:
        carrier = next((r for r in application.records if r.source == rule.record), None)
        if carrier is None:
            return application
        payload = payload_decoder(rule.decoder)(plain, carrier.data_start, carrier.end)
        added = records_of(payload, plain, len(application.records), expanded_from=carrier.index)
    else:
        return application
    return replace(
        application,
        records=(*application.records, *added),
        notes=(*application.notes, *payload.notes, *((str(payload.problem),) if payload.problem else ())),
        flags=(*application.flags, *payload.flags),
    )


def _named(ci: CiField) -> str:
    if ci.content is Content.MANUFACTURER:
        return "payload in a format of the maker's own, which is not known here"
    return f"{ci.name} is not decoded"


def _records(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    parsed = parse_records(plain, start, end)
    headers = headers_of(parsed.records) if parsed.problem is None else b""
    return Application(start, end, Content.RECORDS, parsed.records, parsed.tail, parsed.problem, headers, parsed.notes)


def _commands(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    """Records that tell a meter what to do; they teach no format."""
    parsed = parse_records(plain, start, end, downlink=True)
    return Application(start, end, Content.RECORDS, parsed.records, parsed.tail, parsed.problem, b"", parsed.notes)


def _compact(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    parsed = expand_compact(plain, start + _fillers_at(plain, start, end), end, formats)
    return Application(start, end, Content.COMPACT, parsed.records, parsed.tail, parsed.problem, b"", parsed.notes)


def _format(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    headers = parse_format_frame(plain, start + _fillers_at(plain, start, end), end)
    return Application(start, end, Content.FORMAT, format_headers=headers)


def _nothing(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    notes = (f"{counted(end - start, 'byte')} after a header without application data",) if end > start else ()
    return Application(start, end, Content.NOTHING, notes=notes)


def _application_select(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    first, last = _between_fillers(plain, start, end)
    return Application(start, end, Content.APPLICATION_SELECT, notes=(application_words(plain[first:last]),))


def _selection(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    """Number, manufacturer, version and device type, then records that narrow the selection."""
    behind = start + ADDRESS_SIZE
    if behind > end:
        there = f"a selection has {ADDRESS_SIZE} bytes of address, {end - start} are there"
        raise Truncated(there, layer="application", offset=end)
    parsed = parse_records(plain, behind, end, downlink=True)
    notes = (device_words(plain[start:behind]), *parsed.notes)
    return Application(start, end, Content.SELECTION, parsed.records, parsed.tail, parsed.problem, b"", notes)


def _error(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    at = start + _fillers_at(plain, start, end)
    code = plain[at] if at < end else 0
    note = f"the meter reports an application error: {_error_name(code)}"
    if code != DYNAMIC_ERROR:
        return Application(start, end, Content.APPLICATION_ERROR, notes=(note,))
    parsed = parse_records(plain, at + 1, end)
    notes = (note, *parsed.notes)
    return Application(start, end, Content.APPLICATION_ERROR, parsed.records, parsed.tail, parsed.problem, b"", notes)


def _alarm(plain: bytes, start: int, end: int, formats: FormatLibrary) -> Application:
    first, last = _between_fillers(plain, start, end)
    if first >= last:
        raise Truncated("alarm without its flags", layer="application", offset=start)
    return Application(start, end, Content.ALARM, notes=(f"alarm flags {plain[first:last].hex().upper()}",))


def _error_name(code: int) -> str:
    return APPLICATION_ERRORS.get(code, f"reserved code 0x{code:02X}")


def _fillers_at(plain: bytes, start: int, end: int) -> int:
    """Length of the check bytes that stand before what is no record in encrypted payloads."""
    return len(FILLERS) if plain[start:end].startswith(FILLERS) else 0


def _between_fillers(plain: bytes, start: int, end: int) -> tuple[int, int]:
    """Start and end of what check bytes and the fillers of the last block enclose; all of it where there are none."""
    first = start + _fillers_at(plain, start, end)
    if first == start:
        return start, end
    return first, first + len(plain[first:end].rstrip(FILLERS))


_READERS: dict[Content, Callable[[bytes, int, int, FormatLibrary], Application]] = {
    Content.RECORDS: _records,
    Content.COMPACT: _compact,
    Content.FORMAT: _format,
    Content.NOTHING: _nothing,
    Content.APPLICATION_SELECT: _application_select,
    Content.SELECTION: _selection,
    Content.APPLICATION_ERROR: _error,
    Content.ALARM: _alarm,
}
