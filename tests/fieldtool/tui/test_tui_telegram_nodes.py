"""The tree of a telegram and the states of its bytes, without a screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldtool.tui.byte_states import ByteState, byte_states
from fieldtool.tui.screenshot import simulated_session
from fieldtool.tui.telegram_nodes import leaf_at, opened_at_first, telegram_nodes
from protocols.decode import decode
from protocols.model import Outcome, RawFrame, Telegram
from tests.fieldtool.tui.tui_scenes import address, telegram


def _assert_every_byte_has_one_leaf(one: Telegram) -> None:
    leaves = [node for node in telegram_nodes(one) if not node.branch]
    covered = [offset for leaf in leaves for offset in range(leaf.start, leaf.end)]
    assert covered == list(range(len(one.data)))
    assert len(byte_states(one)) == len(one.data)


def test_leaves_tile_what_the_simulated_meters_send() -> None:
    reception = simulated_session().reception
    telegrams = [one for row in reception.rows() for one in reception.telegrams(row.sender)]
    assert len(telegrams) > 50
    for one in telegrams:
        _assert_every_byte_has_one_leaf(one)


@given(st.binary(max_size=120))
def test_leaves_tile_any_bytes(data: bytes) -> None:
    _assert_every_byte_has_one_leaf(decode(RawFrame(data)))


def test_records_are_branches_of_the_application_layer() -> None:
    nodes = telegram_nodes(telegram(address(1)))
    record = next(node for node in nodes if node.record == 0)
    assert (record.label, record.meaning, record.start, record.end) == ("volume", "12.345 m³", 17, 23)
    assert [node.label for node in nodes if node.parents and node.parents[-1] == record.key] == ["DIF", "VIF", "data"]
    assert opened_at_first(nodes) == {record.parents[0]}


def test_keys_of_nodes_are_unique_and_the_same_in_the_next_telegram() -> None:
    first = telegram_nodes(telegram(address(1)))
    second = telegram_nodes(telegram(address(1), value="99.999", access_number=2))
    assert len({node.key for node in first}) == len(first)
    assert [node.key for node in first] == [node.key for node in second]


@pytest.mark.parametrize(("offset", "label"), [(0, "L"), (9, "A"), (15, "check bytes"), (18, "VIF"), (25, "filler")])
def test_leaf_of_a_byte(offset: int, label: str) -> None:
    leaf = leaf_at(telegram_nodes(telegram(address(1))), offset)
    assert leaf is not None
    assert leaf.label == label


def test_no_leaf_behind_the_end() -> None:
    assert leaf_at(telegram_nodes(telegram(address(1))), 26) is None


def test_states_of_bytes() -> None:
    clear, rest = [ByteState.CLEAR] * 15, 11
    assert list(byte_states(telegram(address(1)))) == clear + [ByteState.DECRYPTED] * rest
    assert list(byte_states(telegram(address(1), Outcome.NO_KEY))) == clear + [ByteState.ENCRYPTED] * rest


def test_bytes_that_stay_the_same_by_chance_are_decrypted_too() -> None:
    one = telegram(address(1))
    lucky = bytearray(one.data)
    for offset in (15, 20, 25):
        lucky[offset] = one.plain[offset]
    states = byte_states(replace(one, data=bytes(lucky)))
    assert list(states[15:]) == [ByteState.DECRYPTED] * 11
