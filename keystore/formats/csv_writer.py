"""Key tables out: one line a meter, cells that a spreadsheet neither changes nor runs.

The columns are our own, since no portal's list is public: those of a key management portal, the manufacturer, and one
for each further role.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Final

from keystore.formats.csv_columns import header_of
from keystore.model import KeyRecord, KeyRole

NO_KEY: Final = "NOKEY"

_FIXED_HEADERS: Final = (
    *("Serial number", "Manufacturer", "Device type", "Claim status", "Label", "Batch reference"),
    *("DevEUI", "JoinEUI"),
)
_ALWAYS_KEYS: Final = ((KeyRole.LORAWAN_APP_KEY, ""), (KeyRole.WMBUS_DEK, ""))
_FORMULA_BEGINNINGS: Final = tuple("=+-@\t\r")
_ALWAYS_QUOTED: Final = frozenset({"Serial number", "DevEUI", "JoinEUI"})


def write(records: Iterable[KeyRecord], *, delimiter: str = ";", bom: bool = False) -> bytes:
    """Return the table in UTF-8 with CRLF line ends.

    Identifiers and keys are always quoted; a text that a spreadsheet would run as a formula gets an apostrophe before
    it. A meter with two keys of one role takes two lines.
    """
    lines: list[tuple[KeyRecord, dict[tuple[KeyRole, str], KeyRecord]]] = []
    open_lines: dict[tuple[str | None, str, str], dict[tuple[KeyRole, str], KeyRecord]] = {}
    roles = dict.fromkeys(_ALWAYS_KEYS)
    for record in records:
        meter, role = (record.manufacturer, record.number, record.dev_eui), (record.role, record.role_detail)
        roles.setdefault(role)
        line = open_lines.get(meter)
        if line is None or role in line:
            line = open_lines[meter] = {}
            lines.append((record, line))
        line[role] = record
    headers = (*_FIXED_HEADERS, *(header_of(*role) for role in roles))
    text = [delimiter.join(_cell(header, delimiter, quote=False) for header in headers)]
    text += [_line(record, [line.get(role) for role in roles], delimiter) for record, line in lines]
    return (codecs.BOM_UTF8 if bom else b"") + "".join(f"{line}\r\n" for line in text).encode()


def _line(meter: KeyRecord, keys: list[KeyRecord | None], delimiter: str) -> str:
    fixed = (
        *(meter.serial or meter.number, meter.manufacturer or "", meter.meter_type, "claimed", meter.label),
        *(meter.batch_reference, meter.dev_eui, meter.join_eui),
    )
    cells = [
        _cell(text, delimiter, quote=header in _ALWAYS_QUOTED)
        for header, text in zip(_FIXED_HEADERS, fixed, strict=True)
    ]
    cells += [_cell(_key_text(record), delimiter, quote=record is not None) for record in keys]
    return delimiter.join(cells)


def _key_text(record: KeyRecord | None) -> str:
    if record is None:
        return ""
    return NO_KEY if record.no_key else record.value.hex().upper()


def _cell(text: str, delimiter: str, *, quote: bool) -> str:
    if text.startswith(_FORMULA_BEGINNINGS):
        text = f"'{text}"
    if quote or any(c in text for c in f'"\r\n{delimiter}'):
        return '"' + text.replace('"', '""') + '"'
    return text
