"""Replays, totals, clocks and dates: what is found, what is not, and that no meter knows of another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocols.decode import decode
from protocols.mbus.datetypes import encode_f, encode_g
from protocols.mbus.encode import compact_from_full
from protocols.model import Address, Finding, FindingKind, Key, Outcome, RawFrame, Rung, RungState, Telegram
from protocols.plausibility import NO_HISTORY, Judge, MeterHistory, judge, observe, with_findings
from protocols.plausibility.limits import COUNTERS
from protocols.plausibility.remarks import impossible_date
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import (
    TransportHeader,
    extended_link_session,
    link_frame,
    session_number,
    transport_clear,
    transport_mode_5,
    transport_mode_7,
)

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KEY = bytes(range(1, 17))
WATER = Address.of("KAM", "63001468", 0x1B, 0x16)
OTHER = Address.of("KAM", "63001475", 0x1B, 0x16)
HEAT = Address.of("EFE", "20480057", 0x00, 0x04)


def keys(address: Address) -> tuple[Key, ...]:
    return (Key(KEY, "test"),)


def volume(litres: int) -> bytes:
    return bytes.fromhex("0413") + litres.to_bytes(4, "little")


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)


def read(data: bytes, seconds: float | None = 0) -> Telegram:
    return decode(RawFrame(data, at(seconds)), keys)


def mode_5(
    acc: int, seconds: float | None, litres: int = 1000, *, status: int = 0, more: bytes = b"", meter: Address = WATER
) -> Telegram:
    header = TransportHeader(acc, status)
    payload = transport_mode_5(Content.RECORDS, volume(litres) + more, header, key=KEY, sender=meter)
    return read(link_frame(0x44, meter, payload), seconds)


def clear(acc: int, seconds: float | None, records: bytes, *, status: int = 0, meter: Address = WATER) -> Telegram:
    payload = transport_clear(Content.RECORDS, records, TransportHeader(acc, status))
    return read(link_frame(0x44, meter, payload), seconds)


def session(acc: int, minute: int, seconds: float, litres: int = 1000, cc: int = 0x20) -> Telegram:
    number = session_number(acc & 15, minute, encrypted=True)
    payload = b"\x78" + volume(litres)
    return read(
        link_frame(0x44, WATER, extended_link_session(cc, acc, number, payload, sender=WATER, key=KEY)), seconds
    )


def counted(counter: int, seconds: float, litres: int = 1000) -> Telegram:
    header = TransportHeader(counter & 0xFF)
    payload = transport_mode_7(Content.RECORDS, volume(litres), header, key=KEY, counter=counter, sender=HEAT)
    return read(link_frame(0x44, HEAT, payload), seconds)


def found(telegrams: Sequence[Telegram]) -> list[list[str]]:
    """The kinds of findings of each telegram, judged in turn."""
    history: MeterHistory = NO_HISTORY
    kinds = []
    for telegram in telegrams:
        history, findings = judge(history, telegram)
        kinds.append([str(finding.kind) for finding in findings])
    return kinds


REPLAY = ["possible_replay"]


@pytest.mark.parametrize(
    ("telegrams", "last"),
    [
        ([mode_5(acc, 16 * acc) for acc in (5, 6, 7)], []),
        ([mode_5(254, 0), mode_5(255, 16), mode_5(0, 32), mode_5(1, 48)], []),
        ([mode_5(5, 0), mode_5(100, 16)], []),
        ([mode_5(5, 0), mode_5(5, 16, 1001)], []),
        ([mode_5(5, 0), mode_5(6, 16), mode_5(5, 32)], REPLAY),
        ([mode_5(5, None), mode_5(6, None), mode_5(5, None)], REPLAY),
        ([mode_5(105, None), mode_5(5, None)], []),
        ([mode_5(5, 0), mode_5(6, 16), mode_5(5, 86400)], []),
        ([mode_5(5, 0), mode_5(6, 0.2), mode_5(5, 0.4)], []),
        ([mode_5(5, 0), mode_5(5, 7200)], []),
    ],
    ids=[
        "one after the other", "round the end", "many missed", "a number that stands still", "back", "back, no times",
        "far back, no times", "back after a day", "by two receivers", "the same again",
    ],
)  # fmt: skip
def test_access_numbers(telegrams: list[Telegram], last: list[str]) -> None:
    kinds = found(telegrams)
    assert kinds[-1] == last
    assert not any(kinds[:-1])


def test_one_replay_does_not_make_the_next_telegram_one() -> None:
    series = [mode_5(50, 0), mode_5(51, 16), mode_5(40, 32), mode_5(52, 33), mode_5(41, 48)]
    assert found(series) == [[], [], REPLAY, [], REPLAY]


def test_a_minute_of_a_session_that_goes_back() -> None:
    assert found([session(1, 900, 0), session(2, 900, 16), session(3, 901, 32)]) == [[], [], []]
    assert found([session(1, 900, 0), session(2, 901, 16), session(9, 899, 86400), session(10, 899, 86416)]) == [
        [],
        [],
        REPLAY,
        REPLAY,
    ]


def test_message_counters() -> None:
    assert counted(7, 0).security is not None
    assert found([counted(7, 0), counted(8, 16), counted(8, 17), counted(12, 99)]) == [[], [], [], []]
    assert found(
        [counted(7, 0), counted(9, 16), counted(8, 999999), counted(9, 999999, 1001), counted(10, 999999)]
    ) == [
        [],
        [],
        REPLAY,
        REPLAY,
        [],
    ]


def test_a_replay_moves_neither_counters_nor_totals() -> None:
    history: MeterHistory = NO_HISTORY
    for telegram in (counted(7, 0, 1000), counted(9, 16, 1001)):
        history, _ = judge(history, telegram)
    before = history
    history, _ = judge(history, counted(8, 32, 4))
    assert history.totals == before.totals
    assert [lane.highest for lane in history.lanes.values()] == [9]


def test_a_copy_by_a_repeater_is_no_replay() -> None:
    first, second = session(1, 900, 0), session(2, 900, 8)
    kinds = found([first, second, session(1, 900, 20, cc=0x30)])
    assert kinds == [[], [], ["repeated_by_hop"]]
    assert found([first, second, session(1, 900, 900, cc=0x30)])[-1] == ["possible_replay", "repeated_by_hop"]
    telegram = with_findings(first, (Finding(FindingKind.REPEATED_BY_HOP, "again"),))
    assert telegram.verdict[-1].state is RungState.PASSED


def test_the_hop_bit_of_the_configuration_word() -> None:
    original = clear(5, 0, volume(1000))
    data = bytearray(original.data)
    data[13] |= 1
    kinds = found([original, clear(6, 8, volume(1000)), read(bytes(data), 16)])
    assert kinds == [[], [], ["repeated_by_hop"]]


@pytest.mark.parametrize(
    ("steps", "last"),
    [
        ([(0, 1000), (16, 1000), (32, 1001)], []),
        ([(0, 1000), (16, 999)], ["negative_consumption"]),
        ([(0, 1000), (16, 900_000)], ["jump"]),
        ([(0, 1000), (30 * 86400, 900_000)], []),
        ([(None, 1000), (None, 900_000)], []),
        ([(None, 1000), (None, 999)], ["negative_consumption"]),
        ([(0, 1000), (16, 900_000), (32, 1000)], []),
        ([(0, 1000), (16, 10), (32, 11)], []),
        ([(0, 1000), (16, 900_000), (32, 10)], ["negative_consumption"]),
    ],
    ids=[
        "as usual", "less", "more than fits through", "much in a month", "much, no times", "less, no times",
        "one wrong value", "a new meter", "wrong twice",
    ],
)  # fmt: skip
def test_totals(steps: list[tuple[float | None, int]], last: list[str]) -> None:
    kinds = found([mode_5(number, seconds, litres) for number, (seconds, litres) in enumerate(steps)])
    assert kinds[-1] == last


def test_a_register_that_runs_over() -> None:
    def bcd(digits: str) -> bytes:
        return bytes.fromhex("0C13") + bytes.fromhex(digits)[::-1]

    assert found([clear(1, 0, bcd("99999990")), clear(2, 16, bcd("00000004"))]) == [[], []]
    assert found([clear(1, 0, bcd("59999990")), clear(2, 16, bcd("00000004"))])[1] == ["negative_consumption"]


def test_units_of_a_heat_cost_allocator_start_anew() -> None:
    allocator = Address.of("QDS", "44120994", 0x35, 0x08)
    first, second = (
        clear(n, 16 * n, bytes((0x0B, 0x6E, units, 0, 0)), meter=allocator) for n, units in ((1, 90), (2, 0))
    )
    assert first.readings[0].quantity == "hca_units"
    assert (first.readings[0].quantity, first.readings[0].unit) in COUNTERS
    assert found([first, second]) == [[], []]


def test_full_and_compact_frames_share_a_total() -> None:
    def frame(acc: int, seconds: float, litres: int, *, compact: bool) -> Telegram:
        records = bytes.fromhex("02FF20 7100") + volume(litres) + bytes.fromhex("4413 09190000 615B 7F 6167 16")
        payload = b"\x79" + compact_from_full(records) if compact else b"\x78" + records
        number = session_number(acc & 15, 900, encrypted=True)
        data = link_frame(0x44, WATER, extended_link_session(0x20, acc, number, payload, sender=WATER, key=KEY))
        return read(data, seconds)

    series = [frame(1, 0, 1000, compact=False), frame(2, 16, 1001, compact=True), frame(3, 32, 990, compact=True)]
    assert [telegram.outcome for telegram in series] == [Outcome.OK] * 3
    assert found(series) == [[], [], ["negative_consumption"]]


@pytest.mark.parametrize(
    ("clock", "kinds"),
    [
        (datetime(2026, 11, 20, 9, 1), []),  # noqa: DTZ001 - a meter's clock has no zone
        (datetime(2026, 11, 19, 20, 0), []),  # noqa: DTZ001
        (datetime(2026, 11, 18, 5, 0), ["clock_far_off"]),  # noqa: DTZ001
        (datetime(2000, 1, 1, 0, 3), ["clock_far_off"]),  # noqa: DTZ001
        (datetime(1985, 1, 1, 0, 3), ["impossible_date"]),  # noqa: DTZ001
    ],
    ids=["local time", "the other side of the world", "two days slow", "never set", "before radio"],
)
def test_the_meters_clock(clock: datetime, kinds: list[str]) -> None:
    telegram = mode_5(1, 0, more=bytes.fromhex("046D") + encode_f(clock))
    assert found([telegram]) == [kinds]
    assert clock in [reading.value for reading in telegram.readings]


def test_without_a_receive_time_a_clock_is_not_judged() -> None:
    never_set = bytes.fromhex("046D") + encode_f(datetime(2000, 1, 1, 0, 3))  # noqa: DTZ001
    assert found([mode_5(1, None, more=never_set)]) == [[]]


@pytest.mark.parametrize(
    ("data", "impossible"),
    [
        ("FFFF", False), ("0000", False), ("E0F1", False), ("FF2C", False), ("9F2C", False),
        ("5E32", True), ("BE2D", True), ("3DE2", True), ("1E0A7E32", True), ("3F0A7E32", False), ("FFFFFFFF", False),
        ("3F1F5E32", False),
    ],
)  # fmt: skip
def test_impossible_dates(data: str, impossible: bool) -> None:
    telegram = mode_5(1, 0, more=(b"\x42\x6c" if len(data) == 4 else b"\x44\x6d") + bytes.fromhex(data))
    assert (found([telegram]) == [["impossible_date"]]) is impossible
    if impossible:
        assert impossible_date(bytes.fromhex(data))
        assert telegram.readings[-1].value is None


def test_a_due_date_may_lie_ahead_but_not_by_years() -> None:
    for year, kinds in ((2027, []), (2031, ["impossible_date"])):
        due = bytes.fromhex("426C") + encode_g(datetime(year, 6, 30, tzinfo=UTC).date())
        assert found([mode_5(1, 0, more=due)]) == [kinds]


@pytest.mark.parametrize("status", [0x08, 0x10, 0x18])
def test_values_in_an_error_state(status: int) -> None:
    telegram = mode_5(1, 0, status=status)
    assert found([telegram]) == [["error_state"]]
    assert found([mode_5(1, 0, status=0x04)]) == [[]]


def test_findings_fail_the_last_rung_and_nothing_else() -> None:
    history, _ = judge(NO_HISTORY, mode_5(1, 0, 1000))
    telegram = mode_5(2, 16, 900)
    _, findings = judge(history, telegram)
    judged = with_findings(telegram, findings)
    assert (judged.outcome, judged.problem, judged.readings) == (Outcome.OK, None, telegram.readings)
    step = judged.verdict[-1]
    assert (step.rung, step.state) == (Rung.PLAUSIBILITY, RungState.FAILED)
    assert step.detail == "total_volume fell by 0.100 m³, from 1.000 to 0.900"
    assert step.next is not None
    assert judged.verdict[:-1] == telegram.verdict[:-1]


def test_what_cannot_be_read_is_not_judged() -> None:
    stranger = decode(RawFrame(mode_5(1, 0).data, START), lambda _: (Key(bytes(16)),))
    assert stranger.outcome is Outcome.WRONG_KEY
    assert observe(stranger) is None
    without = [decode(mode_5(acc, 0).data) for acc in (5, 6, 5)]
    assert [telegram.outcome for telegram in without] == [Outcome.NO_KEY] * 3
    assert found(without) == [[], [], REPLAY]
    assert found([*without[:2], mode_5(5, 0)]) == [[], [], []], "telegrams under a key have a run of their own"


class TwoMeters(RuleBasedStateMachine):
    """Two meters of one maker, their telegrams in any order: each is judged as if the other did not exist."""

    def __init__(self) -> None:
        super().__init__()
        self.together = Judge()
        self.alone: dict[Address, MeterHistory] = {WATER: NO_HISTORY, OTHER: NO_HISTORY}
        self.seconds = 0.0

    @rule(
        meter=st.sampled_from([WATER, OTHER]),
        acc=st.integers(0, 255),
        litres=st.integers(0, 3000),
        pause=st.sampled_from([0.1, 16, 600, 86400]),
        status=st.sampled_from([0, 0x10]),
    )
    def telegram(self, meter: Address, acc: int, litres: int, pause: float, status: int) -> None:
        self.seconds += pause
        telegram = mode_5(acc, self.seconds, litres, status=status, meter=meter)
        self.alone[meter], findings = judge(self.alone[meter], telegram)
        assert self.together.judge(telegram) == findings

    @invariant()
    def states_are_apart(self) -> None:
        for meter, history in self.alone.items():
            assert self.together.history(meter) == history
            for lane in history.lanes.values():
                assert {seen.meter for seen in lane.recent} <= {meter}


TestTwoMeters = TwoMeters.TestCase
TestTwoMeters.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


def test_state_is_bounded() -> None:
    history: MeterHistory = NO_HISTORY
    for number in range(100):
        telegram = decode(
            RawFrame(mode_5(number, 16 * number).data, at(16 * number)),
            lambda _: keys(WATER),
        )
        history, _ = judge(history, telegram)
    assert len(history.lanes) == 1
    assert all(len(lane.recent) <= 4 for lane in history.lanes.values())
    together = Judge()
    together.METERS = 10
    for number in range(30):
        together.judge(mode_5(1, 0, meter=Address.of("KAM", f"{number:08}", 0x1B, 0x16)))
    assert together.history(Address.of("KAM", "00000029", 0x1B, 0x16)) != NO_HISTORY
    assert together.history(Address.of("KAM", "00000000", 0x1B, 0x16)) == NO_HISTORY


def test_limits_follow_the_register() -> None:
    water = COUNTERS["volume", "m3"]
    assert water.most_in_an_hour(Decimal("1.000"), "cold water") == 300
    assert water.most_in_an_hour(Decimal("1.0000"), "cold water") == 100
    assert water.most_in_an_hour(Decimal(1), "cold water") == 2500
    assert water.most_in_an_hour(Decimal(1), "gas") == 25000
