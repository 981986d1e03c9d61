"""What speaks against a payload although it could be read: records that the meter never sends, an impossible clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protocols.errors import BadField, ProtocolError
from protocols.lorawan.meters.model import LoraMeter, Never
from protocols.model import Record, Value

DAYS_OF_YEAR = 365.25
FIRST_YEAR, LAST_YEAR = 2000, 2060
"""Clocks outside are not believed even when the time of reception is not known."""


def refused(meter: LoraMeter, records: Sequence[Record]) -> ProtocolError | None:
    """Why records cannot be of this meter, None when they may be."""
    for record in records:
        found = _never_sent(record)
        if found is not None and found in meter.never:
            words = str(found).replace("_", " ")
            return BadField(f"record {record.source} ({words}) is nothing that this meter sends", layer="records",
                            offset=record.start)  # fmt: skip
    return None


_VARIABLE, _INTEGER_8 = 0x0D, 0x07
_LAST_TEXT_LENGTH = 0xBF


def _never_sent(record: Record) -> Never | None:
    if not record.header or record.expanded_from is not None:
        return None
    field = record.header[0] & 0x0F
    if field == _INTEGER_8:
        return Never.INTEGER_8
    if field != _VARIABLE or not record.data:
        return None
    if "inverse_compact_profile" in record.modifiers:
        return Never.ABSOLUTE_PROFILE if len(record.data) > 1 and record.data[1] >> 6 == 0 else None
    return Never.TEXT if record.data[0] <= _LAST_TEXT_LENGTH else None


def clock_is_far(moment: Value, received_at: datetime | None, years: int) -> bool:
    """Whether a meter's clock is further from reception than `years`, or outside of all years; True when it is none."""
    if not isinstance(moment, datetime):
        return True
    if received_at is not None and moment.tzinfo is not None:
        return abs((moment - received_at).days) > years * DAYS_OF_YEAR
    return not FIRST_YEAR <= moment.year <= LAST_YEAR


def clock_problem(meter: LoraMeter, records: Sequence[Record], received_at: datetime | None) -> ProtocolError | None:
    """Why the first clock of the records cannot be true, None when it may be."""
    years = meter.clock_tolerance_years
    clock = next((r for r in records if isinstance(r.value, datetime)), None) if years is not None else None
    if clock is None or years is None or not isinstance(clock.value, datetime):
        return None
    moment = clock.value
    if not clock_is_far(moment, received_at, years):
        return None
    return BadField(f"the meter's clock says {moment:%Y-%m-%d}: the payload is damaged", layer="records",
                    offset=clock.start)  # fmt: skip
