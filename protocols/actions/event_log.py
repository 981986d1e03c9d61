"""The meter's event log as the answer to its command: CI 78 and three records an event, the newest first.

Storage number n (from 1) of each: time (`06 6D`, type I), kind (`01 FF 11`) and words (`0D FF 12`). The kinds and both
VIF FF are the simulated meter's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from protocols.errors import BadField
from protocols.mbus.encode import Encodable, encode_header, encode_record
from protocols.mbus.records import parse_records
from protocols.text import safe_text, text_from_bytes

LAYER: Final = "event log"
CI_RECORDS: Final = 0x78
MOST_EVENTS: Final = 32
"""In one answer: what fits 64 fragments of a radio link."""
LONGEST_WORDS: Final = 80
_TIME: Final = bytes((0x6D,))
_KIND: Final = bytes((0xFF, 0x11))
_WORDS: Final = bytes((0xFF, 0x12))
_FIELDS: Final = ((0x06, _TIME), (0x01, _KIND), (0x0D, _WORDS))


class EventKind(IntEnum):
    """What happened."""

    GRANTED = 1
    REFUSED = 2
    ALARM = 3
    TEST_MODE_ENDED = 4
    LOCKED = 5
    LIST_TAKEN = 6


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event: when by the meter's clock (UTC, to the second), what, and words (ASCII, at most 80)."""

    at: datetime
    kind: EventKind
    words: str


def encode_events(events: Sequence[LoggedEvent]) -> bytes:
    """Return the answer's application bytes; `ValueError` for too many events or words that do not fit."""
    if len(events) > MOST_EVENTS:
        raise ValueError(f"an answer holds at most {MOST_EVENTS} events")
    answer = bytearray((CI_RECORDS,))
    for storage, event in enumerate(events, 1):
        if len(event.words) > LONGEST_WORDS or not event.words.isascii():
            raise ValueError(f"an event's words are at most {LONGEST_WORDS} ASCII characters")
        values: tuple[Encodable, ...] = (
            event.at.astimezone(UTC).replace(tzinfo=None, microsecond=0),
            int(event.kind),
            event.words.encode("latin-1")[::-1],
        )
        for (data_field, vif), value in zip(_FIELDS, values, strict=True):
            answer += encode_record(encode_header(data_field, vif, storage=storage), value)
    return bytes(answer)


def parse_events(reply: bytes) -> tuple[LoggedEvent, ...]:
    """Return the events of an answer; raises a `ProtocolError` for anything else than one."""
    if not reply or reply[0] != CI_RECORDS:
        raise BadField("the answer is not an event log", layer=LAYER, offset=0)
    parsed = parse_records(reply, 1, len(reply))
    if parsed.problem is not None:
        raise parsed.problem
    records = parsed.records
    if len(records) % len(_FIELDS) or len(records) > MOST_EVENTS * len(_FIELDS) or parsed.tail is not None:
        raise BadField("the event log is not whole", layer=LAYER, offset=len(reply))
    events = []
    for storage, at in enumerate(range(0, len(records), len(_FIELDS)), 1):
        row = records[at : at + len(_FIELDS)]
        expected = [encode_header(data_field, vif, storage=storage) for data_field, vif in _FIELDS]
        time, kind = row[0].value, row[1].value
        if [one.header for one in row] != expected or not isinstance(time, datetime) or kind not in set(EventKind):
            raise BadField(f"event {storage} of the log cannot be read", layer=LAYER, offset=row[0].start)
        words = safe_text(text_from_bytes(row[2].data[1:][::-1]), LONGEST_WORDS)
        events.append(LoggedEvent(time.replace(tzinfo=UTC), EventKind(int(row[1].data[0])), words))
    return tuple(events)
