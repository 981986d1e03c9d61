"""From a payload's records to readings, quickly: payloads of one layout share what their headers decide.

The result is that of `protocols.profiles.apply.interpret`, which is the definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from protocols.model import Reading, Record, Status
from protocols.profiles.apply import Interpretation, Recipe, generic_name, recipe_of
from protocols.profiles.model import Profile

LAYOUTS_KEPT = 512


@dataclass(frozen=True, slots=True)
class _Layout:
    """Everything of records that names depend on, with records of this layout to work them out from."""

    profile: str
    places: tuple[tuple[bytes, str, str, str, int, int], ...]
    records: tuple[Record, ...] = field(compare=False, repr=False)
    rules: Profile = field(compare=False, repr=False)


@lru_cache(maxsize=LAYOUTS_KEPT)
def _recipe(layout: _Layout) -> Recipe:
    return recipe_of(layout.records, layout.rules)


def named(records: tuple[Record, ...], status: Status | None, rules: Profile | None) -> Interpretation:
    """Name every record, by the rules where there are some."""
    if rules is None:
        return Interpretation(tuple([_as_it_is(record) for record in records]), status, None)
    places = tuple([(r.header, r.name, r.quantity, r.unit, r.storage, r.index) for r in records])
    recipe = _recipe(_Layout(rules.name, places, records, rules))
    readings = []
    for planned in recipe.readings:
        record = records[planned.position]
        readings.append(planned.filled((record.value, record.quality), record.data))
    return Interpretation(tuple(readings), recipe.status(status, _data(records)), rules.name)


def _data(records: Sequence[Record]) -> list[bytes]:
    return [record.data for record in records]


def _as_it_is(record: Record) -> Reading:
    """A record under the name that its decoder gave it, else that of its quantity."""
    return Reading(
        record.name or generic_name(record),
        record.value,
        record.unit,
        record.quantity,
        record.function,
        record.storage,
        record.tariff,
        record.subunit,
        record.source if record.header else "",
        record.quality,
        record.index,
    )
