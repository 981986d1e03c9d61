"""Decoding a replay to JSON lines on one core: telegrams a second and peak memory.

    python -m benchmarks.replay [--telegrams N] [--meters N] [--seed N] [--rounds N]

The replay is written to a file first, with made-up keys; only reading, decoding and writing JSON is measured, each
round in a process of its own, as `fieldtool replay --json` does it. The best round counts.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks import telegrams as made
from fieldtool.replay.capture import open_capture
from fieldtool.replay.run import Shown, replay
from protocols.captures.hex_lines import format_line
from protocols.learned import LearnedDecoder

TELEGRAMS = 20_000
METERS = 50
SEED = 13757
ROUNDS = 3
DARWIN_BYTES = sys.platform == "darwin"
"""macOS tells the peak memory in bytes, others in KiB."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a telegram did not decode."""
    parser = ArgumentParser(prog="python -m benchmarks.replay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--telegrams", type=int, default=TELEGRAMS, help=f"how many (default: {TELEGRAMS})")
    parser.add_argument("--meters", type=int, default=METERS, help=f"of how many meters (default: {METERS})")
    parser.add_argument("--seed", type=int, default=SEED, help="of the made-up meters")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"the best counts (default: {ROUNDS})")
    parser.add_argument("--measure", type=Path, help="only measure this capture, and print the figures as JSON")
    arguments = parser.parse_args(argv)
    if arguments.measure is not None:
        print(json.dumps(_measure(arguments.measure, arguments.meters, arguments.seed)))
        return 0
    with tempfile.TemporaryDirectory(prefix="fieldtool-bench-") as folder:
        capture = Path(folder) / "replay.hex"
        size = _write(capture, arguments.telegrams, arguments.meters, arguments.seed)
        print(f"replay: {arguments.telegrams} encrypted telegrams of {arguments.meters} meters, {size / 1e6:.1f} MB")
        rounds = [_in_a_process(capture, arguments.meters, arguments.seed) for _ in range(arguments.rounds)]
    best = max(rounds, key=lambda figures: figures["per_second"])
    others = ", ".join(f"{figures['per_second']:.0f}" for figures in rounds)
    peak = f"{best['peak_mb']:.0f} MB" if best["peak_mb"] else "not known on this system"
    print(f"decoded to JSON lines on one core: {best['per_second']:.0f} telegrams a second (rounds: {others})")
    print(f"peak memory: {peak}; JSON: {best['json_mb']:.1f} MB; Python {platform.python_version()}")
    print(f"outcomes: {best['ok']:.0f} ok, {best['failed']:.0f} others")
    return 1 if best["failed"] else 0


def _write(capture: Path, count: int, meters: int, seed: int) -> int:
    with capture.open("w", encoding="ascii", newline="\n") as file:
        for frame in made.frames(made.scenario(meters, seed).meters, count):
            file.write(f"{format_line(frame)}\n")
    return capture.stat().st_size


def _in_a_process(capture: Path, meters: int, seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.replay", "--measure", str(capture)]
    command += ["--meters", str(meters), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[1])
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _measure(capture: Path, meters: int, seed: int) -> dict[str, float]:
    keys = made.keys(made.scenario(meters, seed).meters)
    decoder = LearnedDecoder(lambda address: keys.get(address.number, ()))
    outcomes: Counter[str] = Counter()
    written = 0
    with Path(os.devnull).open("w", encoding="ascii") as out:
        began = time.perf_counter()
        for result in replay(open_capture(capture), decoder, "json"):
            if isinstance(result, Shown):
                outcomes[result.outcome] += 1
                written += out.write(f"{result.text}\n")
        took_s = time.perf_counter() - began
    ok = outcomes["ok"]
    return {
        "per_second": outcomes.total() / took_s,
        "peak_mb": _peak_mb(),
        "json_mb": written / 1e6,
        "ok": ok,
        "failed": outcomes.total() - ok,
    }


def _peak_mb() -> float:
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if DARWIN_BYTES else peak / 1e3


if __name__ == "__main__":
    sys.exit(main())
