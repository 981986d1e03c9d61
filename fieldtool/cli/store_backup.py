"""`fieldtool store backup|restore`: a keystore as one sealed file with a passphrase of its own, and back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fieldtool.access import (
    ask_passphrase,
    choose_store,
    new_passphrase,
    open_with_credential,
    read_passphrase,
    vault_settings,
)
from fieldtool.cli import output
from fieldtool.cli.asking import answered_by
from fieldtool.cli.command import Command
from fieldtool.errors import OutputError
from fieldtool.exit_codes import ExitCode
from keystore.passphrase_policy import POLICIES, PolicyName
from keystore.vault import restore_backup, write_backup
from protocols.plural import counted


def _configure_backup(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the backup to write; must not exist")
    parser.add_argument(
        "--backup-passphrase-file", type=Path, metavar="F", help="file with the backup's own passphrase"
    )
    parser.epilog = "Whoever has the backup and its passphrase has the keys: choose it as well as the store's."


def _backup(arguments: Namespace) -> ExitCode:
    vault, credential = open_with_credential(choose_store(arguments.store, arguments.passphrase_file))
    with vault:
        with answered_by("--backup-passphrase-file"):
            passphrase = new_passphrase(
                arguments.backup_passphrase_file, vault.slots.policy, f"the backup {arguments.file}"
            )
        report = write_backup(vault, arguments.file, passphrase, credential)
    output.data(f"wrote {arguments.file}: {counted(report.records, 'key record')}, sha256 of the store {report.sha256}")
    return ExitCode.OK


def _configure_restore(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a backup; the store is restored to --store")
    parser.add_argument(
        "--backup-passphrase-file", type=Path, metavar="F", help="file with the backup's own passphrase"
    )
    new = parser.add_mutually_exclusive_group()
    new.add_argument(
        "--new-passphrase", action="store_true", help="ask for a new passphrase: those of the store are lost"
    )
    new.add_argument("--new-passphrase-file", type=Path, metavar="F", help="file with a new passphrase for the store")


def _restore(arguments: Namespace) -> ExitCode:
    choice = choose_store(arguments.store, None)
    if not arguments.file.is_file():
        raise OutputError(f"there is no backup {arguments.file}", "check its name")
    if arguments.backup_passphrase_file is not None:
        passphrase = read_passphrase(arguments.backup_passphrase_file)
    else:
        with answered_by("--backup-passphrase-file"):
            passphrase = ask_passphrase(f"passphrase of {arguments.file}: ", "the backup needs its passphrase")
    new = None
    if arguments.new_passphrase or arguments.new_passphrase_file is not None:
        with answered_by("--new-passphrase-file"):
            new = new_passphrase(arguments.new_passphrase_file, POLICIES[PolicyName.LENGTH], "the restored keystore")
    report = restore_backup(arguments.file, passphrase, choice.path, settings=vault_settings(), new_passphrase=new)
    output.data(
        f"restored {choice.path}: {counted(report.records, 'key record')} and "
        f"{counted(report.audit_entries, 'audit entry', 'audit entries')}, verified "
        f"byte for byte, sha256 {report.sha256}"
    )
    how = "with the new passphrase, and those it had then" if new else "with the passphrases that it had then"
    output.talk(f"it opens {how}")
    return ExitCode.OK


BACKUP = Command(_configure_backup, _backup)
RESTORE = Command(_configure_restore, _restore)
