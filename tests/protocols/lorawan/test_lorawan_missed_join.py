"""What an uplink says whose session cannot be known: the accept missed, all missed, the device asked anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from protocols.lorawan.encode import Message, data_frame, join_request
from protocols.lorawan.keys import RootKeys, SessionKeys
from protocols.lorawan.missed_join import BOTH_WAYS, FIRST_UPLINKS
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Sessions
from protocols.model import Key, Link, Outcome, RawFrame, Telegram
from tests.protocols.lorawan.lorawan_bench import (
    APP_KEY,
    DEV_ADDR,
    DEV_EUI,
    JOIN_EUI,
    ROOT_1_0,
    SESSION_1_0,
    Filed,
    detail,
    failed,
    hear,
    joining_1_0,
    uplink,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FILED = Filed((ROOT_1_0,))
FOREIGN = SessionKeys.of_1_0("26abcdef", Key(bytes(range(16)), "x"), Key(bytes(range(1, 17)), "y"))


def at(seconds: float, data: bytes) -> RawFrame:
    return RawFrame(data, NOON + timedelta(seconds=seconds), link=Link.LORAWAN)


def hear_all(*frames: tuple[float, bytes], filed: Filed = FILED) -> tuple[Telegram, Sessions]:
    """Hear frames in turn; returns the last telegram and what is known then."""
    sessions = Sessions()
    for seconds, data in frames:
        heard = hear(data, filed, sessions, frame=at(seconds, data))
        sessions = heard.sessions
    return heard.telegram, sessions


def test_the_accept_was_missed() -> None:
    request, _, keys = joining_1_0(7)
    telegram, _ = hear_all((0, request), (12, uplink(0, keys)))
    assert telegram.outcome is Outcome.NO_KEY
    said = detail(telegram, "key")
    assert f"no session is known for DevAddr {DEV_ADDR}" in said
    assert f"whose request was heard and whose accept was not: DevEUI {DEV_EUI} 12 s before" in said
    assert failed(telegram) == {"key": BOTH_WAYS}
    assert "/down" in BOTH_WAYS


def test_nothing_was_heard_of_the_join() -> None:
    _, _, keys = joining_1_0(7)
    telegram, _ = hear_all((0, uplink(0, keys)))
    assert telegram.outcome is Outcome.NO_KEY
    assert "no join request that fits a filed key waits for its accept" in detail(telegram, "key")
    assert "NwkID" in detail(telegram, "key")
    (next_step,) = failed(telegram).values()
    assert next_step is not None
    assert "AppKey, listen to downlinks too, and let the device join again" in next_step


def test_a_join_that_was_followed_is_not_missed() -> None:
    request, accept, keys = joining_1_0(7)
    telegram, sessions = hear_all(
        (0, request), (5, accept), (8, accept), (10, uplink(0, keys)), (11, uplink(0, FOREIGN))
    )
    assert [join.answered for join in sessions.pending] == [True]
    assert "waits for its accept" in detail(telegram, "key")


@pytest.mark.parametrize(
    ("seconds", "fcnt", "fits"),
    [
        (1, FIRST_UPLINKS, True),
        (1, FIRST_UPLINKS + 2, False),
        (3600, 3000, True),
        (3600, 60_000, False),
        (-5, 0, False),
    ],
)
def test_a_counter_too_far_for_a_session_that_has_just_begun_is_another_device(
    seconds: float, fcnt: int, fits: bool
) -> None:
    request, _, _ = joining_1_0(7)
    telegram, _ = hear_all((0, request), (seconds, uplink(fcnt, FOREIGN)))
    assert ("whose request was heard" in detail(telegram, "key")) is fits


def test_a_downlink_is_never_blamed_on_a_join() -> None:
    request, _, _ = joining_1_0(7)
    down = data_frame(Message(MType.UNCONFIRMED_DATA_DOWN, 0, 2, b"\x01"), FOREIGN)
    telegram, _ = hear_all((0, request), (5, down))
    assert "waits for its accept" in detail(telegram, "key")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, " 0 s before"), (119, " 119 s before"), (120, " 2 min before"), (7200, " 2 h before")]
)
def test_how_long_ago_the_request_was(seconds: int, words: str) -> None:
    request, _, keys = joining_1_0(7)
    telegram, _ = hear_all((0, request), (seconds, uplink(0, keys)))
    assert detail(telegram, "key").endswith(f"DevEUI {DEV_EUI}{words}")


def test_frames_without_a_time_are_told_without_one() -> None:
    request, _, keys = joining_1_0(7)
    sessions = hear(request, FILED).sessions
    telegram = hear(uplink(0, keys), FILED, sessions).telegram
    assert detail(telegram, "key").endswith(f"accept was not: DevEUI {DEV_EUI}")
    far = hear(uplink(FIRST_UPLINKS + 1, keys), FILED, sessions).telegram
    assert "waits for its accept" in detail(far, "key")


def test_many_joins_under_way_are_counted() -> None:
    roots = tuple(RootKeys(f"{number:016x}", app_key=APP_KEY) for number in range(1, 7))
    requests = [(0.1, join_request(APP_KEY, JOIN_EUI, root.dev_eui, 1)) for root in roots]
    telegram, _ = hear_all(*requests, (5, uplink(0, FOREIGN)), filed=Filed(roots))
    assert " before and 3 others" in detail(telegram, "key")


def test_a_device_that_asked_anew_is_named_where_its_old_session_does_not_fit() -> None:
    request, accept, keys = joining_1_0(7)
    again, _, _ = joining_1_0(8)
    other = SessionKeys.of_1_0(DEV_ADDR, FOREIGN.f_nwk_s_int_key, FOREIGN.app_s_key)
    telegram, _ = hear_all(
        (0, request), (5, accept), (6, uplink(0, keys)), (100, again), (110, uplink(1, other)), filed=FILED
    )
    assert telegram.outcome is Outcome.WRONG_KEY
    said = detail(telegram, "decryption")
    assert f"DevEUI {DEV_EUI} asked to join again 10 s before, and the accept was not heard" in said
    assert failed(telegram) == {"decryption": BOTH_WAYS}


def test_a_foreign_frame_at_a_filed_address_says_nothing_of_joins() -> None:
    other = SessionKeys.of_1_0(SESSION_1_0.dev_addr, FOREIGN.f_nwk_s_int_key, FOREIGN.app_s_key)
    telegram, _ = hear_all((0, uplink(3, other)), filed=Filed(sessions=(SESSION_1_0,)))
    assert telegram.outcome is Outcome.WRONG_KEY
    assert "join anew, and" not in (telegram.problem or "")


def test_a_device_that_asks_again_was_not_answered_as_far_as_was_heard() -> None:
    first, accept, _ = joining_1_0(7)
    second, _, _ = joining_1_0(8)
    telegram, _ = hear_all((0, first), (0.2, first))
    assert not any("asks again" in note for note in telegram.notes)
    telegram, _ = hear_all((0, first), (20, second))
    assert "the device asks again: no join accept was heard to its request with DevNonce 7" in telegram.notes
    telegram, _ = hear_all((0, first), (5, accept), (20, second))
    assert not any("asks again" in note for note in telegram.notes)


def test_a_join_that_fits_no_filed_key_is_not_said_to_be_unheard() -> None:
    request, accept, keys = joining_1_0(7)
    wrong = Filed((RootKeys(DEV_EUI, app_key=Key(bytes(16), "wrong")),))
    said, _ = hear_all((0, request), (5, accept), filed=wrong)
    assert said.outcome is Outcome.NO_KEY
    assert "no join request that fits a filed key was heard before it" in (said.problem or "")
    assert "compare the key that is filed" in str(failed(said))
    said, _ = hear_all((0, request), (5, accept), (10, uplink(0, keys)), filed=wrong)
    assert said.outcome is Outcome.NO_KEY
    assert "was heard" not in (said.problem or "")
    assert "waits for its accept" in (said.problem or "")
