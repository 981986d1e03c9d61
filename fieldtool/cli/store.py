"""`fieldtool store create|info|verify`: make a keystore, look at it from outside, check it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from fieldtool.access import choose_store, new_passphrase, open_store, vault_settings
from fieldtool.cli import output
from fieldtool.cli.asking import answered_by
from fieldtool.cli.command import Command
from fieldtool.errors import OutputError
from fieldtool.exit_codes import ExitCode
from keystore.errors import AlreadyExists
from keystore.passphrase_policy import POLICIES, PolicyName
from keystore.vault import Vault
from protocols.plural import counted


def _configure_create(parser: ArgumentParser) -> None:
    parser.epilog = "The passphrase is asked for, or read from --passphrase-file; never from the command line."
    policies = "; ".join(f"{policy.name}: {policy.text}" for policy in POLICIES.values())
    parser.add_argument(
        "--policy",
        choices=[str(name) for name in PolicyName],
        default=str(PolicyName.LENGTH),
        help=f"rule for this passphrase and all later ones ({policies})",
    )


def _create(arguments: Namespace) -> ExitCode:
    choice = choose_store(arguments.store, arguments.passphrase_file)
    if choice.path.exists():
        raise AlreadyExists(f"{choice.path} exists already", "choose another place with --store")
    policy = PolicyName(arguments.policy)
    with answered_by("--passphrase-file"):
        passphrase = new_passphrase(choice.passphrase_file, POLICIES[policy])
    try:
        choice.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder {choice.path.parent} cannot be made: {error.strerror}", "choose another with --store"
        ) from error
    Vault.create(choice.path, passphrase, policy=policy, settings=vault_settings()).close()
    output.data(f"made keystore {choice.path}")
    output.talk("without its passphrase nobody can read it, and nobody can restore it: keep the passphrase safe,")
    output.talk("or print a recovery key with: fieldtool store recovery")
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
        "passphrase_policy": str(info.policy),
        "size_bytes": info.size_bytes,
    }
    if arguments.json:
        output.data(json.dumps(facts))
    else:
        for name, value in facts.items():
            text = ", ".join(value) if isinstance(value, list) else value
            output.data(f"{name.replace('_', ' '):18}{text}")
    return ExitCode.OK


def _configure_verify(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--accept", action="store_true", help="accept an older copy, if all is well in it")


def _verify(arguments: Namespace) -> ExitCode:
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        report = vault.verify()
        history = vault.history
        if arguments.accept and history is not None and report.ok:
            vault.accept_history()
            output.talk("this copy is accepted from now on")
            history = None
    problems = [(str(problem.kind), problem.text) for problem in report.problems]
    if history is not None:
        problems.append(("older", history.text))
    if arguments.json:
        facts = {
            "ok": not problems,
            "records": report.records,
            "audit_entries": report.audit_entries,
            "generation": report.generation,
            "every_byte": report.sealed,
            "problems": [{"kind": kind, "text": text} for kind, text in problems],
        }
        output.data(json.dumps(facts))
    else:
        for kind, text in problems:
            output.data(f"{kind}: {text}")
        count = len(problems) + report.more
        output.data(f"{counted(report.records, 'key record')}, {counted(count, 'problem') if count else 'all well'}")
    if report.ok and not report.sealed:
        output.talk(
            "every row was checked; the file's unused bytes were not: it was written to since it was last sealed; "
            "it is sealed now: run it again to check them too"
        )
    return ExitCode.KEYSTORE if problems else ExitCode.OK


CREATE = Command(_configure_create, _create)
INFO = Command(_configure_info, _info)
VERIFY = Command(_configure_verify, _verify)
