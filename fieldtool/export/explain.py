"""A telegram explained: the verdict ladder, then every byte of the frame once, by layer and record."""

from __future__ import annotations

from collections.abc import Iterator

from fieldtool.export.explain_layout import Layout
from fieldtool.export.lines import ALARM_GLYPH, RUNG_GLYPHS, measured_text, meter_text, outcome_text, sender_text
from protocols.lorawan.facts import LorawanFacts
from protocols.model import Finding, Reading, Record, Span, Status, Telegram
from protocols.plausibility.findings import NEXT
from protocols.text import safe_text

_MARKS = {"as received": " ", "decrypted": "*", "encrypted": "#"}
"""What stands before the bytes of a leaf."""

_ENCRYPTED_LAYER = "encrypted"


def explain(telegram: Telegram, width: int | None = None) -> str:
    """Return the explanation as text of many lines, safe to print whatever the telegram holds.

    `width` is that of the terminal: what is longer goes on below, and nothing is left out. Without it lines are as long
    as what they say, one line a field of up to twelve bytes.
    """
    names = (len(safe_text(span.name)) for layer in telegram.layers for span in layer.spans(telegram.plain))
    return "\n".join(_lines(telegram, Layout.of(width, max(names, default=0))))


def summary(telegram: Telegram) -> str:
    """Return outcome, problem with the next step, and readings: what `decode` prints when nothing else is asked."""
    lines = [_headline(telegram)]
    if telegram.problem is not None:
        lines.append(f"  {safe_text(telegram.problem)}")
        steps = dict.fromkeys(step.next for step in telegram.verdict if step.next is not None)
        lines.extend(f"  next: {safe_text(step)}" for step in steps)
    for finding in telegram.findings:
        lines.append(f"  {_finding_mark(finding)} {_finding(finding)}")
        if finding.kind in NEXT:
            lines.append(f"    next: {NEXT[finding.kind]}")
    if telegram.status is not None and telegram.status.flags:
        lines.append(f"  {ALARM_GLYPH} {_status(telegram.status)}")
    if telegram.problem is None:
        lines.extend(f"  ! {safe_text(note)}" for note in telegram.notes)
    lines.extend(map(_reading, telegram.readings))
    return "\n".join(lines)


def _lines(telegram: Telegram, layout: Layout) -> Iterator[str]:
    yield from layout.hang("", _headline(telegram))
    if telegram.problem is not None:
        yield from layout.hang("  ", safe_text(telegram.problem))
    yield ""
    yield "verdict"
    for step in telegram.verdict:
        detail = safe_text(step.detail) or step.state.replace("_", " ")
        yield from layout.hang(f"  {RUNG_GLYPHS[step.state]} {step.rung:13}", detail)
        if step.next is not None:
            yield from layout.hang(f"  {'':15}next: ", safe_text(step.next))
    for note in telegram.notes:
        yield from layout.hang(f"  ! {'note':13}", safe_text(note))
    for finding in telegram.findings:
        yield from layout.hang(f"  {_finding_mark(finding)} {'finding':13}", _finding(finding))
    if telegram.readings:
        yield ""
        yield f"readings{f' ({safe_text(telegram.profile)})' if telegram.profile else ''}"
        for reading in telegram.readings:
            yield from layout.hang(*_reading_parts(reading))
    yield ""
    yield from layout.hang("", f"bytes ({len(telegram.data)}; * decrypted, # still encrypted)")
    yield from _tree(telegram, layout)


def _headline(telegram: Telegram) -> str:
    address = telegram.identity or telegram.meter
    parts = [outcome_text(telegram.outcome), sender_text(telegram)]
    if address is not None:
        parts.append(f"{safe_text(address.medium)}, version {address.version}")
    if telegram.link_address is not None:
        parts.append(f"sent through {meter_text(telegram.link_address)}")
    if telegram.lorawan is not None:
        parts.append(_lorawan(telegram.lorawan))
    elif telegram.ok and not telegram.readings and telegram.message is not None:
        parts.append(safe_text(telegram.message))
    return "  ".join(parts)


def _lorawan(facts: LorawanFacts) -> str:
    """What kind of LoRaWAN message it is, where from, with which counter."""
    address = facts.dev_addr and f"DevAddr {facts.dev_addr}"
    counter = None if facts.fcnt is None else f"counter {facts.fcnt}"
    port = None if facts.fport is None else f"FPort {facts.fport}"
    return ", ".join(part for part in (facts.mtype, address, counter, port) if part)


def _status(status: Status) -> str:
    """Flags by name, and the status byte as it was sent."""
    raw = "" if status.raw is None else f"  (status {status.raw:02X})"
    return f"{safe_text(', '.join(status.flags))}{raw}"


def _finding(finding: Finding) -> str:
    return f"{finding.kind.replace('_', ' ')}: {safe_text(finding.detail)}"


def _finding_mark(finding: Finding) -> str:
    return ALARM_GLYPH if finding.kind in NEXT else "!"


def _reading(reading: Reading) -> str:
    return "".join(_reading_parts(reading))


def _reading_parts(reading: Reading) -> tuple[str, str]:
    """Name, and value with what sets it apart."""
    place = [
        f"{word} {number}"
        for word, number in (("storage", reading.storage), ("tariff", reading.tariff), ("subunit", reading.subunit))
        if number
    ]
    if reading.function != "instantaneous":
        place.insert(0, str(reading.function))
    detail = f"  ({', '.join(place)})" if place else ""
    return f"  {safe_text(reading.name):31} ", f"{measured_text(reading)}{detail}"


def _tree(telegram: Telegram, layout: Layout) -> Iterator[str]:
    decrypted = _decrypted_region(telegram)
    record: int | None = None
    for layer in telegram.layers:
        spans = layer.spans(telegram.plain)
        if not spans:
            continue
        yield f"  {safe_text(layer.name)}"
        for span in spans:
            if span.record is not None and span.record != record:
                yield from layout.hang("    ", f"record {span.record}{_record_title(telegram.records, span.record)}")
            record = span.record
            yield from _leaf(telegram, span, decrypted, layout)


def _leaf(telegram: Telegram, span: Span, decrypted: range, layout: Layout) -> Iterator[str]:
    indent = "      " if span.record is not None else "    "
    if span.layer == _ENCRYPTED_LAYER:
        mark = _MARKS["encrypted"]
    else:
        mark = _MARKS["decrypted" if span.start in decrypted else "as received"]
    clause = layout.whole(f"[{safe_text(span.clause)}]") if span.clause else ""
    heads = []
    for start in range(span.start, span.end, layout.bytes_a_line):
        run = telegram.plain[start : min(start + layout.bytes_a_line, span.end)].hex(" ").upper()
        name = safe_text(span.name) if start == span.start else ""
        heads.append(
            f"{indent}{start:04X} {mark}{run:{layout.hex_width + 6 - len(indent)}}  {name:{layout.name_width}} "
        )
    yield from layout.beside(heads, f"{safe_text(span.meaning)}  {clause}")


def _record_title(records: tuple[Record, ...], index: int) -> str:
    return f": {safe_text(records[index].quantity)}" if index < len(records) else ""


def _decrypted_region(telegram: Telegram) -> range:
    """From the first to the last byte that decryption changed; a byte may by chance decrypt to itself."""
    changed = [i for i, (a, b) in enumerate(zip(telegram.data, telegram.plain, strict=True)) if a != b]
    return range(changed[0], changed[-1] + 1) if changed else range(0)
