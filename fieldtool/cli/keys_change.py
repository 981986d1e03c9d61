"""`fieldtool keys lint|mark|remove`: what is wrong with keys, whose meters are, and keys that are to go."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from fieldtool.access import choose_store, open_store
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.question import ask_yes, can_ask
from fieldtool.errors import AccessError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.key_text import key_line
from keystore.model import KeyRecord, KeyRole, KeyStatus, Ownership
from protocols.plural import counted
from protocols.text import safe_text


def _configure_lint(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per finding")


def _lint(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        findings = vault.lint()
    for finding in findings:
        if arguments.json:
            facts = {"rule": str(finding.rule), "meter": finding.meter, "role": finding.role}
            output.data(json.dumps(facts | {"key_check_value": finding.key_check_value, "text": finding.text}))
        else:
            cells = (f"{safe_text(finding.meter):24}", f"{safe_text(finding.role):12}", finding.key_check_value)
            output.data("  ".join((*cells, finding.text)))
    output.talk(counted(len(findings), "finding") if findings else "no findings")
    return ExitCode.SOME_FAILED if findings else ExitCode.OK


def _configure_mark(parser: ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number, printed serial or DevEUI, in any spelling")
    parser.add_argument("--manufacturer", metavar="CODE", help="only meters of this maker")
    parser.add_argument("--ownership", choices=[str(one) for one in Ownership], help="who owns the meter now")
    parser.add_argument("--owner", default="", metavar="NAME", help="the organisation that owns it")
    parser.add_argument("--status", choices=[str(one) for one in KeyStatus], help="whether its keys may be used")


def _mark(arguments: Namespace) -> ExitCode:
    if arguments.ownership is None and arguments.status is None:
        raise UsageError("nothing to mark", "give --ownership or --status")
    changed = 0
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        if arguments.ownership is not None:
            ownership = Ownership(arguments.ownership)
            changed = vault.set_ownership(arguments.number, ownership, arguments.owner, arguments.manufacturer)
        if arguments.status is not None:
            status = KeyStatus(arguments.status)
            changed = max(changed, vault.set_status(arguments.number, status, arguments.manufacturer))
    output.data(f"{counted(changed, 'key')} changed")
    return ExitCode.OK


def _configure_remove(parser: ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number, printed serial or DevEUI, in any spelling")
    parser.add_argument("--manufacturer", metavar="CODE", help="only keys of this maker's meter")
    parser.add_argument(
        "--role", choices=list(map(str, KeyRole)), metavar="ROLE", help="only this role, as in keys list"
    )
    parser.add_argument("--key-check-value", metavar="KCV", help="only the key with this check value")
    parser.add_argument("--yes", action="store_true", help="remove without asking")


def _remove(arguments: Namespace) -> ExitCode:
    role = None if arguments.role is None else KeyRole(arguments.role)
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        found = [record for record in vault.find(arguments.number, role=role) if _is_meant(record, arguments)]
        for record in found:
            output.data(key_line(record))
        if found and not arguments.yes:
            if not can_ask():
                raise AccessError("keys are removed only after a question, and there is no terminal", "give --yes")
            if not ask_yes(f"remove {counted(len(found), 'key')}? what is removed cannot be restored"):
                output.talk("nothing was removed")
                return ExitCode.SOME_FAILED
        removed = vault.remove(arguments.number, arguments.manufacturer, role, arguments.key_check_value)
    if not removed:
        output.talk(f"no key that fits is filed for {safe_text(arguments.number)}")
        return ExitCode.SOME_FAILED
    output.talk(f"{counted(removed, 'key')} removed")
    return ExitCode.OK


def _is_meant(record: KeyRecord, arguments: Namespace) -> bool:
    check_value = arguments.key_check_value
    return arguments.manufacturer in (None, record.manufacturer) and (
        check_value is None or record.key_check_value == check_value.lower()
    )


LINT = Command(_configure_lint, _lint)
MARK = Command(_configure_mark, _mark)
REMOVE = Command(_configure_remove, _remove)
