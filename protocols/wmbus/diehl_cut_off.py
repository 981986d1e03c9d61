"""Diehl real data that end too early: their check byte covers what is missing, so only records can prove anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from protocols.decoding import Decoding
from protocols.errors import Truncated
from protocols.mbus.records import ParsedRecords, parse_records
from protocols.model import Function, Key, Quality, Record, Rung
from protocols.plural import counted
from protocols.wmbus.security.diehl import SCRAMBLED_FROM, descramble
from protocols.wmbus.security.model import Opened

_TOTALS: Final = frozenset({"volume", "energy"})
_TOTAL_SIZE: Final = 4
"""Bytes of a total, or more; an error state is none."""

_PLAIN_HEADER: Final = 2
_LONGEST_HEADER: Final = 4
_MOST_STORAGES: Final = 32
_MOST_TARIFFS: Final = 4
_ENOUGH: Final = 2


@dataclass(frozen=True, slots=True)
class CutOff:
    """Real data that end too early: the key that they are scrambled with (None: not at all), and what is left.

    `why` says how that is known.
    """

    key: Key | None
    opened: Opened
    why: str


def missing_text(decoding: Decoding) -> str:
    """Say how many bytes the L field counts beyond those that came well, and what for; empty when none."""
    missing = decoding.data[0] + 1 - decoding.size
    if missing <= 0 or not decoding.ladder.failed_at(Rung.FRAME):
        return ""
    are = "is" if missing == 1 else "are"
    # Behind what is good, a frame with CRCs keeps a damaged block as received.
    lost = "missing" if len(decoding.data) == decoding.size else "missing or damaged"
    return f"the check byte cannot be compared: it covers {counted(missing, 'byte')} that {are} {lost}"


def cut_off(decoding: Decoding, keys: Sequence[Key]) -> CutOff | None:
    """Find out whether real data end too early, and are surely records, in the clear or under one of the keys.

    Where the L field fits, bytes were cut off by somebody who changed it: that is believed only of a payload in the
    clear that ends inside a record.
    """
    data = decoding.plain[: decoding.size]
    missing = missing_text(decoding)
    parsed = _surely_records(data[SCRAMBLED_FROM:])
    if parsed is not None and (missing or parsed.problem is not None):
        why = missing or f"the payload is not scrambled, but cut off: {parsed.problem}"
        return CutOff(None, Opened(SCRAMBLED_FROM, data[SCRAMBLED_FROM:], why), why)
    for key in keys if missing else ():
        plaintext = descramble(data, key.value)
        if _surely_records(plaintext) is not None:
            return CutOff(key, Opened(SCRAMBLED_FROM, plaintext, missing), missing)
    return None


def _surely_records(payload: bytes) -> ParsedRecords | None:
    """The records of a payload that begins with a total and goes on with a value, all without oddities.

    Of random payloads one in 20,000 passes, or fewer.
    """
    parsed = parse_records(payload, 0, len(payload))
    ended = parsed.problem is None or isinstance(parsed.problem, Truncated)
    if (
        not ended
        or parsed.tail is not None
        or len(parsed.records) < _ENOUGH
        or not all(map(_is_common, parsed.records))
    ):
        return None
    first = parsed.records[0]
    plain = len(first.header) == _PLAIN_HEADER and first.storage == 0 and first.function is Function.INSTANTANEOUS
    total = first.value if plain and first.quantity in _TOTALS and len(first.data) >= _TOTAL_SIZE else None
    return parsed if isinstance(total, Decimal) and total >= 0 else None


def _is_common(record: Record) -> bool:
    return (
        record.quality is Quality.GOOD
        and record.value is not None
        and len(record.header) <= _LONGEST_HEADER
        and record.storage < _MOST_STORAGES
        and record.tariff < _MOST_TARIFFS
        and not record.modifiers
    )
