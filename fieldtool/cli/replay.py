"""`fieldtool replay`: captures from files."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.formats_option import add_formats_option, formats_in_use, keep_formats
from fieldtool.cli.keys_option import add_key_option
from fieldtool.cli.profiles_option import add_profiles_option, profiles_in_use
from fieldtool.errors import InputError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.lines import outcome_text
from fieldtool.lazy_keys import LazyKeys
from fieldtool.replay.capture import STDIN, open_capture
from fieldtool.replay.run import Again, DecoderSource, Shown, Tally, paced, replay, replay_in_processes, tallied
from protocols.captures.model import BadLine, CaptureItem
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.model import Outcome

AS_FAST_AS_POSSIBLE = 0.0
BAD_LINES_SHOWN = 10
WORTH_A_RATE = 1000
"""Fewer telegrams than these take less time than unlocking the store."""

MAX_JOBS = 64


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="capture, one telegram a line in hex; - is stdin")
    parser.add_argument("--json", action="store_true", help="print one JSON object a telegram")
    parser.add_argument(
        "--speed", type=_speed, default=AS_FAST_AS_POSSIBLE, metavar="max|real|FACTOR", help="how fast (default: max)"
    )
    parser.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="processes to decode with (default: 1)")
    parser.add_argument(
        "--second-pass",
        action=BooleanOptionalAction,
        default=True,
        help="read compact frames also when the full frame of their format comes later (default; not for stdin)",
    )
    add_key_option(parser)
    add_profiles_option(parser)
    add_formats_option(parser)


def _speed(text: str) -> float:
    named = {"max": AS_FAST_AS_POSSIBLE, "real": 1.0}
    if text in named:
        return named[text]
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1e6:
        raise ArgumentTypeError("must be max, real, or a factor above zero")
    return factor


def _jobs(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 and 1 <= int(text) <= MAX_JOBS):
        raise ArgumentTypeError(f"must be a number of processes, 1 to {MAX_JOBS}")
    return int(text)


def _run(arguments: Namespace) -> ExitCode:
    files = [Path(name) for name in arguments.files]
    for path in files:
        if str(path) != STDIN and not path.is_file():
            raise InputError(f"{path}: there is no such file", "check the name")
    tally = Tally()
    began = time.monotonic()
    formats = formats_in_use(arguments)
    with closing(LazyKeys(arguments.store, arguments.passphrase_file)) as store:
        decoder = _decoder(arguments, store, formats.library)
        for result in tallied(_results(arguments, files, store, decoder), tally):
            if isinstance(result, BadLine):
                _talk_of_bad_line(result, tally)
            else:
                output.data(result.text)
        if store.reason:
            output.talk(store.reason)
    keep_formats(formats, decoder.formats)
    _sum_up(tally, time.monotonic() - began)
    if not tally.telegrams:
        raise InputError("there was no telegram in what was read", "captures hold one telegram a line, in hex")
    return ExitCode.OK if tally.all_well else ExitCode.SOME_FAILED


def _decoder(arguments: Namespace, store: LazyKeys, formats: FormatLibrary) -> LearnedDecoder:
    given = tuple(arguments.key)
    return LearnedDecoder((lambda _: given) if given else store, formats=formats, profiles=profiles_in_use(arguments))


def _results(
    arguments: Namespace, files: list[Path], store: LazyKeys, decoder: LearnedDecoder
) -> Iterator[Shown | BadLine]:
    form = "json" if arguments.json else "lines"
    items = _items(files)
    again = _again(files) if arguments.second_pass else None
    if arguments.jobs == 1:
        if arguments.speed != AS_FAST_AS_POSSIBLE:
            items = paced(items, arguments.speed)
        return replay(items, decoder, form, again)
    if arguments.speed != AS_FAST_AS_POSSIBLE:
        raise UsageError("--speed and --jobs exclude each other", "several processes decode as fast as they can")
    given = tuple(arguments.key)
    if not given:
        # Each process opens the store itself; if that cannot work, say so before they start.
        store.open()
        if store.is_open and not store.has_passphrase_file:
            raise UsageError("--jobs needs the passphrase from a file", "give --passphrase-file FILE")
    source = DecoderSource(given, arguments.store, arguments.passphrase_file, arguments.profiles, decoder.formats)
    return replay_in_processes(items, arguments.jobs, source, form, again=again, here=decoder)


def _again(files: list[Path]) -> Again | None:
    """What opens the same files once more; standard input can be read only once."""
    if any(str(path) == STDIN for path in files):
        return None
    return lambda: chain.from_iterable(map(open_capture, files))


def _items(files: list[Path]) -> Iterator[CaptureItem]:
    sizes = [path.stat().st_size if str(path) != STDIN else 0 for path in files]
    whole = sum(sizes) if all(sizes) else 0
    progress = output.Progress("telegrams")
    read = 0

    def more(count: int) -> None:
        nonlocal read
        read += count
        progress.step(read / whole if whole else None)

    for path in files:
        yield from open_capture(path, more)
    progress.end()


def _talk_of_bad_line(bad: BadLine, tally: Tally) -> None:
    if tally.bad_lines <= BAD_LINES_SHOWN:
        output.talk(f"line {bad.line}: {bad.problem}")
    elif tally.bad_lines == BAD_LINES_SHOWN + 1:
        output.talk("further lines without a telegram are only counted")


def _sum_up(tally: Tally, took_s: float) -> None:
    outcomes = ", ".join(
        f"{tally.by_outcome[outcome]} {outcome_text(outcome)[2:]}" for outcome in Outcome if tally.by_outcome[outcome]
    )
    bad = f"; {tally.bad_lines} lines held no telegram" if tally.bad_lines else ""
    speed = f", {tally.telegrams / took_s:.0f} a second" if tally.telegrams >= WORTH_A_RATE else ""
    output.talk(f"{tally.telegrams} telegrams: {outcomes or 'none'}{bad}; {took_s:.1f} s{speed}")


REPLAY = Command(_configure, _run)
