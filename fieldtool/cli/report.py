"""`fieldtool report`: a list of meters held against captures, as lines, as a table, or as a page to hand over."""

from __future__ import annotations

import hashlib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from fieldtool.access import user_name
from fieldtool.cli import output
from fieldtool.cli.bad_lines import BadLines
from fieldtool.cli.command import Command
from fieldtool.cli.formats_option import add_formats_option, formats_in_use, keep_formats
from fieldtool.cli.keys_option import add_key_option
from fieldtool.cli.options import version_text
from fieldtool.cli.profiles_option import add_profiles_option, profiles_in_use
from fieldtool.errors import AccessError, InputError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.report_html import report_page
from fieldtool.export.report_text import json_row, sums_text, table_heading, table_row, text_row, utc_text
from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.replay.capture import STDIN, open_captures
from fieldtool.replay.devices import FollowedDevices
from fieldtool.replay.second_pass import SecondPass
from fieldtool.report.expected import ExpectedMeter, expected_of_file, expected_of_store
from fieldtool.report.heard import HeardMeter, HeardMeters
from fieldtool.report.rows import ReportRow, report_rows, sums
from protocols.captures.model import CaptureEntry
from protocols.learned import LearnedDecoder
from protocols.plausibility import Judge
from protocols.plural import counted

TITLE = "Report of meters"


def _configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", type=Path, help="capture, as of listen --record; several days together")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print a table for spreadsheets")
    form.add_argument("--html", action="store_true", help="print a page to print, sign and hand over")
    form.add_argument("--json", action="store_true", help="print one JSON object a meter")
    add("--list", type=Path, metavar="FILE", help="the meters expected: a number a line (else those of the store)")
    add("--order", default="", metavar="TEXT", help="of the store, only meters of this order")
    add("--owner", default="", metavar="TEXT", help="of the store, only meters of this owner")
    add("--title", default=TITLE, metavar="TEXT", help=f"of the page (default: {TITLE})")
    add("--delimiter", default=";", choices=(";", ",", "tab"), metavar="C", help="of the table: ; (default) , or tab")
    add_key_option(parser)
    add_profiles_option(parser)
    add_formats_option(parser)


def _run(arguments: Namespace) -> ExitCode:
    if arguments.list is not None and (arguments.order or arguments.owner):
        raise UsageError("--order and --owner choose among the meters of the store", "leave them out, or --list")
    expected = None if arguments.list is None else expected_of_file(arguments.list)
    heard, bad_lines = HeardMeters(), BadLines()
    with closing(LazyKeys(arguments.store, arguments.passphrase_file)) as store:
        if expected is None or not arguments.key:
            store.open()
        if expected is None and store.unavailable:
            raise AccessError(f"the list of meters is in the keystore: {store.unavailable}", store.how_to_unlock)
        if expected is None and store.vault is not None and store.is_open:
            expected = expected_of_store(store.vault, arguments.order, arguments.owner)
            if not expected:
                raise InputError("the keystore has no such meter", "import its keys, or give a list with --list FILE")
        met = _read(arguments, store, heard, bad_lines)
        if store.reason:
            output.talk(store.reason)
    if not heard.telegrams:
        raise InputError("there was no telegram in what was read", "captures hold one telegram a line, in hex")
    rows = report_rows(expected, met)
    result = sums(rows)
    told = sums_text(result, has_list=expected is not None)
    for line in _lines(arguments, rows, expected, told, heard.telegrams):
        output.data(line)
    more = f"; {bad_lines.sum}" if bad_lines.count else ""
    unknown = f"; {counted(heard.without_address, 'telegram')} without an address" if heard.without_address else ""
    output.talk(f"{told}{unknown}{more}")
    return ExitCode.OK if result.by_state.keys() <= {"ok"} else ExitCode.SOME_FAILED


def _read(arguments: Namespace, store: LazyKeys, heard: HeardMeters, bad_lines: BadLines) -> list[HeardMeter]:
    """Decode the captures, each telegram in short where it is of a kind that is known."""
    given = tuple(arguments.key)
    formats = formats_in_use(arguments)
    keys = (lambda _: given) if given else store
    decoder = LearnedDecoder(keys, formats=formats.library, profiles=profiles_in_use(arguments))
    decoder.make_follower = FollowedDevices(store, given).follower
    ahead = None
    if all(path.is_file() for path in arguments.files):
        decoder.search_formats = ahead = SecondPass(lambda: open_captures(arguments.files), decoder)
    judge, progress = Judge(), output.Progress("telegrams")
    for item in open_captures(arguments.files):
        if ahead is not None:
            ahead.passed += 1
        if isinstance(item, CaptureEntry):
            seen = decoder.sight(item.frame)
            heard.add(seen, judge.judge(seen))
            progress.step()
        else:
            bad_lines.tell(item)
    progress.end()
    keep_formats(formats, decoder.formats)
    return list(heard.settled(decoder.decode))


def _lines(
    arguments: Namespace, rows: Sequence[ReportRow], expected: Sequence[ExpectedMeter] | None, told: str, telegrams: int
) -> Iterator[str]:
    if arguments.html:
        facts = [*_facts(arguments, expected, telegrams), ("result", told)]
        yield from report_page(arguments.title, facts, rows)
        return
    if arguments.csv:
        delimiter = "\t" if arguments.delimiter == "tab" else arguments.delimiter
        yield table_heading(delimiter)
        yield from (table_row(row, delimiter) for row in rows)
        return
    yield from map(json_row if arguments.json else text_row, rows)


def _facts(arguments: Namespace, expected: Sequence[ExpectedMeter] | None, telegrams: int) -> Iterator[tuple[str, str]]:
    """What the page says of itself, so that somebody else can make it again from the same captures."""
    yield "made", f"{utc_text(datetime.now(UTC))} UTC by {user_name() or 'an unnamed user'} with {version_text()}"
    if expected is None:
        yield "list", "none"
    elif arguments.list is not None:
        yield "list", f"{arguments.list.name}, {counted(len(expected), 'meter')}, SHA-256 {_digest(arguments.list)}"
    else:
        choice = ", ".join(f"{name} {text}" for name in ("order", "owner") if (text := getattr(arguments, name)))
        yield "list", f"keystore{': ' if choice else ''}{choice}, {counted(len(expected), 'meter')}"
    yield "telegrams", f"{telegrams}"
    for path in arguments.files:
        digest = f", SHA-256 {_digest(path)}" if path.is_file() else ""
        yield "capture", f"{'standard input' if str(path) == STDIN else path.name}{digest}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


REPORT = Command(_configure, _run)
