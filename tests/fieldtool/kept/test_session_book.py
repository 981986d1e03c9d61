"""What was heard of LoRaWAN devices outlives the program, whoever else writes, and however often a capture is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fieldtool.kept.session_book import SessionBook
from fieldtool.kept.session_document import MAX_FIXED, decode_sessions, encode_sessions, merge_sessions
from protocols.lorawan.bridges import PayloadState, Pieces
from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.keys import SessionKeys
from protocols.lorawan.phy import MType
from protocols.lorawan.sessions import Device, Session, Sessions
from protocols.model import Address, Key, Link, RawFrame, Telegram
from tests.protocols.lorawan.lorawan_bench import (
    DEV_ADDR,
    DEV_EUI,
    ROOT_1_0,
    SESSION_1_0,
    Filed,
    detail,
    failed,
    joining_1_0,
    uplink,
)

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
FILED = Filed((ROOT_1_0,), (SESSION_1_0,))


class Shelf:
    """The documents of a store, in memory."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.written = 0

    def read(self, name: str) -> bytes | None:
        return self.data

    def change(self, name: str, step: Callable[[bytes | None], tuple[bytes, tuple[Any, ...]]]) -> None:
        self.data, _ = step(self.data)
        self.written += 1


class Run:
    """One start of the program on a store."""

    def __init__(self, shelf: Shelf, keys: Filed = FILED) -> None:
        self.follower = LorawanFollower(keys)
        self._book = SessionBook(lambda: shelf)  # type: ignore[arg-type,return-value]
        self._book.follow(self.follower)

    def hear(self, data: bytes, at: datetime | None = None, lora: LoraReception | None = None) -> Telegram:
        return self.follower.decode(RawFrame(data, at, link=Link.LORAWAN, lora=lora))

    def end(self) -> None:
        self._book.keep(self.follower)


def later(minutes: float) -> datetime:
    return AT + timedelta(minutes=minutes)


def doubted(telegram: Telegram) -> bool:
    return "plausibility" in failed(telegram)


def test_counters_of_fixed_keys_go_on() -> None:
    shelf = Shelf()
    first = Run(shelf)
    first.hear(uplink(70_000), AT)
    first.end()
    second = Run(shelf)
    telegram = second.hear(uplink(70_001), later(1))
    assert "continues from the session's last" in detail(telegram, "decryption")
    assert not doubted(telegram)
    back = Run(shelf).hear(uplink(69_000), later(2))
    assert "does not continue from 70000" in detail(back, "plausibility")


def test_no_fixed_key_is_written_and_none_that_was_revoked_lives_on() -> None:
    shelf = Shelf()
    run = Run(shelf)
    run.hear(uplink(70_000), AT)
    run.end()
    assert shelf.data is not None
    for _, key in SESSION_1_0.all:
        assert key.value.hex().encode() not in shelf.data
    assert not list(decode_sessions(shelf.data, Filed()).sessions)
    another = SessionKeys.of_1_0(DEV_ADDR, Key(b"z" * 16), SESSION_1_0.app_s_key, DEV_EUI)
    assert not list(decode_sessions(shelf.data, Filed(sessions=(another,))).sessions)


@pytest.mark.parametrize("at", [AT, None], ids=["timed", "without times"])
def test_a_capture_is_read_alike_however_often(at: datetime | None) -> None:
    shelf = Shelf()
    request, accept, keys = joining_1_0(1)
    again, accept_again, keys_again = joining_1_0(2, "26012f4b")
    frames = [request, accept, *(uplink(fcnt, keys) for fcnt in (0, 1, 70_000)), again, accept_again]
    frames += [uplink(fcnt, keys_again) for fcnt in (0, 1)]

    def replay() -> list[tuple[object, ...]]:
        run = Run(shelf)
        heard = [run.hear(data, None if at is None else at + timedelta(minutes=n)) for n, data in enumerate(frames)]
        run.end()
        return [(one.outcome, one.verdict, one.notes, one.lorawan) for one in heard]

    assert replay() == replay() == replay()


def test_a_join_used_again_later_is_doubted_by_the_next_run() -> None:
    shelf = Shelf()
    request, accept, _ = joining_1_0(1)
    run = Run(shelf)
    run.hear(request, AT)
    run.hear(accept, AT)
    run.end()
    assert "was used before" in detail(Run(shelf).hear(request, later(60)), "plausibility")


def test_an_old_capture_sets_nothing_back() -> None:
    shelf = Shelf()
    old_request, old_accept, old_keys = joining_1_0(1)
    old = Run(shelf)
    for minute, data in enumerate((old_request, old_accept, uplink(5, old_keys))):
        old.hear(data, later(minute))
    now = Run(shelf)
    request, accept, keys = joining_1_0(2, "26012f4b")
    for minute, data in enumerate((request, accept, uplink(9, keys))):
        now.hear(data, later(600 + minute))
    now.end()
    # The run that read what is older ends last, as a long replay beside a `listen` does.
    old.end()
    assert shelf.data is not None
    kept = decode_sessions(shelf.data, FILED)
    (session,) = kept.of_device(DEV_EUI)
    assert (session.keys.dev_addr, session.fcnt_up) == ("26012f4b", 9)
    assert set(kept.device(DEV_EUI).dev_nonces) == {1, 2}
    assert kept.device(DEV_EUI).last_request_at == later(600)


def test_two_programs_keep_what_each_heard() -> None:
    shelf = Shelf()
    other = SessionKeys.of_1_0("26012f4c", Key(b"o" * 16), Key(b"p" * 16), "0123456789abcde0")
    keys = Filed(sessions=(SESSION_1_0, other))
    one, two = Run(shelf, keys), Run(shelf, keys)
    one.hear(uplink(5), AT)
    two.hear(uplink(6, other), AT)
    one.end()
    two.end()
    assert shelf.data is not None
    kept = decode_sessions(shelf.data, keys)
    assert {(s.keys.dev_addr, s.fcnt_up) for s in kept.sessions} == {(DEV_ADDR, 5), ("26012f4c", 6)}


def test_a_bridge_goes_on_with_a_message() -> None:
    """Lobaro: port 12 is part 1 of 2, port 22 part 2 of 2."""
    shelf = Shelf()
    telegram = bytes.fromhex("0e4401061405082105" + "077afe0000002f2f")[:15]
    lora = LoraReception(profile="lobaro-wmbus")

    def part(fcnt: int, fport: int, data: bytes) -> bytes:
        return data_frame(Message(MType.UNCONFIRMED_DATA_UP, fcnt, fport, data), SESSION_1_0)

    first = Run(shelf)
    first.hear(part(1, 12, telegram[:8]), AT, lora)
    first.end()
    ended = Run(shelf).hear(part(2, 22, telegram[8:]), later(1), lora)
    assert "put together from 2 uplinks" in ended.notes
    alone = Run(Shelf()).hear(part(2, 22, telegram[8:]), later(1), lora)
    assert "came without the ones before it" in (alone.problem or "")


def test_everything_comes_back() -> None:
    pieces = Pieces(b"\1\2", 3, 4, 70_000, AT, -80, 2)
    state = PayloadState(Address.of("KAM", "12345678", 27, 6), pieces)
    joined = Session(joining_1_0(1)[2], 5, 6, None, 7, 8, b"mic!", True, state, AT)
    fixed = Session(SESSION_1_0, 70_000, last_up=b"abcd", heard_at=later(1))
    device = Device(DEV_EUI, (1, 2), (DEV_ADDR,), "70b3d57ed0000001", AT, state)
    data = encode_sessions(Sessions.of([joined, fixed], [device]))
    back = decode_sessions(data, FILED)
    assert encode_sessions(back) == data
    assert all(session.earlier for session in back.sessions)
    assert all(one.earlier for one in back.devices)
    assert decode_sessions(data, FILED).device(DEV_EUI).payload_state == state


def test_the_first_format_is_still_read() -> None:
    keys = joining_1_0(1)[2]
    old = {
        "v": 1,
        "sessions": [
            {
                "dev_addr": DEV_ADDR,
                "dev_eui": DEV_EUI,
                "version": "1.0",
                "profile": None,
                "keys": {"f_nwk_s_int_key": (keys.f_nwk_s_int_key or Key(b"")).value.hex()},
                "last_up": "00",
                **dict.fromkeys(("fcnt_up", "fcnt_down", "a_fcnt_down", "confirmed_up", "confirmed_down"), 3),
            }
        ],
        "devices": [{"dev_eui": DEV_EUI, "dev_nonces": [1], "dev_addrs": [DEV_ADDR], "join_eui": None}],
    }
    (session,) = decode_sessions(json.dumps(old).encode()).of_device(DEV_EUI)
    assert (session.fcnt_up, session.joined) == (3, True)


def test_unreadable_documents_are_replaced_and_nothing_is_written_twice() -> None:
    shelf = Shelf()
    shelf.data = b'{"v": 2, "sessions": [{}], "fixed": [{}], "devices": [{}]}'
    run = Run(shelf)
    run.end()
    assert shelf.written == 0
    run.hear(uplink(5), AT)
    run.end()
    run.end()
    assert shelf.written == 1
    assert [session.fcnt_up for session in decode_sessions(shelf.data, FILED).sessions] == [5]


def test_fixed_sessions_are_bounded_the_oldest_go() -> None:
    key = Key(b"k" * 16)
    made = [
        Session(SessionKeys.of_1_0(f"{number:08x}", key, key), number, heard_at=AT + timedelta(seconds=number))
        for number in range(MAX_FIXED + 10)
    ]
    document = json.loads(merge_sessions(None, Sessions.of(made), Sessions()))
    assert len(document["fixed"]) == MAX_FIXED
    assert min(one["fcnt_up"] for one in document["fixed"]) == 10
