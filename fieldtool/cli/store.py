"""`fieldtool store`: make a keystore, look at it from outside, check it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from fieldtool.access import choose_store, new_passphrase, open_store
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.errors import OutputError
from fieldtool.exit_codes import ExitCode
from keystore.errors import AlreadyExists
from keystore.vault import Vault


def _configure_create(parser: ArgumentParser) -> None:
    parser.epilog = "The passphrase is asked for, or read from --passphrase-file; never from the command line."


def _create(arguments: Namespace) -> ExitCode:
    choice = choose_store(arguments.store, arguments.passphrase_file)
    if choice.path.exists():
        raise AlreadyExists(f"{choice.path} exists already", "choose another place with --store")
    passphrase = new_passphrase(choice)
    try:
        choice.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder {choice.path.parent} cannot be made: {error.strerror}", "choose another with --store"
        ) from error
    Vault.create(choice.path, passphrase).close()
    output.data(f"made keystore {choice.path}")
    output.talk("without its passphrase nobody can read it, and nobody can restore it: keep the passphrase safe")
    return ExitCode.OK


def _configure_info(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _info(arguments: Namespace) -> ExitCode:
    with Vault.open(choose_store(arguments.store, arguments.passphrase_file).path) as vault:
        info = vault.info
    facts = {
        "path": str(info.path),
        "format_version": info.format_version,
        "store_id": info.store_id,
        "created_at": f"{info.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "unlocked_by": list(info.slots),
        "size_bytes": info.size_bytes,
    }
    if arguments.json:
        output.data(json.dumps(facts))
    else:
        for name, value in facts.items():
            text = ", ".join(value) if isinstance(value, list) else value
            output.data(f"{name.replace('_', ' '):16}{text}")
    return ExitCode.OK


def _configure_verify(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _verify(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        report = vault.verify()
    if arguments.json:
        problems = [{"kind": str(problem.kind), "text": problem.text} for problem in report.problems]
        output.data(json.dumps({"ok": not problems, "records": report.records, "problems": problems}))
    else:
        for problem in report.problems:
            output.data(f"{problem.kind}: {problem.text}")
        count = len(report.problems) + report.more
        output.data(
            f"{report.records} key records, {count} problems" if count else f"{report.records} key records, all well"
        )
    return ExitCode.KEYSTORE if report.problems else ExitCode.OK


CREATE = Command(_configure_create, _create)
INFO = Command(_configure_info, _info)
VERIFY = Command(_configure_verify, _verify)
