"""`make fuzz-import`: read a million changed key files of all formats, in as many processes as there are processors."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from itertools import islice

from tests.fuzz.key_file_checks import Findings, check_files
from tests.fuzz.key_files import cases

FILES = 1_000_000
PART = 5_000
"""Files of one seed number; a rule that is broken is found again with that number."""


def main() -> int:
    """Print what was found; raises `Broken` at the first file that breaks a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--seed", type=int, default=0, help="number of the first part")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    found = Findings()
    parts = range(arguments.seed, arguments.seed + -(-arguments.files // PART))
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        for part in pool.imap_unordered(_check, parts):
            found.join(part)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{found.files} files ")
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.most_common())
    sys.stdout.write(
        f"{found.files} files with {found.rows} rows in {time.perf_counter() - began:.0f} s: {outcomes}\n"
        f"slowest {found.slowest_s:.3f} s ({found.slowest}), largest {found.largest / 1e6:.1f} MB\n"
    )
    return 0


def _check(seed: int) -> Findings:
    return check_files(islice(cases(seed), PART))


if __name__ == "__main__":
    sys.exit(main())
