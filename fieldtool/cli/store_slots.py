"""`fieldtool store slots|passphrase|recovery`: what opens a keystore."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from fieldtool.access import choose_store, new_passphrase, open_store, open_with_credential
from fieldtool.cli import output
from fieldtool.cli.asking import answered_by
from fieldtool.cli.command import Command
from fieldtool.exit_codes import ExitCode
from keystore.vault import SlotInfo, SystemKeychain, Vault
from protocols.text import safe_text


def _configure_slots(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per slot")
    change = parser.add_mutually_exclusive_group()
    change.add_argument(
        "--remove", type=int, metavar="N", help="remove slot N; the last passphrase or recovery key stays"
    )
    change.add_argument("--add-keychain", action="store_true", help="let the system's keychain unlock the store")
    parser.add_argument("--label", default="", metavar="TEXT", help="what a new slot is called")


def _slots(arguments: Namespace) -> ExitCode:
    choice = choose_store(arguments.store, arguments.passphrase_file)
    if arguments.add_keychain:
        vault, credential = open_with_credential(choice)
        with vault:
            number = vault.slots.add_keychain(credential, SystemKeychain(), label=arguments.label)
            output.talk(f"slot {number}: the system's keychain unlocks the store for you on this computer")
            _list(vault.slots.list(), as_json=arguments.json)
    elif arguments.remove is not None:
        with open_store(choice) as vault:
            vault.slots.remove(arguments.remove, SystemKeychain())
            _list(vault.slots.list(), as_json=arguments.json)
    else:
        with Vault.open(choice.path) as vault:
            _list(vault.slots.list(), as_json=arguments.json)
    return ExitCode.OK


def _list(slots: tuple[SlotInfo, ...], *, as_json: bool) -> None:
    for slot in slots:
        created = "" if slot.created_at is None else f"{slot.created_at:%Y-%m-%d}"
        if as_json:
            facts = {"slot": slot.slot_id, "kind": slot.kind, "label": slot.label, "created": created or None}
            output.data(json.dumps(facts))
        else:
            cells = (
                f"{slot.slot_id:3}",
                f"{safe_text(slot.kind):10}",
                f"{created:10}",
                slot.cost,
                safe_text(slot.label),
            )
            output.data("  ".join(cells).rstrip())


def _configure_passphrase(parser: ArgumentParser) -> None:
    parser.add_argument("--new-passphrase-file", type=Path, metavar="F", help="file with the new passphrase")
    parser.add_argument(
        "--add", action="store_true", help="add a passphrase beside the others, instead of changing one"
    )
    parser.add_argument("--label", default="", metavar="TEXT", help="what an added passphrase is called")


def _passphrase(arguments: Namespace) -> ExitCode:
    vault, credential = open_with_credential(choose_store(arguments.store, arguments.passphrase_file))
    with vault:
        with answered_by("--new-passphrase-file"):
            new = new_passphrase(arguments.new_passphrase_file, vault.slots.policy, "the keystore")
        if arguments.add:
            number = vault.slots.add_passphrase(credential, new, label=arguments.label)
            output.data(f"added as slot {number}")
        else:
            number = vault.slots.change_passphrase(credential, new)
            output.data(f"changed slot {number}")
            output.talk("an older copy of the file still opens with the old passphrase: delete what you do not need")
    return ExitCode.OK


def _configure_recovery(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--label", default="", metavar="TEXT", help="what the slot is called, as in: safe in the office"
    )
    parser.epilog = "Type the recovery key wherever the passphrase is asked for."


def _recovery(arguments: Namespace) -> ExitCode:
    vault, credential = open_with_credential(choose_store(arguments.store, arguments.passphrase_file))
    with vault:
        printed = vault.slots.add_recovery(credential, label=arguments.label)
    output.data(printed)
    output.talk(
        "this is shown only now: print it or write it down, and lock it away; it opens the store like a passphrase"
    )
    return ExitCode.OK


SLOTS = Command(_configure_slots, _slots)
PASSPHRASE = Command(_configure_passphrase, _passphrase)
RECOVERY = Command(_configure_recovery, _recovery)
