"""Joins followed from the air: request, accept, session, rejoin, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from protocols.lorawan.encode import Acceptance, Asked, Message, data_frame, join_accept, join_request, rejoin_request
from protocols.lorawan.keys import RootKeys, SessionKeys, js_enc_key, js_int_key, session_1_0, session_1_1
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import MAX_PENDING, Sessions
from protocols.model import Key, Link, Outcome, RawFrame
from tests.protocols.lorawan.lorawan_bench import (
    APP_KEY,
    DEV_ADDR,
    DEV_EUI,
    JOIN_EUI,
    JOIN_NONCE,
    NET_ID,
    NWK_KEY,
    ROOT_1_0,
    ROOT_1_1,
    Filed,
    assert_tiled,
    detail,
    failed,
    hear,
    joining_1_0,
    joining_1_1,
    uplink,
)

Joining = Callable[[int], tuple[bytes, bytes, SessionKeys]]

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FILED_1_0 = Filed((ROOT_1_0,))
FILED_1_1 = Filed((ROOT_1_1,))


def followed(frames: tuple[bytes, ...], filed: Filed, sessions: Sessions | None = None) -> Sessions:
    sessions = sessions or Sessions()
    for data in frames:
        heard = hear(data, filed, sessions)
        assert heard.telegram.lorawan is not None
        assert heard.telegram.lorawan.mic_ok, heard.telegram.problem
        assert_tiled(heard.telegram)
        sessions = heard.sessions
    return sessions


@pytest.mark.parametrize(("joining", "filed"), [(joining_1_0, FILED_1_0), (joining_1_1, FILED_1_1)], ids=["1.0", "1.1"])
def test_join_is_followed_to_readable_uplinks(joining: Joining, filed: Filed) -> None:
    request, accept, keys = joining(41)
    sessions = followed((request, accept), filed)
    assert [session.keys for session in sessions.at(DEV_ADDR)] == [keys]
    facts = hear(uplink(1, keys), filed, sessions).telegram.lorawan
    assert facts is not None
    assert (facts.mic_ok, facts.plaintext, facts.dev_eui) == (True, b"\x01\x02\x03", DEV_EUI)


def test_1_1_session_with_encrypted_fopts_both_ways() -> None:
    request, accept, keys = joining_1_1(5)
    sessions = followed((request, accept), FILED_1_1)
    up = Message(MType.UNCONFIRMED_DATA_UP, 0, 7, b"\x25", bytes.fromhex("0b01"))
    down = Message(MType.UNCONFIRMED_DATA_DOWN, 0, 7, b"\xaa", bytes.fromhex("0b01"))
    names = []
    for message in (up, down):
        data = data_frame(message, keys)
        heard = hear(data, FILED_1_1, sessions)
        sessions = heard.sessions
        assert heard.telegram.lorawan is not None
        assert heard.telegram.lorawan.plaintext == message.payload
        assert data[8:10] != message.fopts
        names += [command.name for command in heard.telegram.lorawan.mac_commands]
    assert names == ["RekeyInd", "RekeyConf"]


def test_1_1_device_on_a_1_0_network() -> None:
    request = join_request(NWK_KEY, JOIN_EUI, DEV_EUI, 9)
    accept = join_accept(NWK_KEY, Acceptance(JOIN_NONCE, NET_ID, DEV_ADDR))
    sessions = followed((request, accept), FILED_1_1)
    keys = session_1_0(NWK_KEY, JOIN_NONCE, NET_ID, 9, DEV_ADDR, DEV_EUI)
    assert [session.keys for session in sessions.at(DEV_ADDR)] == [keys]


def test_accept_says_what_the_network_grants() -> None:
    request, accept, _ = joining_1_0(41)
    sessions = hear(request, FILED_1_0).sessions
    telegram = hear(accept, FILED_1_0, sessions).telegram
    facts = telegram.lorawan
    assert facts is not None
    assert (facts.join_nonce, facts.net_id, facts.dev_addr, facts.dev_nonce) == (JOIN_NONCE, NET_ID, DEV_ADDR, 41)
    assert facts.frequencies_hz == (867_100_000, 867_300_000, 0, 0, 0)
    assert any("867.1 MHz" in span.meaning for span in telegram.spans)


def test_same_accept_heard_again_keeps_the_counters() -> None:
    request, accept, keys = joining_1_0(41)
    sessions = followed((request, accept, uplink(12, keys), accept), FILED_1_0)
    (session,) = sessions.at(DEV_ADDR)
    assert session.fcnt_up == 12


def test_rejoin_keeps_the_old_session_until_the_new_one_is_heard() -> None:
    first_request, first_accept, first = joining_1_0(41)
    second_request, second_accept, second = joining_1_0(42, "26012f4b")
    sessions = followed((first_request, first_accept, uplink(3, first)), FILED_1_0)
    sessions = followed((second_request, second_accept), FILED_1_0, sessions)
    sessions = followed((uplink(4, first), uplink(0, second)), FILED_1_0, sessions)
    assert sessions.at(first.dev_addr) == ()
    assert [session.keys for session in sessions.at(second.dev_addr)] == [second]


def test_join_to_the_same_address_anew() -> None:
    first_request, first_accept, first = joining_1_0(41)
    second_request, second_accept, second = joining_1_0(42)
    sessions = followed(
        (first_request, first_accept, uplink(3, first), second_request, second_accept, uplink(0, second)), FILED_1_0
    )
    assert [session.keys for session in sessions.at(DEV_ADDR)] == [second]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_rejoin_request_is_followed(kind: int) -> None:
    request, accept, keys = joining_1_1(5)
    sessions = followed((request, accept, uplink(1, keys)), FILED_1_1)
    s_key = keys.s_nwk_s_int_key
    assert s_key is not None
    js_key = js_int_key(NWK_KEY, DEV_EUI)
    if kind == 1:
        again = rejoin_request(js_key, kind, JOIN_EUI, DEV_EUI, 3)
    else:
        again = rejoin_request(s_key, kind, NET_ID, DEV_EUI, 3)
    answer = join_accept(
        js_enc_key(NWK_KEY, DEV_EUI),
        Acceptance("0000a8", NET_ID, "26012f4c", opt_neg=True),
        js_key,
        Asked(JOIN_EUI, 3, kind),
    )
    sessions = followed((again, answer), FILED_1_1, sessions)
    renewed = session_1_1(NWK_KEY, APP_KEY, "0000a8", JOIN_EUI, 3, "26012f4c", DEV_EUI)
    sessions = followed((uplink(0, renewed),), FILED_1_1, sessions)
    assert [session.keys for session in sessions.of_device(DEV_EUI)] == [renewed]


def test_dev_nonce_used_twice_is_named() -> None:
    request, accept, _ = joining_1_0(41)
    sessions = followed((request, accept), FILED_1_0)
    telegram = hear(request, FILED_1_0, sessions).telegram
    assert "DevNonce 41" in detail(telegram, "plausibility")
    assert "DevNonces" in str(failed(telegram)["plausibility"])


def test_request_heard_by_two_gateways_is_no_second_one() -> None:
    request, _, _ = joining_1_0(41)
    frame = RawFrame(request, NOON, link=Link.LORAWAN)
    sessions = hear(request, FILED_1_0, frame=frame).sessions
    again = hear(request, FILED_1_0, sessions, frame=replace(frame, at=NOON + timedelta(milliseconds=80))).telegram
    later = hear(request, FILED_1_0, sessions, frame=replace(frame, at=NOON + timedelta(minutes=1))).telegram
    assert "plausibility" not in failed(again)
    assert "plausibility" in failed(later)


def test_request_without_key() -> None:
    request, _, _ = joining_1_0(41)
    telegram = hear(request).telegram
    assert telegram.outcome is Outcome.NO_KEY
    assert DEV_EUI in str(failed(telegram)["key"])
    assert telegram.lorawan is not None
    assert telegram.lorawan.dev_nonce == 41


@pytest.mark.parametrize(
    ("roots", "said"),
    [
        (RootKeys(DEV_EUI, app_key=Key(b"w" * 16)), "the MIC does not fit AppKey"),
        (RootKeys(DEV_EUI, app_key=Key(APP_KEY.value[::-1])), "bytes reversed"),
        (RootKeys(DEV_EUI, gen_app_key=APP_KEY), "GenAppKey"),
        (RootKeys("efcdab8967452301", app_key=APP_KEY), f"DevEUI {DEV_EUI} is filed backwards"),
        (RootKeys(JOIN_EUI, app_key=APP_KEY), "JoinEUI in its place"),
    ],
    ids=["wrong key", "bytes reversed", "wrong role", "EUI backwards", "JoinEUI as DevEUI"],
)
def test_mistakes_in_the_file_are_named(roots: RootKeys, said: str) -> None:
    request, _, _ = joining_1_0(41)
    heard = hear(request, Filed((roots,)))
    assert heard.telegram.outcome is Outcome.WRONG_KEY
    assert said in (heard.telegram.problem or "")
    assert any(failed(heard.telegram).values())
    assert heard.sessions.pending == ()


def test_accept_without_a_request() -> None:
    _, accept, _ = joining_1_0(41)
    telegram = hear(accept, FILED_1_0).telegram
    assert telegram.outcome is Outcome.NO_KEY
    assert "no join request that fits a filed key was heard" in (telegram.problem or "")
    assert_tiled(telegram)


def test_accept_for_another_device() -> None:
    request, _, _ = joining_1_0(41)
    sessions = hear(request, FILED_1_0).sessions
    other = join_accept(Key(b"o" * 16), Acceptance(JOIN_NONCE, NET_ID, DEV_ADDR))
    heard = hear(other, FILED_1_0, sessions)
    assert heard.telegram.outcome is Outcome.NO_KEY
    assert "none of those heard that fit a filed key (1 join request)" in (heard.telegram.problem or "")
    assert heard.sessions.at(DEV_ADDR) == ()


def test_1_1_join_without_app_key_leaves_payloads_encrypted() -> None:
    filed = Filed((RootKeys(DEV_EUI, nwk_key=NWK_KEY),))
    request, accept, keys = joining_1_1(5)
    sessions = followed((request, accept), filed)
    telegram = hear(uplink(1, keys), filed, sessions).telegram
    assert telegram.outcome is Outcome.NO_KEY
    assert telegram.lorawan is not None
    assert telegram.lorawan.mic_ok is True


def test_pending_joins_are_bounded() -> None:
    sessions = Sessions()
    for number in range(MAX_PENDING + 10):
        dev_eui = f"{number:016x}"
        filed = Filed((RootKeys(dev_eui, app_key=APP_KEY),))
        sessions = hear(join_request(APP_KEY, JOIN_EUI, dev_eui, 1), filed, sessions).sessions
    assert len(sessions.pending) == MAX_PENDING


def test_rejoin_of_an_unknown_device() -> None:
    telegram = hear(rejoin_request(NWK_KEY, 0, NET_ID, DEV_EUI, 3)).telegram
    assert telegram.outcome is Outcome.NO_KEY
    assert telegram.lorawan is not None
    assert (telegram.lorawan.rejoin_type, telegram.lorawan.rj_count) == (0, 3)
    assert_tiled(telegram)


def test_session_keys_are_not_shown() -> None:
    request, accept, keys = joining_1_0(41)
    sessions = hear(request, FILED_1_0).sessions
    heard = hear(accept, FILED_1_0, sessions)
    shown = repr(heard)
    for _, key in (*keys.all, ("AppKey", APP_KEY)):
        assert key.value.hex() not in shown
        assert repr(key.value)[2:-1] not in shown
    assert isinstance(keys, SessionKeys)


@pytest.mark.parametrize(
    ("roots", "readable", "step"),
    [
        (RootKeys(DEV_EUI, app_key=NWK_KEY, nwk_key=APP_KEY), True, f"swap AppKey and NwkKey of DevEUI {DEV_EUI}"),
        (RootKeys(DEV_EUI, app_key=NWK_KEY), False, f"file it as NwkKey of DevEUI {DEV_EUI}, and its AppKey beside it"),
    ],
    ids=["swapped", "filed as AppKey alone"],
)
def test_1_1_root_keys_in_each_others_place(roots: RootKeys, readable: bool, step: str) -> None:
    filed = Filed((roots,))
    request, accept, keys = joining_1_1(5)
    sessions = hear(request, filed).sessions
    heard = hear(accept, filed, sessions)
    assert heard.telegram.outcome is Outcome.OK
    assert "the key filed as AppKey is the device's NwkKey" in detail(heard.telegram, "plausibility")
    assert failed(heard.telegram) == {"plausibility": step}
    facts = hear(uplink(1, keys), filed, heard.sessions).telegram.lorawan
    assert facts is not None
    assert facts.mic_ok is True
    assert (facts.plaintext is not None) is readable


def test_join_server_keys_alone_prove_an_accept_but_give_no_session() -> None:
    roots = RootKeys(DEV_EUI, js_int_key=js_int_key(NWK_KEY, DEV_EUI), js_enc_key=js_enc_key(NWK_KEY, DEV_EUI))
    filed = Filed((roots,))
    again = rejoin_request(js_int_key(NWK_KEY, DEV_EUI), 1, JOIN_EUI, DEV_EUI, 3)
    answer = join_accept(
        js_enc_key(NWK_KEY, DEV_EUI),
        Acceptance("0000a8", NET_ID, DEV_ADDR, opt_neg=True),
        js_int_key(NWK_KEY, DEV_EUI),
        Asked(JOIN_EUI, 3, 1),
    )
    sessions = hear(again, filed).sessions
    heard = hear(answer, filed, sessions)
    assert heard.telegram.ok
    assert any("cannot be derived" in note for note in heard.telegram.notes)
    assert heard.sessions.at(DEV_ADDR) == ()
