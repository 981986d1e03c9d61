"""Counters and sessions: the upper half of the counter, what goes back, what is repeated, whose keys fit."""

from __future__ import annotations

import pickle

import pytest

from protocols.lorawan.counter import ALL_HALVES, likely
from protocols.lorawan.decoding import Hints
from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.facts import CounterSource, LoraReception, MicState
from protocols.lorawan.keys import RootKeys, SessionKeys
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Device, PendingJoin, Session, Sessions
from protocols.model import Key, Outcome
from tests.protocols.lorawan.lorawan_bench import (
    DEV_ADDR,
    DEV_EUI,
    SESSION_1_0,
    SESSION_1_1,
    Filed,
    assert_tiled,
    detail,
    failed,
    hear,
    uplink,
)

FILED = Filed(sessions=(SESSION_1_0,))
FILED_1_1 = Filed(sessions=(SESSION_1_1,))


@pytest.mark.parametrize(
    ("fcnt", "last", "first"),
    [
        (7, None, 7),
        (8, 7, 8),
        (0, 65535, 65536),
        (5, 65530, 65541),
        (65530, 65541, 131066),
        (6, 7, 6),
        (100, 0x2ABCD, 0x30064),
        (0xABCE, 0x2ABCD, 0x2ABCE),
    ],
)
def test_counter_expected_next(fcnt: int, last: int | None, first: int) -> None:
    assert likely(fcnt, last)[0] == first


def test_counter_never_leaves_32_bits() -> None:
    assert all(counter < 1 << 32 for counter in likely(3, 0xFFFFFFFE))


@pytest.mark.parametrize("fcnt", [0, 1, 65535, 65536, 131071, 63 * 65536 + 5])
@pytest.mark.parametrize(("keys", "filed"), [(SESSION_1_0, FILED), (SESSION_1_1, FILED_1_1)], ids=["1.0", "1.1"])
def test_counter_found_by_search(fcnt: int, keys: SessionKeys, filed: Filed) -> None:
    telegram = hear(uplink(fcnt, keys), filed).telegram
    facts = telegram.lorawan
    assert facts is not None
    assert (facts.fcnt, facts.fcnt_source, facts.mic_ok) == (fcnt, CounterSource.SEARCH, True)
    assert facts.plaintext == b"\x01\x02\x03"
    assert "found by search" in detail(telegram, "decryption")
    assert_tiled(telegram)


def test_search_is_bounded_and_says_so() -> None:
    data = uplink(0x7FFFFFFF)
    telegram = hear(data, FILED).telegram
    assert telegram.outcome is Outcome.WRONG_KEY
    assert "none of 64 upper halves" in (telegram.problem or "")
    whole = hear(data, FILED, halves=ALL_HALVES).telegram
    assert whole.lorawan is not None
    assert whole.lorawan.fcnt == 0x7FFFFFFF


def test_session_goes_on_across_the_rollover() -> None:
    sessions = Sessions()
    sources = []
    for fcnt in (65533, 65534, 65536, 65540, 2 * 65536 + 1):
        heard = hear(uplink(fcnt), FILED, sessions)
        sessions = heard.sessions
        assert heard.telegram.lorawan is not None
        assert heard.telegram.lorawan.fcnt == fcnt
        sources.append(heard.telegram.lorawan.fcnt_source)
        assert not failed(heard.telegram).keys() & {"plausibility"}
    (session,) = sessions.at(DEV_ADDR)
    assert session.fcnt_up == 2 * 65536 + 1
    assert sources == [CounterSource.SEARCH, *[CounterSource.SESSION] * 4]


def test_counter_given_is_the_only_one_tried() -> None:
    right = hear(uplink(70_000), FILED, hints=Hints(fcnt=70_000)).telegram.lorawan
    wrong = hear(uplink(70_000), FILED, hints=Hints(fcnt=70_001)).telegram
    assert right is not None
    assert right.fcnt_source is CounterSource.GIVEN
    assert wrong.outcome is Outcome.WRONG_KEY


def test_counter_going_back_is_named_with_what_to_do() -> None:
    sessions = hear(uplink(500), FILED).sessions
    heard = hear(uplink(3), FILED, sessions)
    assert heard.telegram.lorawan is not None
    assert heard.telegram.lorawan.mic is MicState.VERIFIED
    assert "does not continue from 500" in detail(heard.telegram, "plausibility")
    assert failed(heard.telegram)["plausibility"]
    after = hear(uplink(4), FILED, heard.sessions).telegram
    assert "plausibility" not in failed(after)


def test_repetition_is_no_reset() -> None:
    sessions = hear(uplink(500), FILED).sessions
    telegram = hear(uplink(500), FILED, sessions).telegram
    assert "plausibility" not in failed(telegram)
    assert telegram.notes == ("frame counter 500 again: a repetition",)


def test_other_frame_under_the_same_counter_is_doubted() -> None:
    sessions = hear(uplink(500), FILED).sessions
    telegram = hear(uplink(500, payload=b"\x09"), FILED, sessions).telegram
    assert "plausibility" in failed(telegram)


def test_frame_without_network_key_is_decrypted_not_authenticated() -> None:
    filed = Filed(sessions=(SessionKeys.of_1_0(DEV_ADDR, None, SESSION_1_0.app_s_key),))
    telegram = hear(uplink(7), filed).telegram
    facts = telegram.lorawan
    assert facts is not None
    assert facts.plaintext == b"\x01\x02\x03"
    assert (facts.mic_ok, facts.fcnt_source) == (None, CounterSource.ASSUMED)
    assert telegram.security is not None
    assert not telegram.security.authenticated
    assert "decrypted, not authenticated" in detail(telegram, "decryption")


def test_address_shared_by_two_devices() -> None:
    other = SessionKeys.of_1_0(DEV_ADDR, Key(b"o" * 16), Key(b"p" * 16), "00000000000000aa")
    telegram = hear(uplink(7), Filed(sessions=(other, SESSION_1_0))).telegram
    assert telegram.lorawan is not None
    assert telegram.lorawan.dev_eui == DEV_EUI


def test_payload_key_missing() -> None:
    filed = Filed(sessions=(SessionKeys.of_1_0(DEV_ADDR, SESSION_1_0.f_nwk_s_int_key, None),))
    telegram = hear(uplink(7), filed).telegram
    assert telegram.outcome is Outcome.NO_KEY
    assert "AppSKey" in (telegram.problem or "")
    assert telegram.lorawan is not None
    assert telegram.lorawan.mic_ok is True
    assert_tiled(telegram)


def test_no_session_says_what_to_import() -> None:
    telegram = hear(uplink(7)).telegram
    assert telegram.outcome is Outcome.NO_KEY
    assert "The Things Network" in (telegram.problem or "")
    assert "AppKey" in str(failed(telegram)["key"])
    assert telegram.lorawan is not None
    assert telegram.lorawan.mic_ok is None
    assert_tiled(telegram)


def test_roles_swapped() -> None:
    swapped = SessionKeys.of_1_0(DEV_ADDR, SESSION_1_0.app_s_key, SESSION_1_0.f_nwk_s_int_key)
    telegram = hear(uplink(7), Filed(sessions=(swapped,))).telegram
    assert telegram.outcome is Outcome.WRONG_KEY
    assert "AppSKey" in (telegram.problem or "")
    assert "it is the NwkSKey" in (telegram.problem or "")
    assert "swap" in str(failed(telegram)["key"])


def test_key_bytes_reversed() -> None:
    network, application = SESSION_1_0.f_nwk_s_int_key, SESSION_1_0.app_s_key
    assert network is not None
    reversed_key = SessionKeys.of_1_0(DEV_ADDR, Key(network.value[::-1]), application)
    telegram = hear(uplink(7), Filed(sessions=(reversed_key,))).telegram
    assert "bytes reversed" in (telegram.problem or "")


def test_address_filed_backwards() -> None:
    backwards = SessionKeys.of_1_0("4a2f0126", SESSION_1_0.f_nwk_s_int_key, SESSION_1_0.app_s_key)
    telegram = hear(uplink(7), Filed(sessions=(backwards,))).telegram
    assert "is filed backwards" in (telegram.problem or "")
    assert DEV_ADDR in str(failed(telegram)["key"])


def test_device_of_1_1_on_a_1_0_network() -> None:
    network = SESSION_1_1.f_nwk_s_int_key
    as_1_0 = SessionKeys.of_1_0(DEV_ADDR, network, SESSION_1_1.app_s_key)
    telegram = hear(uplink(7, as_1_0), FILED_1_1).telegram
    assert "the device runs LoRaWAN 1.0" in (telegram.problem or "")


def test_1_1_uplink_with_and_without_the_channel() -> None:
    data = data_frame(Message(MType.UNCONFIRMED_DATA_UP, 9, 2, b"\x05", data_rate=5, channel=7), SESSION_1_1)
    for lora in (None, LoraReception(data_rate=5), LoraReception(data_rate=5, channel=7)):
        facts = hear(data, FILED_1_1, lora=lora).telegram.lorawan
        assert facts is not None
        assert facts.mic is MicState.VERIFIED
    assert hear(data, FILED_1_1, lora=LoraReception(data_rate=5, channel=6)).telegram.outcome is Outcome.WRONG_KEY


def test_1_1_uplink_with_half_of_the_keys() -> None:
    keys = SessionKeys(DEV_ADDR, SESSION_1_1.f_nwk_s_int_key, app_s_key=SESSION_1_1.app_s_key, version="1.1")
    telegram = hear(uplink(9, SESSION_1_1), Filed(sessions=(keys,))).telegram
    assert telegram.lorawan is not None
    assert telegram.lorawan.mic is MicState.HALF_VERIFIED
    assert telegram.lorawan.mic_ok is None
    assert telegram.security is not None
    assert not telegram.security.authenticated


def test_1_1_acknowledgement_covers_the_counter_it_acknowledges() -> None:
    confirmed = data_frame(Message(MType.CONFIRMED_DATA_DOWN, 70_001, 3, b"\x01"), SESSION_1_1)
    sessions = hear(confirmed, FILED_1_1).sessions
    ack = Message(MType.UNCONFIRMED_DATA_UP, 4, 2, b"\x02", flags=("ack",), conf_fcnt=70_001)
    data = data_frame(ack, SESSION_1_1)
    known = hear(data, FILED_1_1, sessions).telegram.lorawan
    unknown = hear(data, FILED_1_1).telegram.lorawan
    assert known is not None
    assert unknown is not None
    assert known.mic is MicState.VERIFIED
    assert unknown.mic is MicState.HALF_VERIFIED


def test_1_1_acknowledging_downlink_of_an_unheard_uplink() -> None:
    ack = Message(MType.UNCONFIRMED_DATA_DOWN, 4, flags=("ack",), conf_fcnt=40_000)
    facts = hear(data_frame(ack, SESSION_1_1), FILED_1_1).telegram.lorawan
    assert facts is not None
    assert facts.mic is MicState.VERIFIED


def test_1_1_downlinks_have_two_counters() -> None:
    sessions = Sessions()
    for fcnt, fport, payload in ((5, 2, b"\x01"), (1, 0, b"\x06"), (6, 2, b"\x01"), (2, 0, b"\x06")):
        data = data_frame(Message(MType.UNCONFIRMED_DATA_DOWN, fcnt, fport, payload), SESSION_1_1)
        heard = hear(data, FILED_1_1, sessions)
        sessions = heard.sessions
        assert "plausibility" not in failed(heard.telegram)
    (session,) = sessions.at(DEV_ADDR)
    assert (session.a_fcnt_down, session.fcnt_down) == (6, 2)


def test_sessions_are_values() -> None:
    first = hear(uplink(1), FILED).sessions
    second = hear(uplink(2), FILED, first).sessions
    assert [session.fcnt_up for session in first.at(DEV_ADDR)] == [1]
    assert [session.fcnt_up for session in second.at(DEV_ADDR)] == [2]
    assert Sessions.of(second.sessions, second.devices).at(DEV_ADDR) == second.at(DEV_ADDR)
    moved: Sessions = pickle.loads(pickle.dumps(second))  # noqa: S301 - what a process pool does
    assert moved.at(DEV_ADDR) == second.at(DEV_ADDR)


def test_nothing_shows_a_key() -> None:
    sessions = hear(uplink(1), FILED).sessions
    session = Session(SESSION_1_1)
    join = PendingJoin(DEV_EUI, None, 1, RootKeys(DEV_EUI, app_key=Key(b"k" * 16)))
    shown = f"{sessions!r} {session!r} {join!r} {Device(DEV_EUI)!r}"
    for key in (b"k" * 16, *(key.value for _, key in SESSION_1_1.all)):
        assert key.hex() not in shown
        assert repr(key)[2:-1] not in shown
