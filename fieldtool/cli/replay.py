"""`fieldtool replay`: captures from files."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from fieldtool.cli import output
from fieldtool.cli.against_option import add_against_option, compared
from fieldtool.cli.bad_lines import BadLines
from fieldtool.cli.command import Command
from fieldtool.cli.formats_option import add_formats_option, formats_in_use, keep_formats
from fieldtool.cli.keys_option import add_key_option
from fieldtool.cli.profiles_option import add_profiles_option, profiles_in_use
from fieldtool.errors import InputError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.lines import outcome_text
from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.replay.block_replay import TELEGRAMS_BY_METER, BlockReplay, Replayed
from fieldtool.replay.capture import STDIN, Block, open_blocks, open_capture, open_captures
from fieldtool.replay.devices import FollowedDevices
from fieldtool.replay.memory import settled
from fieldtool.replay.processes import replay_in_processes
from fieldtool.replay.run import Tally, paced
from fieldtool.replay.second_pass import SecondPass
from fieldtool.replay.worker import Task
from protocols.captures.model import CaptureItem
from protocols.learned import LearnedDecoder
from protocols.mbus.compact import FormatLibrary
from protocols.model import KeyLookup, Outcome
from protocols.plural import counted

AS_FAST_AS_POSSIBLE = 0.0
WORTH_A_RATE = 1000
"""Fewer telegrams than these take less time than unlocking the store."""

MAX_JOBS = 64


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="capture, one telegram a line in hex, or JSON; - is stdin"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a telegram")
    parser.add_argument(
        "--speed", type=_speed, default=AS_FAST_AS_POSSIBLE, metavar="max|real|FACTOR", help="how fast (default: max)"
    )
    parser.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="processes to decode with (default: 1)")
    parser.add_argument(
        "--second-pass",
        action=BooleanOptionalAction,
        default=True,
        help="read compact frames also when the full frame of their format comes later (default; not for pipes)",
    )
    add_key_option(parser)
    add_profiles_option(parser)
    add_formats_option(parser)
    add_against_option(parser)


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
        if str(path) != STDIN and not path.exists():
            raise InputError(f"{path}: there is no such file", "check the name")
        if path.is_dir():
            raise InputError(f"{path} is a folder", "name the captures in it")
    tally, bad_lines = Tally(), BadLines()
    began = time.monotonic()
    formats = formats_in_use(arguments)
    with (
        settled(),
        closing(LazyKeys(arguments.store, arguments.passphrase_file, all_at_hand=True)) as store,
        compared(arguments, files) as against,
    ):
        devices = FollowedDevices(store, arguments.key)
        decoder = _decoder(arguments, store, formats.library)
        decoder.make_follower = devices.follower
        reading = _Reading(files)
        for replayed in _replayed(arguments, reading, decoder):
            if against is None:
                output.data_lines(replayed.text, ascii_only=arguments.json)
            else:
                against.take(replayed)
            tally.add(replayed)
            reading.show(replayed.outcomes.total())
            for line in replayed.bad_lines:
                bad_lines.tell(line)
        reading.end()
        devices.keep()
        if store.reason:
            output.talk(store.reason)
    keep_formats(formats, decoder.formats)
    _sum_up(tally, bad_lines, time.monotonic() - began)
    if not tally.telegrams:
        raise InputError("there was no telegram in what was read", "captures hold one telegram a line, in hex")
    if against is not None:
        return ExitCode.OK if against.all_equal else ExitCode.SOME_FAILED
    return ExitCode.OK if tally.all_well and not bad_lines.count else ExitCode.SOME_FAILED


def _decoder(arguments: Namespace, store: LazyKeys, formats: FormatLibrary) -> LearnedDecoder:
    given = tuple(arguments.key)
    keys: KeyLookup = (lambda _: given) if given else store
    return LearnedDecoder(keys, formats=formats, profiles=profiles_in_use(arguments))


class _Reading:
    """The files, and how far they were read."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self.from_pipe = any(str(path) == STDIN or not path.is_file() for path in files)
        self._whole = 0 if self.from_pipe else sum(path.stat().st_size for path in files)
        self._read = 0
        self._progress = output.Progress("telegrams")

    def blocks(self) -> Iterator[Block]:
        """All files in blocks of lines."""
        for path in self.files:
            yield from open_blocks(path, self._count)

    def items(self) -> Iterator[CaptureItem]:
        """All files, line by line."""
        for path in self.files:
            yield from open_capture(path, self._count)

    def _count(self, size: int) -> None:
        self._read += size

    def show(self, telegrams: int) -> None:
        """Show that so many more telegrams were decoded."""
        self._progress.step(self._read / self._whole if self._whole else None, telegrams)

    def end(self) -> None:
        """Wipe what was shown."""
        self._progress.end()


def _replayed(arguments: Namespace, reading: _Reading, decoder: LearnedDecoder) -> Iterator[Replayed]:
    form = "lines" if arguments.against is None and not arguments.json else "json"
    # A pipe can be read only once.
    again = tuple(reading.files) if arguments.second_pass and not reading.from_pipe else None
    if arguments.jobs == 1:
        ahead = None if again is None else SecondPass(lambda: open_captures(again), decoder)
        decoder.search_formats = ahead
        replay = BlockReplay(decoder, form, ahead=ahead, by_meter=0 if ahead is None else TELEGRAMS_BY_METER)
        if arguments.speed == AS_FAST_AS_POSSIBLE:
            yield from replay.replay_all(reading.blocks())
        else:
            yield from map(replay.replay_item, paced(reading.items(), arguments.speed))
        return
    if arguments.speed != AS_FAST_AS_POSSIBLE:
        raise UsageError("--speed and --jobs exclude each other", "several processes decode as fast as they can")
    by_meter = 0 if again is None else TELEGRAMS_BY_METER // arguments.jobs
    task = Task(form, tuple(arguments.key), arguments.profiles, decoder.formats, again, by_meter)
    blocks, one_at_a_time = reading.blocks(), reading.from_pipe
    for replayed, formats in replay_in_processes(
        blocks,
        arguments.jobs,
        task,
        decoder.keys,
        one_at_a_time=one_at_a_time,
        make_follower=decoder.make_follower,
    ):
        decoder.formats = formats
        yield replayed


def _sum_up(tally: Tally, bad_lines: BadLines, took_s: float) -> None:
    outcomes = ", ".join(
        f"{tally.by_outcome[outcome]} {outcome_text(outcome)[2:]}" for outcome in Outcome if tally.by_outcome[outcome]
    )
    bad = f"; {bad_lines.sum}" if bad_lines.count else ""
    speed = f", {tally.telegrams / took_s:.0f} a second" if tally.telegrams >= WORTH_A_RATE else ""
    output.talk(f"{counted(tally.telegrams, 'telegram')}: {outcomes or 'none'}{bad}; {took_s:.1f} s{speed}")


REPLAY = Command(_configure, _run)
