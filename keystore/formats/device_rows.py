"""The named fields of one device into rows: one a key, or one that says why there is none; the same for every file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from keystore.errors import ImportReason, ImportRejected
from keystore.formats.batch import ImportRow, RowVerdict, quarantined
from keystore.formats.csv_cells import (
    dev_addr_cell,
    is_scientific,
    manufacturer_cell,
    medium_cell,
    serial_cell,
    version_cell,
)
from keystore.formats.csv_columns import Column, ColumnMeaning, KeyColumn
from keystore.formats.key_text import NO_KEY_WORDS, PAC_LENGTHS, key_from_text, looks_like_key, shown_text
from keystore.matching import RADIO_NUMBER, normal_eui
from keystore.model import KEY_LENGTHS, WMBUS_ROLES, KeyRecord, KeyRole, Ownership, Provenance
from protocols.text import safe_text

CLAIM_WORDS: Final = {
    Ownership.CLAIMED: frozenset({"claimed", "yes", "true", "1", "ja", "oui"}),
    Ownership.UNCLAIMED: frozenset({"unclaimed", "not claimed", "no", "false", "0", "nein", "non", "nej"}),
    Ownership.TRANSFERRED: frozenset({"transferred", "transferred away", "sent", "given away"}),
}
"""What a claim status may say."""

_TEXTS: Final = {
    Column.LABEL: "label",
    Column.TYPE: "meter_type",
    Column.TYPE_NUMBER: "type_number",
    Column.CONFIG_NUMBER: "config_number",
    Column.ORDER: "order",
    Column.BATCH_REFERENCE: "batch_reference",
    Column.OWNER: "owner",
    Column.TRANSFERRED_TO: "owner",
}
"""Columns that are kept as text, and the field of the record that holds them."""

_OWNERSHIPS: Final = {word: ownership for ownership, words in CLAIM_WORDS.items() for word in words}
_ROUNDED: Final = re.compile(r"[1-9][0-9]{10}(?!0000)[0-9]{4}0{17,}")
"""Decimal digits of which a spreadsheet has kept fifteen; with fewer before the zeros it is a simple key of a test."""

_MASKED: Final = re.compile(r"[*\u2022\u25cf]{3}")
_MISSING_WORDS: Final = frozenset({"n/a", "na", "n.a.", "k.a.", "#n/a", "null"})
_LINE_BREAKS: Final = re.compile(r"\s*[\r\n\t]+\s*")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RowRules:
    """How a format writes its serials.

    `padded`: a number of fewer than eight digits has lost its zeros (a radio address); otherwise a serial is free text
    of the maker. `thousands` is the separator that the portal's user has set: only that one is taken out then.
    `organisation` is who imports: a device that was transferred to anybody else is not his any more.
    """

    padded: bool = True
    thousands: str | None = None
    organisation: str | None = None


class RowReader:
    """Turns the fields of devices into rows, all from one source."""

    def __init__(self, source: Provenance, rules: RowRules | None = None) -> None:
        self._source = source
        self._rules = rules or RowRules()

    def rows(self, row: int, found: Mapping[ColumnMeaning, str]) -> list[ImportRow]:
        """Return the rows of one device; texts are clean of what a spreadsheet puts around them."""
        keys = [(column, text) for column, text in found.items() if text and isinstance(column, KeyColumn)]
        warnings: list[str] = []
        serial = found.get(Column.SERIAL, "")
        shown = shown_text(serial or found.get(Column.DEV_EUI, ""))
        try:
            fields = self._meter(row, found, shown if serial else "", keys, warnings)
        except ValueError as error:
            return [quarantined(row, shown, str(error), tuple(warnings), masked(found))]
        ownership = fields["ownership"]
        if ownership is Ownership.UNCLAIMED or (ownership is Ownership.TRANSFERRED and not keys):
            return [_listing(row, shown, fields, keys, tuple(warnings))]
        if not keys:
            return [quarantined(row, shown, "no key", tuple(warnings), masked(found))]
        notes = tuple(warnings)
        rows = [_key_row(row, shown, fields, column, text, notes) for column, text in keys]
        return [one if one.record else replace(one, said=masked(found)) for one in rows]

    def _meter(
        self,
        row: int,
        found: Mapping[ColumnMeaning, str],
        shown: str,
        keys: Sequence[tuple[KeyColumn, str]],
        warnings: list[str],
    ) -> dict[str, Any]:
        """Return the fields of a record but for its key; `ValueError` when the meter cannot be told."""
        serial = found.get(Column.SERIAL, "")
        if looks_like_key(serial):
            raise ValueError("the serial number looks like a key: check the columns")
        eui = found.get(Column.DEV_EUI)
        if eui and is_scientific(eui):
            raise ValueError("the DevEUI was turned into scientific notation: its digits are lost")
        dev_eui = normal_eui(eui) if eui else ""
        padded = self._rules.padded and any(column.role in WMBUS_ROLES for column, _ in keys)
        cell = serial_cell(serial, on_air=padded, thousands=self._rules.thousands)
        warnings.extend(cell.warnings)
        if not cell.number and not dev_eui:
            raise ValueError("the line names no meter")
        source = self._source
        fields: dict[str, Any] = {
            "number": cell.number if cell.number == shown else safe_text(cell.number),
            "manufacturer": _checked(found.get(Column.MANUFACTURER), manufacturer_cell, warnings) or cell.manufacturer,
            **_adapter(found.get(Column.ADAPTER), cell.number, warnings),
            "version": _checked(found.get(Column.VERSION), version_cell, warnings),
            "medium_code": _checked(found.get(Column.MEDIUM), medium_cell, warnings),
            "serial": shown,
            "dev_eui": dev_eui,
            "join_eui": _checked(found.get(Column.JOIN_EUI), normal_eui, warnings) or "",
            "dev_addr": _checked(found.get(Column.DEV_ADDR), dev_addr_cell, warnings) or "",
            "ownership": self._ownership(found),
            "source": Provenance(
                source.system,
                source.file_name,
                source.file_sha256,
                source.member,
                row,
                source.imported_at,
                source.signature,
                source.imported_by,
                source.signer,
            ),
        }
        for column, name in _TEXTS.items():
            text = found.get(column)
            if text:
                fields[name] = shown_text(_LINE_BREAKS.sub(" ", text))
        return fields

    def _ownership(self, found: Mapping[ColumnMeaning, str]) -> Ownership:
        holder = found.get(Column.TRANSFERRED_TO)
        if holder and self._rules.organisation and holder.casefold() != self._rules.organisation.casefold():
            return Ownership.TRANSFERRED
        status = found.get(Column.CLAIM_STATUS)
        return _OWNERSHIPS.get(status.casefold(), Ownership.UNKNOWN) if status else Ownership.UNKNOWN


def filled(rows: Iterator[ImportRow], thing: str) -> Iterator[ImportRow]:
    """Yield the rows; `ImportRejected` with EMPTY at the end when there was none."""
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise ImportRejected(ImportReason.EMPTY, f"{thing} names no device", "export the devices again")


def _checked(text: str | None, read_cell: Callable[[str], _T], warnings: list[str]) -> _T | None:
    """Return a cell's value, or None with a warning: a wrong hint must not keep a key out."""
    if not text:
        return None
    try:
        return read_cell(text)
    except ValueError as error:
        warnings.append(str(error))
        return None


def _adapter(text: str | None, number: str, warnings: list[str]) -> dict[str, str | None]:
    """Return the radio adapter that sends for a meter, nothing when the meter sends itself."""
    if not text or not any(c.isalnum() for c in text):
        return {}
    try:
        cell = serial_cell(text, on_air=True)
    except ValueError:
        cell = None
    if cell is None or not RADIO_NUMBER.fullmatch(cell.number):
        warnings.append("the radio adapter's number cannot be read: left out")
        return {}
    if cell.number == number:
        return {}
    return {"adapter": cell.number, "adapter_manufacturer": cell.manufacturer}


def masked(found: Mapping[ColumnMeaning, str]) -> str:
    """Return what a device's fields say, safe to show and to write down: of keys only how long they are."""
    shown = []
    for column, text in found.items():
        if isinstance(column, KeyColumn):
            shown.append(f"{column.role}={len(text)} characters" if text else f"{column.role}=")
        elif text:
            shown.append(f"{column}={shown_text(text)}")
    return "; ".join(shown)


def _listing(
    row: int, meter: str, fields: dict[str, Any], keys: Sequence[tuple[KeyColumn, str]], warnings: tuple[str, ...]
) -> ImportRow:
    """Return a device that the portal lists and whose key is not ours: filed so that this is known, without a key."""
    said = "not claimed" if fields["ownership"] is Ownership.UNCLAIMED else "transferred away"
    role = keys[0][0].role if keys else KeyRole.LORAWAN_APP_KEY if fields["dev_eui"] else KeyRole.WMBUS_DEK
    note = f"{said}: the text in its key column is not used" if keys else f"{said}: no key yet"
    record = KeyRecord(role=role, **fields)
    return ImportRow(row, RowVerdict.READY, record, meter, warnings=(*warnings, note))


def _key_row(
    row: int, meter: str, fields: dict[str, Any], column: KeyColumn, text: str, warnings: tuple[str, ...]
) -> ImportRow:
    role = column.role
    value = b""
    if text.casefold() not in NO_KEY_WORDS:
        try:
            value = _key(text, PAC_LENGTHS if role is KeyRole.SIGFOX_PAC else KEY_LENGTHS)
        except ValueError as error:
            return quarantined(row, meter, str(error), warnings)
        if len(value) == 8 and role is KeyRole.WMBUS_DEK:
            role = KeyRole.PRIOS64
    record = KeyRecord(role=role, role_detail=column.detail, value=value, no_key=not value, **fields)
    return ImportRow(row, RowVerdict.READY, record, meter, warnings=warnings)


def _key(text: str, lengths: tuple[int, ...]) -> bytes:
    if is_scientific(text):
        raise ValueError("the key was turned into scientific notation: its digits are lost")
    if text.endswith("0") and _ROUNDED.fullmatch(text):
        raise ValueError("the key was rounded to 15 digits by a spreadsheet: the others are lost")
    try:
        return key_from_text(text, lengths)
    except ValueError:
        if any(c.isalnum() for c in text) and text.casefold() not in _MISSING_WORDS:
            raise
        raise ValueError("the key is masked: export it in clear" if _MASKED.search(text) else "no key") from None
