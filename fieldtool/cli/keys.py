"""`fieldtool keys list|find|show`: which keys there are, shown by check value."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence

from fieldtool.access import choose_store, open_store
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.question import ask_yes, can_ask
from fieldtool.errors import AccessError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.key_text import change_text, key_details, key_facts, key_line
from keystore.audit import AuditAction
from keystore.key_change import KeyChange
from keystore.model import KeyRecord, Ownership
from keystore.vault import Vault
from protocols.plural import counted
from protocols.text import safe_text


def _configure_list(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per key")
    parser.add_argument(
        "--search", metavar="TEXT", help="only keys whose number, label, order, batch or owner contains this"
    )
    parser.add_argument(
        "--ownership", choices=[str(one) for one in Ownership], help="only keys of meters with this ownership"
    )


def _list(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        records = vault.records() if arguments.search is None else vault.search(arguments.search)
        wanted = (one for one in records if arguments.ownership in (None, str(one.ownership)))
        changes = vault.key_changes.pending()
        count = _show(wanted, changes, as_json=arguments.json)
    _tell_open(changes)
    output.talk(counted(count, "key"))
    return ExitCode.OK


def _configure_find(parser: ArgumentParser) -> None:
    parser.add_argument(
        "number", metavar="NUMBER", help="number, printed serial or DevEUI, in any spelling, or a part of it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per key")


def _find(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        records = vault.find(arguments.number) or list(vault.search(arguments.number))
        numbers = {record.number for record in records}
        changes = [one for one in vault.key_changes.pending() if one.address.number in numbers]
        count = _show(records, changes, as_json=arguments.json)
    if not count:
        return _nothing(arguments.number)
    _tell_open(changes)
    return ExitCode.OK


def _configure_show(parser: ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number, printed serial or DevEUI, in any spelling")
    parser.add_argument(
        "--reveal", action="store_true", help="show the keys themselves; asks first, and is recorded in the audit log"
    )
    parser.add_argument("--yes", action="store_true", help="reveal without asking")
    parser.add_argument("--json", action="store_true", help="print one JSON object per key")


def _show_one(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        records = vault.find(arguments.number)
        if not records:
            return _nothing(arguments.number)
        reveal = arguments.reveal and _may_reveal(vault, records, asked=not arguments.yes)
        for record in records:
            _print_one(record, reveal=reveal, as_json=arguments.json)
    return ExitCode.OK if reveal or not arguments.reveal else ExitCode.SOME_FAILED


def _may_reveal(vault: Vault, records: list[KeyRecord], *, asked: bool) -> bool:
    """Ask, and write down that keys are shown before they are; raises `AccessError` when nobody can be asked."""
    keys = [record for record in records if record.has_key]
    if asked:
        if not can_ask():
            raise AccessError("keys are shown only after a question, and there is no terminal", "give --yes")
        what = f"{counted(len(keys), 'key')} of {records[0].meter_text}"
        if not ask_yes(f"show {what} in clear? this is written to the audit log"):
            output.talk("not shown")
            return False
    for record in keys:
        detail = {"role": record.role_text, "key_check_value": record.key_check_value}
        vault.audit.note(AuditAction.REVEALED, record.meter_text, **detail)
    return True


def _print_one(record: KeyRecord, *, reveal: bool, as_json: bool) -> None:
    if as_json:
        key = {"key": record.value.hex() or None} if reveal else {}
        output.data(json.dumps(key_facts(record) | key))
        return
    for line in key_details(record):
        output.data(line)
    if reveal and record.has_key:
        output.data(f"{'key':16}{record.value.hex()}")
    output.data("")


def _show(records: Iterable[KeyRecord], changes: Sequence[KeyChange], *, as_json: bool) -> int:
    count = 0
    for record in records:
        count += 1
        change = change_text(record, changes)
        facts = key_facts(record) | ({"key_change": change} if change else {}) if as_json else {}
        output.data(json.dumps(facts) if as_json else key_line(record, change))
    return count


def _tell_open(changes: Iterable[KeyChange]) -> None:
    """Say which meters have to be asked which key they hold."""
    for change in changes:
        output.talk(f"a key change of {change.meter_text} is open since {change.begun_at:%Y-%m-%d %H:%M} UTC")
        output.talk(f"  ask the meter: fieldtool meter recover --at LINK --meter {change.address.number}")


def _nothing(number: str) -> ExitCode:
    output.talk(f"no key is filed for {safe_text(number)}; import it with `fieldtool keys import`")
    return ExitCode.SOME_FAILED


LIST = Command(_configure_list, _list)
FIND = Command(_configure_find, _find)
SHOW = Command(_configure_show, _show_one)
