"""`fieldtool keys import`: portals' key files into the store, after a look at what would happen."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fieldtool.access import ask_passphrase, choose_store, open_store, read_passphrase
from fieldtool.cli import output
from fieldtool.cli.asking import answered_by
from fieldtool.cli.command import Command
from fieldtool.cli.question import ask_yes, can_ask
from fieldtool.errors import ConfigError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.keys.key_import import Imported, KeyFile, RowOutcome, import_files, read_key_file, row_outcomes
from fieldtool.keys.key_maps import mapping_from, save_mapping
from keystore.formats import ReadOptions, load_signer
from keystore.model import SignatureState
from keystore.vault import Vault
from protocols.plural import counted
from protocols.text import safe_text

_MAX_CERTIFICATE: Final = 1 << 16
_SIGNED_SYSTEMS: Final = frozenset({"kem", "kem2"})
_SIGNATURES: Final = {
    SignatureState.UNSIGNED: "unsigned",
    SignatureState.NOT_VERIFIED: "signed, not verified",
    SignatureState.VERIFIED: "signed and verified",
}


def _configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", type=Path, help="key files of any kind; the content decides which")
    add("--password-file", type=Path, metavar="F", help="file with the password of the key files")
    add("--dry-run", action="store_true", help="show what would happen, and change nothing")
    add("--yes", action="store_true", help="import without asking first")
    add("--json", action="store_true", help="print one JSON object per row, with its result")
    add("--rows", action="store_true", help="print one line per row, with its result")
    add("--map", metavar="MAP", help="columns of a table: serial=3,key=7, or the name of a remembered mapping")
    add("--save-map", metavar="NAME", help="remember the mapping of --map under this name")
    add("--delimiter", type=mark, metavar="C", help="delimiter of the table (default: detected); tab for a tab")
    add("--thousands", type=mark, metavar="C", help="thousands separator set in your portal account")
    add("--organisation", metavar="NAME", help="your name at the portal; devices that it lists as another's are marked")
    add("--signer", type=Path, metavar="CERT", help="accept only KEM2 files signed with this certificate (PEM or DER)")
    add("--delete-after", action="store_true", help="delete key files when every row was imported")
    parser.epilog = "docs/keys.md lists the portals' files. Passwords are asked for, never given on the command line."


def mark(text: str) -> str:
    """Argument type: one character that separates cells or digits."""
    mark = {"tab": "\t", "space": " "}.get(text, text)
    if len(mark) != 1 or mark.isalnum() or mark == '"':
        raise ArgumentTypeError("must be one character that is neither a letter nor a digit, or tab, or space")
    return mark


def _run(arguments: Namespace) -> ExitCode:
    options = _options(arguments)
    with answered_by("--password-file"):
        files = [
            read_key_file(path, options, lambda question: ask_passphrase(question, "the key file needs its password"))
            for path in dict.fromkeys(arguments.files)
        ]
    if arguments.save_map:
        if options.mapping is None:
            raise UsageError("--save-map needs --map", "as in: --map serial=3,key=7 --save-map supplier-a")
        output.talk(f"remembered as {arguments.save_map} in {save_mapping(arguments.save_map, options.mapping)}")
    asks = not (arguments.yes or arguments.dry_run) and can_ask()
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        if asks:
            preview, shared = _import(vault, files, dry_run=True)
            _talk_of(preview, shared, dry_run=True)
            count = sum(one.put.new + one.put.changed for one in preview)
            if count and not ask_yes(f"import {counted(count, 'key')}?"):
                output.talk("nothing was imported")
                return ExitCode.OK
        results, shared = _import(vault, files, dry_run=arguments.dry_run)
    if not asks:
        _talk_of(results, shared, dry_run=arguments.dry_run)
    if arguments.json or arguments.rows:
        verdicts = [verdict for one in results for verdict in one.put.verdicts]
        for outcome in row_outcomes(files, verdicts):
            output.data(json.dumps(_facts(outcome)) if arguments.json else _line(outcome))
    if not arguments.json:
        for imported in results:
            output.data(_summary(imported, dry_run=arguments.dry_run))
    if not arguments.dry_run:
        _see_to_files(results, arguments)
    return ExitCode.OK if all(imported.all_well for imported in results) else ExitCode.SOME_FAILED


def _options(arguments: Namespace) -> ReadOptions:
    return ReadOptions(
        password=None if arguments.password_file is None else read_passphrase(arguments.password_file),
        delimiter=arguments.delimiter,
        thousands=arguments.thousands,
        mapping=None if arguments.map is None else mapping_from(arguments.map),
        organisation=arguments.organisation,
        signer=None if arguments.signer is None else _certificate(arguments.signer),
    )


def _certificate(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_CERTIFICATE)
        load_signer(data)
    except OSError as error:
        raise ConfigError(f"certificate {path}: {error.strerror}", "check its name") from error
    except ValueError:
        raise ConfigError(f"{path} is not a certificate", "give the portal's certificate as PEM or DER") from None
    return data


def _import(vault: Vault, files: Sequence[KeyFile], *, dry_run: bool) -> tuple[list[Imported], int]:
    progress = output.Progress("rows")
    try:
        return import_files(vault, files, dry_run=dry_run, progress=progress.step)
    finally:
        progress.end()


def _talk_of(results: Sequence[Imported], shared: int, *, dry_run: bool) -> None:
    """Say what is worth a word of each file, before what is data."""
    for imported in results:
        name = safe_text(imported.path.name)
        if imported.source.system in _SIGNED_SYSTEMS:
            by = f" by {imported.source.signer}" if imported.source.signer else ""
            output.talk(f"{name}: {_SIGNATURES[imported.source.signature]}{by}")
        for warning in imported.warnings:
            output.talk(f"{name}: {warning}")
        for row in imported.odd_rows:
            meter = f" ({row.meter})" if row.meter else ""
            what = f"not imported: {row.reason}" if row.reason else "; ".join(row.warnings)
            output.talk(f"{name}: row {row.row}{meter}: {what}")
        if imported.odd_count > len(imported.odd_rows):
            output.talk(f"{name}: {counted(imported.odd_count - len(imported.odd_rows), 'more such row')}")
        if imported.weak:
            output.talk(f"{name}: {counted(imported.weak, 'key')} without protection: see `fieldtool keys lint`")
        if imported.quarantine_problem:
            output.talk(f"{name}: the wrong rows could not be saved beside it: {imported.quarantine_problem}")
        elif imported.quarantine is not None:
            output.talk(f"{name}: the wrong rows are in {imported.quarantine.name}, keys masked")
    if shared:
        output.talk(f"{counted(shared, 'meter')} sharing a key with another: see `fieldtool keys lint`")
    if dry_run:
        output.talk("nothing has been changed yet")


def _summary(imported: Imported, *, dry_run: bool) -> str:
    put, would = imported.put, "would be " if dry_run else ""
    return (
        f"{safe_text(imported.path.name)}: {counted(len(put.verdicts), 'key')}: "
        f"{put.new} {would}new, {put.same} the same, {put.changed} {would}changed; "
        f"{counted(imported.quarantined, 'row')} not imported"
    )


def _line(outcome: RowOutcome) -> str:
    row, record = outcome.row, outcome.row.record
    role = "" if record is None else record.role_text
    why = row.reason or "; ".join(row.warnings)
    return safe_text(
        f"{row.row:>7}  {outcome.verdict:11}  {row.meter:16}  {role:16}  {why}".rstrip(), output.TALK_LIMIT
    )


def _facts(outcome: RowOutcome) -> dict[str, object]:
    row, record = outcome.row, outcome.row.record
    return {
        "file": safe_text(outcome.path.name),
        "row": row.row,
        "meter": row.meter,
        "role": None if record is None else record.role_text,
        "key_check_value": None if record is None else record.key_check_value or None,
        "ownership": None if record is None else str(record.ownership),
        "verdict": outcome.verdict,
        "reason": row.reason or None,
        "warnings": list(row.warnings),
    }


def _see_to_files(results: Sequence[Imported], arguments: Namespace) -> None:
    """Delete key files that are of no further use, when the user wants that; otherwise say that they are dangerous."""
    spent = [imported.path for imported in results if imported.all_well]
    if not spent:
        return
    names = ", ".join(safe_text(path.name) for path in spent)
    if not arguments.delete_after:
        if arguments.yes or not can_ask():
            output.talk(f"whoever has {names} has the keys: delete what you no longer need, or use --delete-after")
            return
        if not ask_yes(f"whoever has {names} has the keys. Delete {'it' if len(spent) == 1 else 'them'}?"):
            return
    for path in spent:
        try:
            path.unlink()
        except OSError as error:
            output.talk(f"{path} cannot be deleted: {error.strerror}")
        else:
            output.talk(f"deleted {path}")


IMPORT = Command(_configure, _run)
