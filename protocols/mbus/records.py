"""The application layer's records: one pass that keeps what came before any damage (EN 13757-3, 6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.errors import BadField, ProtocolError
from protocols.mbus.compact_profiles import expand_profiles
from protocols.mbus.header import LAYER, RecordHeader, header_end, interpret
from protocols.mbus.tables import FILLER, MANUFACTURER_DATA, MANUFACTURER_DATA_MORE, READOUT_REQUEST
from protocols.mbus.values import data_end, decode_value
from protocols.model import Record
from protocols.plural import counted

PADDING = 0xFF
"""Erased memory after the last record, as some meters send it; no record begins like this."""


@dataclass(frozen=True, slots=True)
class ParsedRecords:
    """What a run of bytes holds.

    `tail` is the manufacturer's data, DIF 0F or 1F included, as (start, end). `more_follows` says that the meter has
    more records for the next telegram (DIF 1F). `problem` stopped the pass at `stopped_at`, the start of what could
    not be decoded; without a problem everything up to `stopped_at` was. `notes` are oddities that stopped nothing.
    """

    records: tuple[Record, ...]
    tail: tuple[int, int] | None
    more_follows: bool
    problem: ProtocolError | None
    stopped_at: int
    notes: tuple[str, ...]


def make_record(index: int, header: RecordHeader, data: bytes, start: int, data_start: int) -> Record:
    """Build a record from its parsed header and its data bytes (LVAR byte included) at `data_start`."""
    value, quality = decode_value(header, data)
    return Record(
        index,
        start,
        data_start,
        data_start + len(data),
        header.raw,
        data,
        header.quantity,
        "" if header.profile is not None else header.unit,
        value,
        quality,
        header.function,
        header.storage,
        header.tariff,
        header.subunit,
        header.modifiers,
    )


def parse_records(data: bytes, start: int, end: int, *, downlink: bool = False) -> ParsedRecords:
    """Decode the records in `data[start:end]`; never raises, always ends.

    Compact profiles are spread out into further records after the transmitted ones. `downlink` takes VIFEs 00-0F as
    object actions, as meters must.
    """
    end = min(end, len(data))
    records: list[Record] = []
    notes: list[str] = []
    tail: tuple[int, int] | None = None
    problem: ProtocolError | None = None
    position = start
    filled = False
    try:
        while position < end:
            dif = data[position]
            if dif & 0x0F != 0x0F:
                data_start = header_end(data, position, end)
                header = interpret(data[position:data_start], downlink=downlink)
                record_end = data_end(header, data, data_start, end)
                records.append(make_record(len(records), header, data[data_start:record_end], position, data_start))
                position = record_end
                filled = False
            elif dif == FILLER:
                filled = True
                position += 1
            elif dif in (MANUFACTURER_DATA, MANUFACTURER_DATA_MORE):
                tail = (position, end)
                break
            elif dif == READOUT_REQUEST:
                notes.append("global readout request (DIF 7F)")
                position += 1
            else:
                notes.append(_padding(data, position, end, behind_records=bool(records)))
                break
    except ProtocolError as error:
        problem = error
    if problem is not None and records and filled:
        # Some meters let bytes of their own follow the fillers; a damaged record does not come after the end.
        notes.append(_behind_fillers(end - position))
        problem = None
    expanded, profile_notes = expand_profiles(records)
    return ParsedRecords(
        records=(*records, *expanded),
        tail=tail,
        more_follows=tail is not None and data[tail[0]] == MANUFACTURER_DATA_MORE,
        problem=problem,
        stopped_at=end if tail is not None else position,
        notes=(*notes, *profile_notes),
    )


def _padding(data: bytes, start: int, end: int, *, behind_records: bool) -> str:
    """Return the note on erased memory at `start`; raises `BadField` when it is a reserved DIF instead."""
    if behind_records and data.count(PADDING, start, end) == end - start:
        return f"{counted(end - start, 'byte')} FF after the last record"
    raise BadField(f"reserved DIF {data[start]:02X}", layer=LAYER, offset=start)


def _behind_fillers(size: int) -> str:
    return f"{counted(size, 'byte')} after the idle fillers {'is not a record' if size == 1 else 'are not records'}"


def transmitted(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records that stand in the message themselves, without those spread out from profiles."""
    return tuple(record for record in records if record.expanded_from is None)
