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
from fieldtool.export.report_text import (
    NOT_KNOWN,
    TableStyle,
    Widths,
    json_row,
    sums_text,
    table_heading,
    table_row,
    text_row,
    utc_text,
)
from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.replay.capture import STDIN
from fieldtool.replay.devices import FollowedDevices
from fieldtool.replay.second_pass import SecondPass
from fieldtool.report.expected import ExpectedMeter, expected_of_file, expected_of_store
from fieldtool.report.heard import HeardMeter, HeardMeters
from fieldtool.report.in_order import in_order
from fieldtool.report.rows import ReportRow, may_not_exist, report_rows, sums
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
    marks = "of the table's numbers: comma or point (default: comma where the delimiter is ;)"
    add("--decimal", choices=("comma", "point"), help=marks)
    add_key_option(parser)
    add_profiles_option(parser)
    add_formats_option(parser)


def _run(arguments: Namespace) -> ExitCode:
    if arguments.list is not None and (arguments.order or arguments.owner):
        raise UsageError("--order and --owner choose among the meters of the store", "leave them out, or --list")
    expected = None if arguments.list is None else expected_of_file(arguments.list, output.talk)
    heard, bad_lines = HeardMeters(), BadLines()
    broken: list[InputError] = []
    with closing(LazyKeys(arguments.store, arguments.passphrase_file)) as store:
        if expected is None or not arguments.key:
            store.open()
        if expected is None:
            expected = _expected_of(arguments, store)
        met = _read(arguments, store, heard, bad_lines, broken)
        if store.reason or store.unavailable:
            output.talk(store.reason or f"keys could not be looked up: {store.unavailable}")
    if not heard.telegrams:
        if broken:
            raise broken[0]
        raise InputError("there was no telegram in what was read", "captures hold one telegram a line, in hex")
    rows = report_rows(expected, met)
    known = [row for row in rows if not may_not_exist(row)]
    result = sums(known)
    told = "; ".join((sums_text(result, has_list=expected is not None), *_asides(heard, len(rows) - len(known))))
    for line in _lines(arguments, known, expected, told, heard, broken):
        output.data(line)
    output.talk("; ".join(filter(None, (told, bad_lines.sum))))
    for error in broken:
        output.failure(error.message, error.hint)
    return ExitCode.OK if known and not broken and result.by_state.keys() <= {"ok"} else ExitCode.SOME_FAILED


def _expected_of(arguments: Namespace, store: LazyKeys) -> list[ExpectedMeter] | None:
    """The meters of the store, None where there is no store and none was asked for."""
    if store.unavailable:
        raise AccessError(f"the list of meters is in the keystore: {store.unavailable}", store.how_to_unlock)
    if store.vault is None or not store.is_open:
        if arguments.order or arguments.owner:
            raise AccessError(
                f"--order and --owner choose among the meters of a store: {store.reason}", "give a --list"
            )
        return None
    expected = expected_of_store(store.vault, arguments.order, arguments.owner)
    if not expected:
        raise InputError("the keystore has no such meter", "import its keys, or give a list with --list FILE")
    return expected


def _asides(heard: HeardMeters, doubtful: int) -> Iterator[str]:
    """What was heard and is no meter of the report."""
    if doubtful:
        yield f"{counted(doubtful, 'number')} left out that came in damaged telegrams alone"
    if heard.without_address:
        yield f"{counted(heard.without_address, 'telegram')} without an address"
    if heard.to_meters:
        yield f"{counted(heard.to_meters, 'telegram')} to meters, not of them"


def _read(
    arguments: Namespace, store: LazyKeys, heard: HeardMeters, bad_lines: BadLines, broken: list[InputError]
) -> list[HeardMeter]:
    """Decode the captures, each telegram in short where it is of a kind that is known."""
    given = tuple(arguments.key)
    formats = formats_in_use(arguments)
    keys = (lambda _: given) if given else store
    decoder = LearnedDecoder(keys, formats=formats.library, profiles=profiles_in_use(arguments))
    decoder.make_follower = FollowedDevices(store, given).follower
    ahead = None
    if all(path.is_file() for path in arguments.files):
        ahead = SecondPass(lambda: (item for item, _ in in_order(arguments.files, [])), decoder)
        decoder.search_formats = ahead
    judge, progress = Judge(), output.Progress("telegrams")
    for captured in in_order(arguments.files, broken):
        item = captured.item
        if ahead is not None:
            ahead.passed += 1
        if isinstance(item, CaptureEntry):
            seen = decoder.sight(item.frame)
            heard.add(seen, judge.judge(seen, captured.heard_at), captured.heard_at)
            progress.step()
        else:
            bad_lines.tell(item, arguments.files[captured.capture].name if len(arguments.files) > 1 else "")
    progress.end()
    keep_formats(formats, decoder.formats)
    return list(heard.settled(decoder.decode))


def _lines(
    arguments: Namespace,
    rows: Sequence[ReportRow],
    expected: Sequence[ExpectedMeter] | None,
    told: str,
    heard: HeardMeters,
    broken: Sequence[InputError],
) -> Iterator[str]:
    if arguments.html:
        cut = (("cut", error.message) for error in broken)
        facts = [*_facts(arguments, expected, heard), *cut, ("result", told)]
        yield from report_page(arguments.title, facts, rows)
        return
    if arguments.csv:
        mark = arguments.decimal or ("comma" if arguments.delimiter == ";" else "point")
        delimiter = "\t" if arguments.delimiter == "tab" else arguments.delimiter
        style = TableStyle(delimiter, "," if mark == "comma" else ".")
        yield table_heading(style)
        yield from (table_row(row, style) for row in rows)
        return
    if arguments.json:
        yield from map(json_row, rows)
        return
    widths = Widths.of(rows)
    yield from (text_row(row, widths) for row in rows)


def _facts(
    arguments: Namespace, expected: Sequence[ExpectedMeter] | None, heard: HeardMeters
) -> Iterator[tuple[str, str]]:
    """What the page says of itself, so that somebody else can make it again from the same captures."""
    yield "made", f"{utc_text(datetime.now(UTC))} UTC by {user_name() or 'an unnamed user'} with {version_text()}"
    if expected is None:
        yield "list", "none"
    elif arguments.list is not None:
        yield "list", f"{arguments.list.name}, {counted(len(expected), 'meter')}, SHA-256 {_digest(arguments.list)}"
    else:
        choice = ", ".join(f"{name} {text}" for name in ("order", "owner") if (text := getattr(arguments, name)))
        yield "list", f"keystore{': ' if choice else ''}{choice}, {counted(len(expected), 'meter')}"
    yield "telegrams", f"{heard.telegrams}"
    minutes = heard.air.listened_minutes
    if minutes:
        heard_a_minute = round(sum(heard.air.by_minute.values()) / minutes)
        busiest = max(heard.air.by_minute.values())
        yield "listened", f"{counted(minutes, 'minute')}; {heard_a_minute} telegrams a minute, {busiest} in the busiest"
    else:
        yield "listened", NOT_KNOWN
    for path in arguments.files:
        digest = f", SHA-256 {_digest(path)}" if path.is_file() else ""
        yield "capture", f"{'standard input' if str(path) == STDIN else path.name}{digest}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


REPORT = Command(_configure, _run)
