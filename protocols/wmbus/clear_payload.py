"""Whether a payload under a security mode that nothing here opens lies in the clear (EN 13757-7, 7.6)."""

from __future__ import annotations

from protocols.decoding import Decoding
from protocols.mbus.records import ParsedRecords, parse_records
from protocols.mbus.wired import LAYER as WIRED_LAYER
from protocols.model import Quality, Record
from protocols.wmbus.security.model import CHECK_BYTES
from protocols.wmbus.transport import TransportLayer

_VALUES = frozenset({Quality.GOOD, Quality.ERROR_STATE})

_MANY = 5
"""Records that make sense, if few others do not: real meters leave dates unset and qualify values in their own way."""

_NO_QUANTITIES = frozenset({"reserved", "any"})

_ODD_MODIFIERS = ("reserved", "record_error", "manufacturer")
"""Beginnings of what meters in the field rarely send and random bytes often hold."""

_MOST_STORAGES = 1 << 13
_MOST_TARIFFS = 1 << 4
_MOST_SUBUNITS = 1 << 4
"""Three DIFEs' worth: no meter has more."""


def reads_as_records(decoding: Decoding, transport: TransportLayer) -> bool:
    """Whether the payload is a list of records as it stands; so is one in ten payloads of random bytes."""
    return _read(decoding, transport) is not None


def surely_in_clear(decoding: Decoding, transport: TransportLayer) -> bool:
    """Whether a payload under a reserved mode is in the clear: by its check bytes, or by records that all make sense.

    Where many do, a few that do not, and bytes of the maker's own after them, are no doubt. Of random payloads one in
    some hundred passes when it is as short as one block, one in a thousand else. A wire is not encrypted: where old
    wired meters have bytes of their own in place of a mode, records are enough.
    """
    parsed = _read(decoding, transport)
    if parsed is None:
        return False
    if decoding.layers[0].name == WIRED_LAYER or decoding.plain.startswith(CHECK_BYTES, transport.end):
        return True
    sensible, records = sum(map(_makes_sense, parsed.records)), len(parsed.records)
    return (sensible == records and parsed.tail is None) or (sensible >= _MANY and 4 * sensible >= 3 * records)


def _read(decoding: Decoding, transport: TransportLayer) -> ParsedRecords | None:
    parsed = parse_records(decoding.plain, transport.end, decoding.size)
    return parsed if parsed.records and parsed.problem is None else None


def _makes_sense(record: Record) -> bool:
    return (
        record.quality in _VALUES
        and record.value is not None
        and record.quantity not in _NO_QUANTITIES
        and not (isinstance(record.value, str) and record.unit)
        and not any(modifier.startswith(_ODD_MODIFIERS) for modifier in record.modifiers)
        and record.storage < _MOST_STORAGES
        and record.tariff < _MOST_TARIFFS
        and record.subunit < _MOST_SUBUNITS
    )
