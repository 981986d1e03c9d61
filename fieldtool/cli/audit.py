"""`fieldtool audit list|verify`: what was done with the keys, and whether the log of it is whole."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections import deque

from fieldtool.access import choose_store, open_store
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.options import whole_number
from fieldtool.exit_codes import ExitCode
from keystore.audit import AuditEntry
from protocols.plural import counted
from protocols.text import safe_text


def _configure_list(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per entry")
    parser.add_argument("--last", type=whole_number, metavar="N", help="only the last N entries")
    parser.add_argument("--subject", metavar="TEXT", help="only entries about this meter, file or slot")


def _list(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        wanted = (
            entry
            for entry in vault.audit.entries()
            if arguments.subject is None or arguments.subject.casefold() in entry.subject.casefold()
        )
        shown = 0
        for entry in wanted if arguments.last is None else deque(wanted, arguments.last):
            output.data(json.dumps(_facts(entry)) if arguments.json else _line(entry))
            shown += 1
    if not shown:
        output.talk("no entry matches")
    return ExitCode.OK


def _configure_verify(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _verify(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        report = vault.audit.verify()
        head = vault.audit.head[1] if report.ok else None
    if arguments.json:
        facts = {"ok": report.ok, "entries": report.entries, "head": head, "problems": list(report.problems)}
        output.data(json.dumps(facts))
    else:
        for problem in report.problems:
            output.data(problem)
        found = counted(len(report.problems), "problem") if report.problems else f"all well, head {head}"
        output.data(f"{counted(report.entries, 'entry', 'entries')}, {found}")
    return ExitCode.OK if report.ok else ExitCode.KEYSTORE


def _line(entry: AuditEntry) -> str:
    detail = ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in entry.detail.items())
    cells = (
        f"{entry.number:6}",
        f"{entry.at:%Y-%m-%d %H:%M:%S}",
        f"{safe_text(entry.action):22}",
        f"{safe_text(entry.by):10}",
        safe_text(entry.subject),
        safe_text(detail),
    )
    return "  ".join(cells).rstrip()


def _facts(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "at": f"{entry.at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        "action": str(entry.action),
        "subject": entry.subject,
        "by": entry.by,
        "detail": dict(entry.detail),
    }


LIST = Command(_configure_list, _list)
VERIFY = Command(_configure_verify, _verify)
