"""`fieldtool keys list` and `find`: which keys there are, shown by check value only."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from fieldtool.access import choose_store, open_store
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.exit_codes import ExitCode
from keystore.model import KeyRecord
from protocols.text import safe_text


def _configure_list(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object a key")


def _list(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        count = _show(vault.records(), as_json=arguments.json)
    output.talk(f"{count} keys")
    return ExitCode.OK


def _configure_find(parser: ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number, printed serial or DevEUI, in any spelling")
    parser.add_argument("--json", action="store_true", help="print one JSON object a key")


def _find(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        count = _show(vault.find(arguments.number), as_json=arguments.json)
    if not count:
        output.talk(f"no key is filed for {safe_text(arguments.number)}; import it with `fieldtool keys import`")
        return ExitCode.SOME_FAILED
    return ExitCode.OK


def _show(records: Iterable[KeyRecord], *, as_json: bool) -> int:
    count = 0
    for record in records:
        count += 1
        output.data(json.dumps(_facts(record)) if as_json else _line(record))
    return count


def _line(record: KeyRecord) -> str:
    check_value = "no key" if record.no_key else record.key_check_value
    cells = (
        f"{safe_text(record.meter_text):24}",
        f"{safe_text(record.role_text):12}",
        f"{check_value:6}",
        f"{record.status:10}",
        f"{safe_text(record.label or record.meter_type):20}",
        safe_text(record.source.file_name),
    )
    return "  ".join(cells).rstrip()


def _facts(record: KeyRecord) -> dict[str, object]:
    imported_at = record.source.imported_at
    return {
        "number": record.number,
        "manufacturer": record.manufacturer,
        "role": record.role_text,
        "key_check_value": record.key_check_value or None,
        "no_key": record.no_key,
        "status": str(record.status),
        "label": record.label,
        "meter_type": record.meter_type,
        "file": record.source.file_name,
        "row": record.source.row,
        "imported_at": None if imported_at is None else f"{imported_at:%Y-%m-%dT%H:%M:%SZ}",
    }


LIST = Command(_configure_list, _list)
FIND = Command(_configure_find, _find)
