"""What two lists of keys have in common, in order: which of the one stand for which of the other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from typing import Final, TypeAlias

Pair: TypeAlias = tuple[int, int]
"""A place in the one list and the place in the other that stands for it."""

REPEATS: Final = 64
"""How many places of a key that comes again and again are tried for each; those nearest to where it should be."""


def common(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[Pair]:
    """Return the longest run of pairs with equal keys, both places rising (Hunt and Szymanski's algorithm)."""
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(one):
        places.setdefault(key, []).append(place)
    ends: list[int] = []
    last: list[_Link] = []
    for place, key in enumerate(other):
        for candidate in reversed(_near(places.get(key, ()), place)):
            length = bisect_left(ends, candidate)
            link = _Link(candidate, place, last[length - 1] if length else None)
            if length == len(ends):
                ends.append(candidate)
                last.append(link)
            elif candidate < ends[length]:
                ends[length] = candidate
                last[length] = link
    return _chain(last[-1]) if last else []


def common_closely(one: Sequence[Sequence[Hashable]], other: Sequence[Sequence[Hashable]]) -> list[Pair]:
    """Return pairs of which the whole key is equal, and between them those of which its first part is."""
    exact = common([tuple(key) for key in one], [tuple(key) for key in other])
    pairs: list[Pair] = []
    before = (0, 0)
    for pair in (*exact, (len(one), len(other))):
        between = common(
            [key[0] for key in one[before[0] : pair[0]]],
            [key[0] for key in other[before[1] : pair[1]]],
        )
        pairs += [(before[0] + place, before[1] + further) for place, further in between]
        if pair[0] < len(one):
            pairs.append(pair)
        before = (pair[0] + 1, pair[1] + 1)
    return pairs


class _Link:
    """The last pair of a run, and the one before it."""

    __slots__ = ("before", "one", "other")

    def __init__(self, one: int, other: int, before: _Link | None) -> None:
        self.one, self.other, self.before = one, other, before


def _chain(link: _Link | None) -> list[Pair]:
    pairs = []
    while link is not None:
        pairs.append((link.one, link.other))
        link = link.before
    return pairs[::-1]


def _near(places: Sequence[int], place: int) -> Sequence[int]:
    if len(places) <= REPEATS:
        return places
    start = max(0, bisect_left(places, place) - REPEATS // 2)
    return places[start : start + REPEATS]
