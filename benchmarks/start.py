"""How long the command line takes to start, and to decode one telegram.

python -m benchmarks.start [--rounds N]
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from benchmarks.measure import best, run

ROUNDS = 7

# OMS Vol. 2, Annex N.2.1: gas meter, security mode 5.
GAS = "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
GAS_KEY = "0102030405060708090A0B0C0D0E0F11"

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("decode", GAS, "--key", GAS_KEY),
    ("decode", GAS, "--key", GAS_KEY, "--json"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = ArgumentParser(prog="python -m benchmarks.start", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"the best counts (default: {ROUNDS})")
    asked = parser.parse_args(argv)
    for command in COMMANDS:
        run(command)  # the first one writes the byte code
        cost = best([run(command) for _ in range(asked.rounds)])
        words = " ".join(word if len(word) < 20 else "HEX" for word in command)
        cpu = "" if cost.cpu_s is None else f", {cost.cpu_s:.2f} s of processor time"
        print(f"fieldtool {words}: {cost.wall_s:.2f} s{cpu}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
