"""What each byte of the records means, for the hex view: leaves that tile a message without gaps or overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, time
from decimal import Decimal

from protocols.mbus.header import RecordHeader, interpret, primary_words
from protocols.mbus.tables import FILLER, MANUFACTURER_DATA_MORE, READOUT_REQUEST, Coding, Form
from protocols.mbus.values import LVAR_TEXT_LAST, lvar_length
from protocols.model import Function, Quality, Record, Span
from protocols.text import safe_text, text_from_bytes
from protocols.units import unit_symbol

LAYER = "application"

DIF_CLAUSE = "EN 13757-3, 6.3.2"
DIFE_CLAUSE = "EN 13757-3, 6.3.3"
LVAR_CLAUSE = "EN 13757-3, 6.3.6"
DATA_CLAUSE = "EN 13757-3, Annex A"
PLAIN_TEXT_CLAUSE = "EN 13757-3, C.2"

UNDECODED = "undecoded"
"""Name of a leaf of bytes that no record has."""


def record_spans(record: Record) -> tuple[Span, ...]:
    """Return the leaves of one record: DIF, DIFEs, VIF, VIFEs, plain text, LVAR, data.

    Only the data of a record whose header came from elsewhere (compact frame, profile element). Records that are not
    of this layer's making, without a header, are one leaf.
    """
    if not record.header:
        return (_data_span(record, record.start, record.end),) if record.end > record.start else ()
    # A record with an object action was sent to a meter: only there are these VIFEs actions.
    downlink = any(name.startswith("action_") for name in record.modifiers)
    header = interpret(record.header, downlink=downlink)
    leaves = [] if record.start == record.data_start else sorted(_header_spans(record, header), key=_start)
    data_start = record.data_start
    if header.field.form is Form.VARIABLE and record.expanded_from is None and record.data:
        leaves.append(_span(record, data_start, data_start + 1, "LVAR", _lvar_words(record.data[0]), LVAR_CLAUSE))
        data_start += 1
    if data_start < record.end:
        leaves.append(_data_span(record, data_start, record.end))
    return tuple(leaves)


def application_spans(
    records: Sequence[Record], start: int, end: int, plain: bytes, tail: tuple[int, int] | None
) -> tuple[Span, ...]:
    """Return leaves that tile `start:end` of `plain`: records, idle fillers, manufacturer's data, undecoded rest.

    Records spread out from a profile share its bytes and get no leaves of their own.
    """
    leaves: list[Span] = []
    position = start
    own = sorted((record for record in records if record.expanded_from is None), key=lambda record: record.start)
    for record in own:
        if record.start < position or record.end > end:
            continue
        leaves += _between(plain, position, record.start, tail)
        leaves += record_spans(record)
        position = record.end
    leaves += _between(plain, position, end, tail)
    return tuple(leaves)


def _start(span: Span) -> int:
    return span.start


def _span(record: Record, start: int, end: int, name: str, meaning: str, clause: str) -> Span:
    return Span(start, end, LAYER, name, meaning, clause, record.index)


def _header_spans(record: Record, header: RecordHeader) -> Iterator[Span]:
    at = record.start
    yield _span(record, at, at + 1, "DIF", _dif_words(header), DIF_CLAUSE)
    for step in range(1, header.vif_offset):
        words = _dife_words(header.raw[step], step - 1)
        yield _span(record, at + step, at + step + 1, "DIFE", words, DIFE_CLAUSE)
    vif = at + header.vif_offset
    yield _span(record, vif, vif + 1, "VIF", primary_words(header), header.clause)
    text = header.text
    if text is not None:
        words = f"unit in plain text: {text_from_bytes(header.raw[text[0] + 1 : text[1]][::-1])}"
        yield _span(record, at + text[0], at + text[1], "plain text", words, PLAIN_TEXT_CLAUSE)
    for part in header.vifes:
        yield _span(record, at + part.offset, at + part.offset + 1, "VIFE", part.meaning, part.clause)


def _dif_words(header: RecordHeader) -> str:
    words = [header.field.words]
    if header.function is Function.ERROR:
        words.append("value during error state")
    elif header.function is not Function.INSTANTANEOUS:
        words.append(header.function.value)
    for name in ("storage", "tariff", "subunit"):
        number = getattr(header, name)
        if number:
            words.append(f"{name} {number}")
    return ", ".join(words)


def _dife_words(dife: int, step: int) -> str:
    """Return what one DIFE adds to the storage number, the tariff and the subunit."""
    parts = (
        ("storage", (dife & 0x0F) << (1 + 4 * step)),
        ("tariff", (dife >> 4 & 3) << (2 * step)),
        ("subunit", (dife >> 6 & 1) << step),
    )
    words = [f"{name} + {number}" for name, number in parts if number]
    return ", ".join(words) or "adds nothing"


def _lvar_words(lvar: int) -> str:
    length = lvar_length(lvar)
    if lvar <= LVAR_TEXT_LAST:
        return f"{lvar} bytes of text or raw data"
    kind = {0xC0: "positive BCD", 0xD0: "negative BCD"}.get(lvar & 0xF0, "binary")
    return f"{length} bytes, {kind}"


def _data_span(record: Record, start: int, end: int) -> Span:
    # Items of a maker's payload have no header, and follow no standard.
    return _span(record, start, end, "data", data_words(record), DATA_CLAUSE if record.header else "")


def data_words(record: Record) -> str:
    """Return quantity, modifiers, value, unit and quality of a record in words: `volume: 6.408 m³`."""
    name = " ".join((record.quantity, *record.modifiers)).replace("_", " ")
    if record.header and interpret(record.header).coding is Coding.SECRET:
        return f"{name}: withheld"
    words = value_words(record)
    if record.unit and record.value is not None:
        words = f"{words} {safe_text(unit_symbol(record.unit))}"
    if record.quality is not Quality.GOOD:
        words = f"{words} ({record.quality.value.replace('_', ' ')})"
    return f"{name}: {words}"


def value_words(record: Record) -> str:
    """Return the value as text, decimals in full."""
    value = record.value
    match value:
        case None:
            return "no value"
        case Decimal():
            return format(value, "f")
        case date() | time():
            return value.isoformat()
        case _:
            return safe_text(str(value))


def _between(plain: bytes, start: int, end: int, tail: tuple[int, int] | None) -> Iterator[Span]:
    """Name the bytes between records: runs of fillers, the manufacturer's tail, and what is left."""
    position = start
    while position < end:
        if tail is not None and tail[0] == position < tail[1] <= end:
            yield from _tail_spans(plain, *tail)
            position = tail[1]
            continue
        stop = end if tail is None or not position < tail[0] < end else tail[0]
        run = _run(plain, position, stop)
        yield _gap_span(plain, position, run)
        position = run


def _run(plain: bytes, start: int, end: int) -> int:
    """Return the end of the run of fillers at `start`, of the one readout request there, or else `end`."""
    if plain[start] == FILLER:
        position = start + 1
        while position < end and plain[position] == FILLER:
            position += 1
        return position
    return start + 1 if plain[start] == READOUT_REQUEST else end


def _gap_span(plain: bytes, start: int, end: int) -> Span:
    if plain[start] == FILLER:
        return Span(start, end, LAYER, "filler", "idle filler 2F", DIF_CLAUSE)
    if plain[start] == READOUT_REQUEST and end == start + 1:
        return Span(start, end, LAYER, "DIF", "global readout request 7F", DIF_CLAUSE)
    return Span(start, end, LAYER, UNDECODED, "not decoded")


def _tail_spans(plain: bytes, start: int, end: int) -> Iterator[Span]:
    words = "manufacturer specific data follow"
    if plain[start] == MANUFACTURER_DATA_MORE:
        words += ", more records in the next telegram"
    yield Span(start, start + 1, LAYER, "DIF", words, DIF_CLAUSE)
    if start + 1 < end:
        yield Span(start + 1, end, LAYER, "manufacturer data", "manufacturer specific", DIF_CLAUSE)
