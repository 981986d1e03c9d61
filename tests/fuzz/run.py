"""Fuzz the decoder: `make fuzz`, or

    python -m tests.fuzz.run [--frames N] [--jobs N] [--seed N] [--corpus FOLDER]

Mutated and made-up frames, a million by default, through the general and the fast path. Exit: 0 nothing broke, 1 a
frame broke a rule; it is printed in hex. The same seed gives the same frames.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from protocols.model import Outcome
from tests.fuzz.checks import Broken, Findings, check_frames
from tests.fuzz.frames import Frames, corpus_seeds, made_up_seeds

FRAMES = 1_000_000
PIECE = 25_000
"""Frames that one process checks at a time, with a seed of their own."""

SEED = 13757
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "conformance"


def check_piece(seed: int, count: int, corpus: Path | None) -> Findings:
    """Check some frames."""
    seeds = made_up_seeds() + ([] if corpus is None else corpus_seeds(corpus))
    return check_frames(Frames(seeds, seed), count)


def main(argv: Sequence[str] | None = None) -> int:
    """Check all frames in several processes, and print what they came to."""
    parser = ArgumentParser(prog="python -m tests.fuzz.run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"how many (default: {FRAMES})")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the first {PIECE} frames (default: {SEED})")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="folder of corpora to mutate, if it is there")
    asked = parser.parse_args(argv)
    corpus = asked.corpus if asked.corpus.is_dir() else None
    pieces = [
        (asked.seed + number, min(PIECE, asked.frames - first), corpus)
        for number, first in enumerate(range(0, asked.frames, PIECE))
    ]
    began, found = time.monotonic(), Findings()
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        try:
            for piece in pool.imap_unordered(_check_piece, pieces):
                found.join(piece)
                sys.stderr.write(f"\r{found.frames} frames")
                sys.stderr.flush()
        except Broken as broken:
            sys.stderr.write(f"\r{broken}\n")
            return 1
    sys.stderr.write("\r")
    print(_summary(found, time.monotonic() - began))
    return 0


def _check_piece(piece: tuple[int, int, Path | None]) -> Findings:
    return check_piece(*piece)


def _summary(found: Findings, took_s: float) -> str:
    outcomes = ", ".join(f"{found.outcomes[outcome]} {outcome}" for outcome in Outcome if found.outcomes[outcome])
    return (
        f"{found.frames} frames in {took_s:.0f} s, nothing broke: {outcomes}\n"
        f"{found.sightings} of them by the fast path, letter by letter as by the general path\n"
        f"slowest: {found.slowest_s * 1000:.2f} ms of processor time, {found.slowest.hex().upper()}\n"
        f"most memory: {found.largest / 1000:.0f} kB"
    )


if __name__ == "__main__":
    sys.exit(main())
