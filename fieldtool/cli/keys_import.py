"""`fieldtool keys import`: portals' key files into the store."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from fieldtool.access import ask_passphrase, choose_store, open_store, read_passphrase
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.exit_codes import ExitCode
from fieldtool.key_import import Imported, import_batches, read_key_file
from keystore.formats import RowVerdict
from protocols.text import safe_text

ROWS_SHOWN = 50


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="KEM, KEM2 or CSV, recognised by content")
    parser.add_argument("--password-file", type=Path, metavar="F", help="file with the password of the key files")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")


def _run(arguments: Namespace) -> ExitCode:
    password = None if arguments.password_file is None else read_passphrase(arguments.password_file)
    batches = [
        (
            path,
            read_key_file(path, password, lambda question: ask_passphrase(question, "the key file needs its password")),
        )
        for path in arguments.files
    ]
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        results = import_batches(vault, batches, dry_run=arguments.dry_run)
    for imported in results:
        _show(imported, dry_run=arguments.dry_run)
    return ExitCode.OK if all(imported.all_well for imported in results) else ExitCode.SOME_FAILED


def _show(imported: Imported, *, dry_run: bool) -> None:
    batch, put = imported.batch, imported.put
    name = safe_text(imported.path.name)
    for warning in batch.warnings:
        output.talk(f"{name}: {warning}")
    odd = [row for row in batch.rows if row.verdict is RowVerdict.QUARANTINED or row.warnings]
    for row in odd[:ROWS_SHOWN]:
        meter = f" ({row.meter})" if row.meter else ""
        what = f"not imported: {row.reason}" if row.verdict is RowVerdict.QUARANTINED else "; ".join(row.warnings)
        output.talk(f"{name}: row {row.row}{meter}: {what}")
    if len(odd) > ROWS_SHOWN:
        output.talk(f"{name}: {len(odd) - ROWS_SHOWN} more such rows")
    would = "would be " if dry_run else ""
    output.data(
        f"{name}: {len(batch.ready)} keys: {put.new} {would}new, {put.same} the same, {put.changed} {would}changed; "
        f"{len(batch.quarantined)} rows not imported"
    )


IMPORT = Command(_configure, _run)
