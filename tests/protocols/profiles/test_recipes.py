"""Recipes that are remembered give what a recipe worked out anew gives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.model import Address, Function, Record
from protocols.profiles import apply
from protocols.profiles.apply import Interpretation, interpret
from protocols.profiles.model import Profile
from protocols.profiles.registry import shipped_profiles

PROFILES: tuple[Profile | None, ...] = (
    None,
    shipped_profiles().find(Address.of("KAM", "63001468", 0x1B, 0x16)),
    shipped_profiles().find(Address.of("QDS", "44120994", 0x35, 0x08)),
)

RECORDS = st.builds(
    Record,
    index=st.integers(0, 2),
    start=st.just(0),
    data_start=st.just(2),
    end=st.just(6),
    header=st.sampled_from([bytes.fromhex(header) for header in ("0413", "4413", "02FF20", "0B6E", "426C")]),
    data=st.binary(min_size=4, max_size=4),
    quantity=st.sampled_from(["volume", "hca_units", "info_code", "date"]),
    unit=st.sampled_from(["m3", ""]),
    value=st.integers(0, 9),
    function=st.sampled_from([Function.INSTANTANEOUS, Function.MAXIMUM]),
    storage=st.integers(0, 1),
    tariff=st.integers(0, 1),
    subunit=st.integers(0, 1),
    modifiers=st.sampled_from([(), ("standard_conform",), ("forward",)]),
    name=st.sampled_from(["", "", "total_volume"]),
)


def worked_out_anew(records: Sequence[Record], profile: Profile | None) -> Interpretation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "_known_recipe", apply.recipe_of)
        return interpret(records, None, profile)


@given(st.lists(RECORDS, max_size=4), st.lists(RECORDS, max_size=4), st.sampled_from(PROFILES))
def test_it_is_what_a_recipe_worked_out_anew_gives(
    records: list[Record], others: list[Record], profile: Profile | None
) -> None:
    for one in (records, others, records):
        assert interpret(one, None, profile) == worked_out_anew(one, profile)


def test_so_many_and_no_more_are_remembered() -> None:
    for storage in range(2 * apply.RECIPES):
        record = Record(0, 0, 2, 6, bytes.fromhex("0413"), bytes(4), "volume", "m3", 0, storage=storage)
        (reading,) = interpret([record], None, None).readings
        assert reading.storage == storage
        assert len(apply._recipes) <= apply.RECIPES
