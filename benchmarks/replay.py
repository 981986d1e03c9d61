"""`fieldtool replay --json` over made-up captures: telegrams a second and peak memory.

    python -m benchmarks.replay [--telegrams N ...] [--meters N ...] [--jobs N ...] [--rounds N] [--seed N]

Every figure is that of the whole command, the keystore with all keys included, with its output thrown away. The
rates leave out what the same command takes for a single telegram: starting Python and unlocking the keystore. The
best of several rounds counts; on a machine that has other things to do, the processor time tells more than the clock.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import telegrams as made
from benchmarks.measure import Cost, best, run

TELEGRAMS = (20_000,)
METERS = (50, 5_000)
JOBS = (1, 2)
SEED = 13757
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; the rates are telegrams a second, by the clock and by processor time."""

    telegrams: int
    meters: int
    jobs: int
    start: Cost
    whole: Cost

    @property
    def by_clock(self) -> float:
        """Telegrams a second of wall time."""
        return self.telegrams / (self.whole.wall_s - self.start.wall_s)

    @property
    def by_processor(self) -> float | None:
        """Telegrams a second of processor time, all processes together."""
        if self.whole.cpu_s is None or self.start.cpu_s is None:
            return None
        return self.telegrams / (self.whole.cpu_s - self.start.cpu_s)


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table before it is measured: the command for the capture, and for a single telegram of it."""

    telegrams: int
    meters: int
    jobs: int
    whole: tuple[str, ...]
    single: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table, and how its lines compare."""
    parser = ArgumentParser(prog="python -m benchmarks.replay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--telegrams", type=int, nargs="+", default=TELEGRAMS, help=f"how many (default: {TELEGRAMS})")
    parser.add_argument("--meters", type=int, nargs="+", default=METERS, help=f"of how many meters (default: {METERS})")
    parser.add_argument("--jobs", type=int, nargs="+", default=JOBS, help=f"with so many processes (default: {JOBS})")
    parser.add_argument("--seed", type=int, default=SEED, help="of the made-up meters")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"the best counts (default: {ROUNDS})")
    asked = parser.parse_args(argv)
    print(f"fieldtool replay --json: 30 % clear, 54 % mode 5, 16 % ELL CTR; Python {platform.python_version()}")
    print(f"{'telegrams':>10}{'meters':>8}{'jobs':>6}{'whole s':>10}{'cpu s':>9}{'start s':>9}", end="")
    print(f"{'a second':>11}{'a cpu second':>14}{'peak MB':>9}")
    with tempfile.TemporaryDirectory(prefix="fieldtool-bench-") as folder:
        for telegrams in asked.telegrams:
            cases = [
                case
                for meters in asked.meters
                for case in _cases(Path(folder) / f"{telegrams} of {meters}", telegrams, meters, asked.jobs, asked.seed)
            ]
            rows = measure(cases, asked.rounds)
            for row in rows:
                _show(row)
            _compare(rows)
    return 0


def measure(cases: Sequence[Case], rounds: int) -> list[Row]:
    """Measure each case once a round, one after the other, so that they share what else the machine is doing."""
    starts: list[list[Cost]] = [[] for _ in cases]
    wholes: list[list[Cost]] = [[] for _ in cases]
    for _ in range(rounds):
        for place, case in enumerate(cases):
            starts[place].append(run(case.single))
            wholes[place].append(run(case.whole))
    return [
        Row(case.telegrams, case.meters, case.jobs, best(start), best(whole))
        for case, start, whole in zip(cases, starts, wholes, strict=True)
    ]


def _cases(folder: Path, telegrams: int, meters: int, jobs: Sequence[int], seed: int) -> Iterator[Case]:
    folder.mkdir()
    capture, single = folder / "replay.hex", folder / "single.hex"
    store, passphrase_file = folder / "keys.vault", folder / "passphrase"
    simulated = made.scenario(meters, seed).meters
    made.write_capture(capture, simulated, telegrams)
    encrypted = next(meter for meter in simulated if meter.key is not None)
    made.write_capture(single, (encrypted,), 1)
    made.write_store(store, passphrase_file, simulated)
    for count in jobs:
        options = ("--json", "--store", str(store), "--passphrase-file", str(passphrase_file), "--jobs", str(count))
        yield Case(telegrams, meters, count, ("replay", str(capture), *options), ("replay", str(single), *options))


def _show(row: Row) -> None:
    print(f"{row.telegrams:>10}{row.meters:>8}{row.jobs:>6}{row.whole.wall_s:>10.2f}", end="")
    print(f"{_figure(row.whole.cpu_s, 9, 2)}{row.start.wall_s:>9.2f}{row.by_clock:>11.0f}", end="")
    print(f"{_figure(row.by_processor, 14, 0)}{_figure(row.whole.peak_mb, 9, 0)}", flush=True)


def _compare(rows: Sequence[Row]) -> None:
    """Say how many meters and several processes compare with few and one."""
    by_case = {(row.meters, row.jobs): row for row in rows}
    few, one = rows[0].meters, rows[0].jobs
    for (meters, jobs), row in by_case.items():
        if jobs == one and meters != few:
            first = by_case[few, one]
            ratio = (
                ""
                if row.by_processor is None or first.by_processor is None
                else (f", {row.by_processor / first.by_processor:.2f} by processor time")
            )
            print(f"{meters} meters against {few}: {row.by_clock / first.by_clock:.2f} of the rate by the clock{ratio}")
        if jobs != one:
            print(
                f"{meters} meters, {jobs} jobs against {one}: {row.by_clock / by_case[meters, one].by_clock:.2f} times"
            )


def _figure(number: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if number is None else f"{number:>{width}.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
