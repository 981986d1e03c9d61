"""The radio modes that a stick can be asked for, as they stand in an address: `c1,t1`."""

from __future__ import annotations

from collections.abc import Collection


def normal_mode(mode: str, known: Collection[str]) -> str:
    """Return the modes of a comma separated list as `known` has them; `ValueError` names the known ones."""
    wanted = {part.strip().lower() for part in mode.split(",") if part.strip()}
    for name in known:
        if set(name.split(",")) == wanted:
            return name
    raise ValueError(f"unknown link mode {mode!r}; known: {', '.join(sorted(known))}")
