"""One run of the program as a user starts it: how long it took, what it cost, how much memory it had at most."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEAK_IN_BYTES = sys.platform == "darwin"
"""macOS tells the peak memory in bytes, others in KiB."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall time and processor time of a command with all its processes, and the peak memory of the largest of them.

    Processor time and memory are None where the system does not tell them (Windows). `talk` is its standard error.
    """

    wall_s: float
    cpu_s: float | None
    peak_mb: float | None
    talk: str


def run(arguments: Sequence[str]) -> Cost:
    """Run `fieldtool` with these arguments, its output thrown away; raises `SystemExit` when it fails."""
    command = [sys.executable, "-m", "fieldtool", *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as talk, Path(os.devnull).open("wb") as nowhere:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=nowhere, stderr=talk)
        cpu_s = peak_mb = None
        if hasattr(os, "wait4"):
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu_s = used.ru_utime + used.ru_stime
            peak_mb = used.ru_maxrss / (1e6 if PEAK_IN_BYTES else 1e3)
        else:
            process.wait()
        wall_s = time.perf_counter() - began
        talk.seek(0)
        said = talk.read()
    if process.returncode:
        raise SystemExit(f"fieldtool {' '.join(arguments)}: exit code {process.returncode}\n{said}")
    return Cost(wall_s, cpu_s, peak_mb, said)


def best(costs: Sequence[Cost]) -> Cost:
    """Return the smallest figures of several runs, each by itself: what else the machine did only adds."""
    cpu = [cost.cpu_s for cost in costs if cost.cpu_s is not None]
    peaks = [cost.peak_mb for cost in costs if cost.peak_mb is not None]
    return Cost(
        min(cost.wall_s for cost in costs),
        min(cpu) if cpu else None,
        max(peaks) if peaks else None,
        costs[0].talk,
    )
