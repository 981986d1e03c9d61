"""The option `--against GOLDEN` of `replay`: what differs is shown instead of the telegrams."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldtool.cli import output
from fieldtool.cli.bad_lines import BadLines
from fieldtool.errors import FieldToolError, UsageError
from fieldtool.replay.block_replay import Replayed
from fieldtool.replay.golden import Comparison, Difference
from fieldtool.replay.golden_file import GoldenFile, open_golden
from fieldtool.replay.golden_members import Ignored
from fieldtool.replay.golden_report import SHOWN, AsJson, InWords, Sums
from protocols.captures.model import BadLine
from protocols.text import safe_text

GOLDEN_LINE = "golden line"


def add_against_option(parser: ArgumentParser) -> None:
    """Add `--against GOLDEN` and what goes with it."""
    group = parser.add_argument_group("comparison with a golden")
    group.add_argument(
        "--against",
        metavar="GOLDEN",
        help="compare with what `replay --json` wrote before, and print what differs; exit code 1 when anything does",
    )
    group.add_argument(
        "--ignore",
        action="append",
        default=[],
        type=_member,
        metavar="MEMBER",
        help="leave a member out: verdict, received.source, readings.flow_temperature, readings.*.source; repeatable",
    )
    group.add_argument(
        "--all-differences", action="store_true", help=f"print all, not {SHOWN} of a kind; --json always prints all"
    )


def _member(text: str) -> str:
    if not all(text.split(".")):
        raise ArgumentTypeError("must be the name of a member, as in verdict or received.source")
    return text


class Against:
    """A comparison under way: takes text, prints what differs, and sums up."""

    def __init__(self, golden: GoldenFile, arguments: Namespace) -> None:
        self._as_json: bool = arguments.json
        self._report = AsJson() if arguments.json else InWords(None if arguments.all_differences else SHOWN)
        self._ignored = Ignored(arguments.ignore)
        self._comparison = Comparison(golden, self._ignored, self._tell, self._tell_bad)
        self._sums = Sums()
        self._lines: list[str] = []
        self._bad_lines = BadLines()

    def take(self, replayed: Replayed) -> None:
        """Compare what was replayed, a line of JSON a telegram, and print what differs."""
        self._comparison.add(replayed.text, replayed.outcomes.total())
        self._print()

    def end(self) -> None:
        """Compare what is left, and sum up."""
        self._comparison.end()
        self.sum_up(whole=True)

    def sum_up(self, *, whole: bool) -> None:
        """Print the sums of what was compared so far."""
        self._lines += self._report.summary(self._sums, self._comparison.equal, whole=whole)
        self._print()
        if self._sums.is_of_another_capture and not self._comparison.equal:
            output.talk("no telegram of the golden is in what was replayed: is it that of another capture?")
        if self._comparison.in_full:
            for name in self._ignored.unseen:
                output.talk(f"--ignore {safe_text(name)}: no telegram that was looked into has it; check the name")

    @property
    def all_equal(self) -> bool:
        """True when nothing differed."""
        return self._sums.all_equal

    @property
    def begun(self) -> bool:
        """True when there was something to compare."""
        return self._comparison.begun

    def _tell(self, difference: Difference) -> None:
        self._sums.add(difference)
        self._lines += self._report.lines(difference)

    def _tell_bad(self, number: int, problem: str) -> None:
        self._sums.unreadable += 1
        self._bad_lines.tell(BadLine(number, problem, GOLDEN_LINE))

    def _print(self) -> None:
        if self._lines:
            text = "\n".join([*self._lines, ""])
            self._lines.clear()
            output.data_lines([text.encode()], ascii_only=self._as_json)


@contextmanager
def compared(arguments: Namespace, captures: Iterable[Path]) -> Iterator[Against | None]:
    """Open the golden that was asked for, and sum up in the end, whatever ended the replay; None without one.

    Raises `InputError` where the golden is none.
    """
    if arguments.against is None:
        if arguments.ignore or arguments.all_differences:
            raise UsageError("--ignore and --all-differences belong to --against", "name the golden to compare with")
        yield None
        return
    with open_golden(Path(arguments.against), captures) as golden:
        against = Against(golden, arguments)
        try:
            yield against
            if against.begun:
                against.end()
        except (KeyboardInterrupt, FieldToolError):
            if against.begun:
                against.sum_up(whole=False)
            raise
