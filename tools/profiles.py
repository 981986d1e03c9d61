"""Write what is generated from the profiles: `python -m tools.profiles`, or `make profiles`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from protocols.profiles.index import collect, index_text
from protocols.profiles.model import Profile
from protocols.profiles.registry import INDEX_FILE, SUFFIX
from protocols.profiles.schema import parse_profile
from tools.readings import replaced, written

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "protocols" / "profiles" / "data"
READINGS = ROOT / "docs" / "readings.md"


def read_profiles() -> list[tuple[str, Profile]]:
    """Every shipped profile with its file's name; `ProfileError` for the first that cannot be read."""
    files = sorted(DATA.glob(f"*{SUFFIX}"))
    return [(file.name, parse_profile(file.read_text(encoding="utf-8"), file.name)) for file in files]


def generated() -> dict[Path, str]:
    """What each generated file must hold; `ProfileError` when two profiles claim one meter."""
    profiles = read_profiles()
    return {
        DATA / INDEX_FILE: index_text(collect(profiles)),
        READINGS: replaced(READINGS.read_text(encoding="utf-8"), written(profiles)),
    }


def main(argv: Sequence[str]) -> None:
    """Write the files."""
    argparse.ArgumentParser(prog="python -m tools.profiles", description=__doc__).parse_args(argv)
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
