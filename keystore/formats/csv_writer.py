"""Key tables out: one line a meter, cells that a spreadsheet neither changes nor runs.

The columns are our own, since no portal's list is public: those of a key management portal, the manufacturer, one for
each further role, and whatever else is known of any of the meters.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from typing import Final

from keystore.formats.csv_columns import header_of
from keystore.formats.key_text import written_key
from keystore.formats.table_writer import table_line
from keystore.model import KeyRecord, KeyRole, Ownership

_Texts = dict[str, Callable[[KeyRecord], str]]

_ALWAYS: Final[_Texts] = {
    "Serial number": lambda record: _serial_text(record),
    "Manufacturer": lambda record: record.manufacturer or "",
    "Device type": lambda record: record.meter_type,
    "Claim status": lambda record: _claim_text(record),
    "Label": lambda record: record.label,
    "Batch reference": lambda record: record.batch_reference,
    "DevEUI": lambda record: record.dev_eui,
    "JoinEUI": lambda record: record.join_eui,
}
"""The columns of every table."""

_SOMETIMES: Final[_Texts] = {
    "DevAddr": lambda record: record.dev_addr,
    "Radio adapter": lambda record: _adapter_text(record),
    "Version": lambda record: _number(record.version),
    "Medium": lambda record: _number(record.medium_code),
    "Type number": lambda record: record.type_number,
    "Config number": lambda record: record.config_number,
    "Order": lambda record: record.order,
    "Owner": lambda record: record.owner,
}
"""Columns that a table has when any of its meters has something for them."""

_ALWAYS_KEYS: Final = ((KeyRole.LORAWAN_APP_KEY, ""), (KeyRole.WMBUS_DEK, ""))
_QUOTED: Final = frozenset(
    index for index, header in enumerate(_ALWAYS) if header in {"Serial number", "DevEUI", "JoinEUI"}
)


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
    texts = {**_ALWAYS, **{name: get for name, get in _SOMETIMES.items() if any(get(record) for record, _ in lines)}}
    headers = (*texts, *(header_of(*role) for role in roles))
    out = [table_line(headers, delimiter)]
    for record, line in lines:
        keys = [line.get(role) for role in roles]
        filled = {len(texts) + index for index, key in enumerate(keys) if key is not None}
        cells = (*(get(record) for get in texts.values()), *(_key_text(key) for key in keys))
        out.append(table_line(cells, delimiter, _QUOTED | filled))
    return (codecs.BOM_UTF8 if bom else b"") + "".join(out).encode()


def _serial_text(record: KeyRecord) -> str:
    """Return the number on the air where there is one: a printed serial may have lost its zeros."""
    return record.number.upper() if record.is_radio_number else record.serial or record.number


def _adapter_text(record: KeyRecord) -> str:
    """Return the number of the radio adapter, its maker before it where the digits let it be told from them."""
    maker = record.adapter_manufacturer if record.adapter.isdigit() else None
    return f"{maker or ''}{record.adapter.upper()}"


def _claim_text(record: KeyRecord) -> str:
    """Return whose a meter is; nothing where nobody has said."""
    return "" if record.ownership is Ownership.UNKNOWN else str(record.ownership)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _key_text(record: KeyRecord | None) -> str:
    return "" if record is None else written_key(record)
