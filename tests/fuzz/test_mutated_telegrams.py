"""200,000 mutated telegrams through the decoder; `make fuzz` is the longer run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import CONFORMANCE
from tests.fuzz.checks import check_frames
from tests.fuzz.frames import Frames, Seed, corpus_seeds, made_up_seeds

FRAMES = 200_000
PIECES = 20
FAST_PATH_EVERY = 8


@pytest.fixture(scope="module")
def seeds() -> list[Seed]:
    """The telegrams of the corpora where they are at hand, else those of the simulators and profiles."""
    folder = Path(os.environ.get("FIELDTOOL_CONFORMANCE", CONFORMANCE))
    return corpus_seeds(folder) if folder.is_dir() else made_up_seeds()


@pytest.mark.parametrize("piece", range(PIECES))
def test_mutated_telegrams(seeds: list[Seed], piece: int) -> None:
    found = check_frames(Frames(seeds, piece), FRAMES // PIECES, fast_path_every=FAST_PATH_EVERY)
    assert found.frames == FRAMES // PIECES
    assert len(found.outcomes) > 3
    assert found.sightings
