"""`fieldtool keys export`: keys out of the store, after a question, into a file of any format that is known."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fieldtool.access import ask_passphrase, choose_store, open_store, read_passphrase
from fieldtool.cli import output
from fieldtool.cli.asking import answered_by
from fieldtool.cli.command import Command
from fieldtool.cli.keys_import import mark
from fieldtool.cli.question import ask_yes, can_ask
from fieldtool.errors import AccessError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.keys.key_export import Selection, export, select, unknown_meters
from keystore.formats import WRITERS, WriteOptions, Writer, weak_password
from keystore.passphrase_policy import POLICIES, PolicyName, judge
from protocols.plural import counted
from protocols.text import safe_text

_FORMATS_WITH_SHORT_PASSWORDS: Final = frozenset({"kem", "kem2"})


def _configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", type=Path, help="file to write; for wmbusmeters a folder")
    add(
        "--format",
        choices=list(WRITERS),
        metavar="NAME",
        help="format (else taken from the ending of the file's name)",
    )
    add("--meter", metavar="NUMBER", action="append", default=[], help="only this meter's keys; may be repeated")
    add("--owner", default="", metavar="TEXT", help="only keys of meters of this owner")
    add("--order", default="", metavar="TEXT", help="only keys of this order")
    add("--batch", default="", metavar="TEXT", help="only keys of this batch reference")
    add("--transferred", action="store_true", help="also keys of transferred meters")
    add("--password-file", type=Path, metavar="F", help="file with the new file's password (else asked)")
    add("--delimiter", type=mark, default=";", metavar="C", help="delimiter of a table (default: ;)")
    add("--force", action="store_true", help="replace a file that exists")
    add("--yes", action="store_true", help="write without asking first")
    width = max(map(len, WRITERS)) + 2
    parser.epilog = "formats:\n" + "\n".join(f"  {name:{width}}{writer.title}" for name, writer in WRITERS.items())


def _run(arguments: Namespace) -> ExitCode:
    name = arguments.format or _format_of(arguments.file)
    writer = WRITERS[name]
    selection = Selection(
        meters=tuple(arguments.meter),
        owner=arguments.owner,
        order=arguments.order,
        batch_reference=arguments.batch,
        transferred=arguments.transferred,
    )
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        for number in unknown_meters(vault, selection):
            output.talk(f"no key is filed for {safe_text(number)}")
        records = select(vault, selection)
        held = [record for record in records if writer.holds(record)]
        if not held:
            output.talk(f"there is no key to write as {name}" + (": this format cannot hold them" if records else ""))
            return ExitCode.SOME_FAILED
        meters = len({(record.manufacturer, record.number, record.dev_eui) for record in held})
        leaving = f"{counted(len(held), 'key')} of {counted(meters, 'meter')} {'leaves' if len(held) == 1 else 'leave'}"
        _confirm(arguments, writer, f"{leaving} the store into {arguments.file}")
        options = WriteOptions(datetime.now(UTC), _password(arguments, name, writer), arguments.delimiter)
        try:
            written = export(vault, arguments.file, name, records, options, force=arguments.force)
        except ValueError as error:
            raise UsageError(str(error), "choose another password") from None
    output.data(
        f"{arguments.file}: {counted(written.keys, 'key')} of {counted(written.meters, 'meter')}, {writer.title}"
    )
    if written.left_out:
        output.talk(f"left out, because this format cannot hold them: {counted(written.left_out, 'key')}")
    return ExitCode.SOME_FAILED if written.left_out else ExitCode.OK


def _format_of(path: Path) -> str:
    """Return the only format whose usual name ends as this one; raises `UsageError` that names the choice."""
    ending = path.suffix.lower()
    fitting = [name for name, writer in WRITERS.items() if ending and writer.suffix.endswith(ending)]
    if len(fitting) != 1:
        names = ", ".join(fitting or WRITERS)
        raise UsageError("the ending of the name does not say which format to write", f"add --format NAME: {names}")
    return fitting[0]


def _confirm(arguments: Namespace, writer: Writer, what: str) -> None:
    """Ask; without a terminal the answer must have been given before. Raises `UsageError` for a no."""
    if arguments.yes:
        return
    if not can_ask():
        raise UsageError(f"{what}, and there is no terminal to ask", "add --yes to the command")
    who = "whoever has it and its password" if writer.sealed else "whoever has it"
    if not ask_yes(f"{what}; {who} has the keys. Write it?"):
        raise UsageError("nothing was written", "")


def _password(arguments: Namespace, name: str, writer: Writer) -> str:
    if not writer.sealed:
        return ""
    if arguments.password_file is not None:
        password = read_passphrase(arguments.password_file)
    else:
        with answered_by("--password-file"):
            password = ask_passphrase(f"password of the new file {arguments.file}: ", "the new file needs a password")
        if getpass.getpass("repeat it: ") != password:
            raise AccessError("the two passwords differ", "try again")
    if name in _FORMATS_WITH_SHORT_PASSWORDS:
        if weak_password(password):
            output.talk("the password is easily guessed by whoever has the file: use 12 to 16 random characters")
    else:
        judgement = judge(password, POLICIES[PolicyName.LENGTH])
        if not judgement.ok:
            raise UsageError(f"the password will not do: {judgement.line}", "choose four or more words")
        if judgement.is_weak:
            output.talk(f"the password is weak: {judgement.line}")
    return password


EXPORT = Command(_configure, _run)
