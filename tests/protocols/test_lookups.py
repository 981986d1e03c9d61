"""What look-ups offer besides keys is asked of them in one way, whatever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from fieldtool.keys.lazy_keys import LazyKeys
from fieldtool.keys.lorawan_keys import FiledLorawanKeys
from protocols.decode import decode, no_keys
from protocols.lookups import (
    HasKeysAtHand,
    KnowsRevoked,
    Lockable,
    LooksUpMany,
    Unavailable,
    keys_at_hand,
    keys_of_many,
    revoked_keys,
    why_unavailable,
)
from protocols.lorawan.diagnosis import why_no_key
from protocols.lorawan.keys import GivenKeys
from protocols.model import Address, Key, RungState, Telegram

GAS_HEX = "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3"
"""OMS Volume 2, Annex N.2.1: a gas meter in mode 5."""


@dataclass
class Store:
    """A look-up that has no key, and knows why."""

    unavailable: str = ""
    how_to_unlock: str = ""

    def __call__(self, address: Address) -> Sequence[Key]:
        return ()

    def revoked(self, whose: Address) -> Sequence[str]:
        return ("1A2B3C",) if whose.number == "12345678" else ()


def next_of(telegram: Telegram) -> str | None:
    """What is to be done first."""
    return next(step.next for step in telegram.verdict if step.state is RungState.FAILED)


def test_the_look_ups_of_the_tool_offer_all_of_it() -> None:
    lazy = LazyKeys(None, None)
    filed = FiledLorawanKeys(lambda _: (), lazy)
    lockable: list[Lockable] = [lazy, filed]
    meters: KnowsRevoked[Address] = lazy
    devices: KnowsRevoked[str] = filed
    assert [why_unavailable(one) for one in lockable] == [None, None]
    lazy.unavailable, lazy.how_to_unlock = "store locked", "press u"
    assert [why_unavailable(one) for one in lockable] == [Unavailable("store locked", "press u")] * 2
    assert revoked_keys(meters, Address.of("SIM", "12345678", 1, 7)) == ()
    many: LooksUpMany = lazy
    assert keys_of_many(many, [Address.of("SIM", "12345678", 1, 7)]) == {}
    assert revoked_keys(devices, "8c83fc0500000001") == ()


@pytest.mark.parametrize("keys", [no_keys, GivenKeys(), lambda _: ()], ids=["function", "given", "lambda"])
def test_who_offers_nothing_is_asked_all_the_same(keys: object) -> None:
    assert why_unavailable(keys) is None
    assert revoked_keys(keys, "8c83fc0500000001") == ()
    assert keys_of_many(keys, [Address.of("SIM", "12345678", 1, 7)]) == {}


def test_a_telegram_without_a_key_says_what_the_look_up_knows() -> None:
    locked = decode(bytes.fromhex(GAS_HEX), Store("store locked"))
    assert (locked.problem or "").endswith("no key can be looked up: store locked")
    assert next_of(locked) == "unlock the keystore"
    told = decode(bytes.fromhex(GAS_HEX), Store("store locked", "press u"))
    assert next_of(told) == "press u"
    revoked = decode(bytes.fromhex(GAS_HEX), Store())
    assert "key 1A2B3C of 12345678 is revoked" in (revoked.problem or "")


def test_a_device_without_a_key_says_what_the_look_up_knows() -> None:
    lazy = LazyKeys(None, None)
    lazy.unavailable = "store locked"
    mistake = why_no_key(FiledLorawanKeys(lambda _: (), lazy), "8c83fc0500000001")
    assert mistake is not None
    assert (mistake.detail, mistake.next) == (
        "8c83fc0500000001: no key can be looked up: store locked",
        "unlock the keystore",
    )
    assert why_no_key(FiledLorawanKeys(lambda _: ()), "8c83fc0500000001") is None


class Unopened:
    """A look-up that gives one key unasked, and another one when it may ask somebody."""

    def __call__(self, address: Address) -> tuple[Key, ...]:
        return (Key(b"a" * 16),)

    def at_hand(self, address: Address) -> tuple[Key, ...]:
        return (Key(b"h" * 16),)


def test_keys_at_hand_are_those_of_a_plain_look_up_or_what_a_store_can_give_unasked() -> None:
    address = Address.of("SIM", "12345678", 1, 7)
    assert keys_at_hand(lambda _: (Key(b"k" * 16),), address) == (Key(b"k" * 16),)
    assert keys_at_hand(Unopened(), address) == (Key(b"h" * 16),)
    lazy: HasKeysAtHand = LazyKeys(None, None)
    assert lazy.at_hand(address) == ()
