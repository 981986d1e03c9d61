"""Records made up for the fields of the sheet of meter profiles, as the sheet's selectors describe them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Field = Mapping[str, Any]

FUNCTIONS = {"inst": 0, "max": 1, "min": 2, "error": 3, "any": 0}
_LENGTHS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 9: 1, 10: 2, 11: 3, 12: 4, 13: 4, 14: 6}
"""Bytes of data by the data field of the DIF; of text (13) a length byte and three characters."""

_INTEGER_32, _REAL, _FIRST_OF_DIGITS, _TEXT = 4, 5, 9, 13
_DATES = {"6C": bytes.fromhex("5E3B"), "6D": bytes.fromhex("1628543B")}
_PREFERRED = ("06", "13", "2B", "3B")
"""Of a range of VIFs one in common use."""

_NOT_IN_RECORDS = frozenset({"payload", "tpl_status", "derived", "bits"})
"""Selectors of fields that come from something else."""

NUMBER = 1234
DIGITS = bytes.fromhex("341200000000")
REAL = 12.5


@dataclass(frozen=True, slots=True)
class MadeRecord:
    """A record's header and data; `before` are records that stand in front of it."""

    header: bytes
    data: bytes
    before: int

    @property
    def raw(self) -> bytes:
        """The record behind as many of the same header, with other data."""
        return (self.header + bytes(len(self.data))) * self.before + self.header + self.data

    @property
    def number(self) -> Fraction:
        """What the data hold before any scale is applied."""
        coding = self.header[0] & 0x0F
        if coding == _REAL:
            return Fraction(REAL)
        if coding >= _FIRST_OF_DIGITS:
            return Fraction(int(self.data[::-1].hex()))
        return Fraction(int.from_bytes(self.data, "little"))

    def with_word(self, word: int) -> bytes | None:
        """The same header with a word of flags, None where it is too short for it."""
        size = len(self.data)
        return None if word >> 8 * size else self.header + word.to_bytes(size, "little")


def records_of(field: Field, *, three_byte_phases: bool) -> Iterator[MadeRecord]:
    """Records that the field's selector means: one for the first, second and last place of a range.

    `three_byte_phases` is for makers whose FF modifiers carry a byte more, FF 81 00 where the sheet says FF:01.
    """
    selector = field["selector"]
    if not _NOT_IN_RECORDS.isdisjoint(selector):
        return
    before = selector.get("occurrence", 1) - 1
    if "key" in selector:
        header = bytes.fromhex(selector["key"])
        if header[0] & 0x0F in _LENGTHS:
            yield MadeRecord(header, _data(header, selector["key"][-2:]), before)
        return
    for vif in _vifs(selector["vif"]):
        vib = _vib(vif, selector.get("vife", ()), three_byte_phases=three_byte_phases)
        for storage in _places(selector["storage"]):
            for tariff in _places(selector["tariff"]):
                for subunit in _places(selector["subunit"]):
                    coding = len(_DATES[vif]) if vif in _DATES else _INTEGER_32
                    first = coding | FUNCTIONS[selector["function"]] << 4
                    header = _dib(first, storage, tariff, subunit) + vib
                    yield MadeRecord(header, _data(header, vif), before)


def _places(place: int | list[int]) -> list[int]:
    if isinstance(place, int):
        return [place]
    first, last = place
    return sorted({first, min(first + 1, last), last})


def _vifs(ranges: list[str]) -> list[str]:
    """The ends of the first range, or one VIF that is in common use."""
    codes = [code for text in ranges for code in _range(text)]
    common = [code for code in _PREFERRED if code in codes]
    return common[:1] or sorted({codes[0], codes[-1]})


def _range(text: str) -> list[str]:
    first, _, last = text.partition("-")
    if not last:
        return [first]
    table = f"{first.partition(':')[0]}:" if ":" in first else ""
    numbers = (int(end.rpartition(":")[2], 16) for end in (first, last))
    return [f"{table}{code:02X}" for code in range(next(numbers), next(numbers) + 1)]


def _vib(vif: str, modifiers: list[Mapping[str, Any]], *, three_byte_phases: bool) -> bytes:
    chain = [int(part, 16) for part in vif.split(":")]
    for modifier in modifiers:
        # "any" and "synthetic" add no byte of their own.
        parts = [int(part, 16) for part in str(modifier.get("vife", "")).partition("-")[0].split(":") if part]
        phase = three_byte_phases and len(parts) > 1
        chain += [parts[0], parts[1] | 0x80, 0] if phase else parts
    return bytes((*(code | 0x80 for code in chain[:-1]), chain[-1]))


def _dib(first: int, storage: int, tariff: int, subunit: int) -> bytes:
    dif = first | (storage & 1) << 6
    storage >>= 1
    difes = []
    while storage or tariff or subunit:
        difes.append(storage & 0x0F | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    chain = [dif, *difes]
    return bytes((*(code | 0x80 for code in chain[:-1]), chain[-1]))


def _data(header: bytes, vif: str) -> bytes:
    coding = header[0] & 0x0F
    if vif in _DATES and coding == len(_DATES[vif]):
        return _DATES[vif]
    if coding == _TEXT:
        return b"\x03ABC"
    if coding == _REAL:
        return struct.pack("<f", REAL)
    size = _LENGTHS[coding]
    if coding >= _FIRST_OF_DIGITS:
        return DIGITS[:size]
    return (NUMBER if size > 1 else NUMBER & 0x3F).to_bytes(size, "little")
