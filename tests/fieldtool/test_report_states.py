"""A report says of a meter only what is true: its state, its value, and whose telegrams these are."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from fieldtool.export.report_text import Widths, text_row
from fieldtool.pipeline.main_reading import main_reading
from fieldtool.report.expected import ExpectedMeter
from fieldtool.report.heard import HeardMeter, HeardMeters
from fieldtool.report.in_order import in_order
from fieldtool.report.rows import NO_VALUE, ReportRow, report_rows, sums
from keystore.model import KeyRecord, KeyStatus
from keystore.vault import Vault
from protocols.captures.hex_lines import format_line
from protocols.captures.model import BadLine, CaptureEntry
from protocols.decode import decode
from protocols.model import Address, Finding, FindingKind, Key, Outcome, Quality, RawFrame, Telegram
from tests.fieldtool.conftest import GAS_HEX, GAS_KEY, PASSPHRASE, START, Run

GAS = "12345678"
OTHER_KEY = "11111111111111111111111111111111"
HOUR = timedelta(hours=1)


def gas(at: datetime | None = START, *, key: str = GAS_KEY, data: str = GAS_HEX, rssi: int = -60) -> Telegram:
    """A telegram of the gas meter."""
    frame = RawFrame(bytes.fromhex(data), at, "test", "T1", rssi)
    return decode(frame, lambda _: (Key(bytes.fromhex(key)),))


def row_of(*telegrams: Telegram, findings: tuple[Finding, ...] = ()) -> ReportRow:
    """The row of one meter; the findings are those of the last telegram."""
    heard = HeardMeters()
    for number, telegram in enumerate(telegrams):
        heard.add(telegram, findings if number == len(telegrams) - 1 else ())
    (row,) = report_rows(None, heard.settled(lambda frame: pytest.fail(f"decoded again: {frame}")))
    return row


def test_a_meter_that_was_read_on_monday_and_has_a_wrong_key_since_is_not_ok() -> None:
    monday, tuesday = gas(), gas(START + 24 * HOUR, key=OTHER_KEY)
    for telegrams in ((monday, tuesday), (tuesday, monday)):
        row = row_of(*telegrams)
        assert (row.state, row.read_at) == ("wrong_key", START)
        assert row.reading is not None, "what was read on Monday is still worth something, with its date"
        assert row.not_read == ((Outcome.WRONG_KEY, 1),)


def test_a_telegram_with_nothing_in_it_does_not_make_up_for_a_wrong_key() -> None:
    empty = replace(gas(START + HOUR), readings=(), records=(), message="ACC-NR", notes=("access window",))
    row = row_of(gas(key=OTHER_KEY), empty)
    assert (row.state, row.telegrams) == ("wrong_key", 2)
    alone = row_of(empty)
    assert (alone.state, alone.problem, alone.is_ok) == (NO_VALUE, "access window", False)
    assert sums([alone]).by_state == {NO_VALUE: 1}


def test_a_meter_that_gives_no_valid_value_is_not_ok() -> None:
    telegram = gas()
    invalid = tuple(replace(r, value=None, quality=Quality.ERROR_STATE) for r in telegram.readings)
    row = row_of(replace(telegram, readings=invalid))
    assert (row.state, row.problem, row.reading) == (NO_VALUE, "no valid value: error state", None)
    later = replace(telegram, readings=invalid, frame=replace(telegram.frame, at=START + HOUR))
    row = row_of(telegram, later)
    assert (row.state, row.read_at) == (NO_VALUE, START)
    assert "read at 2026-11-20 08:00 UTC: 28504.27 m³" in text_row(row, Widths.of([row]))


def test_a_possible_replay_gives_no_value() -> None:
    old = gas(START + HOUR)
    value = main_reading(old)
    assert value is not None
    old = replace(old, readings=tuple(replace(r, value=0) if r is value else r for r in old.readings))
    replay = (Finding(FindingKind.POSSIBLE_REPLAY, "access number went back"),)
    row = row_of(gas(), old, findings=replay)
    assert row.reading == value
    assert (row.read_at, row.state) == (START, "ok")
    assert row.findings == ((FindingKind.POSSIBLE_REPLAY, 1),)
    assert row.has_warnings


def test_findings_of_earlier_telegrams_are_not_forgotten() -> None:
    heard = HeardMeters()
    heard.add(gas(), (Finding(FindingKind.JUMP, "rose"), Finding(FindingKind.REPEATED_BY_HOP, "repeated")))
    heard.add(gas(START + HOUR), ())
    (row,) = report_rows(None, heard.settled(decode))
    assert row.findings == ((FindingKind.JUMP, 1),), "repeated is worth knowing, and no reason for doubt"


def test_the_total_counts_more_than_what_a_later_telegram_adds() -> None:
    both = gas()
    total = main_reading(both)
    other = replace(gas(START + HOUR), readings=tuple(r for r in both.readings if r is not total))
    assert row_of(both, other).reading == total


def test_a_meter_that_was_only_heard_damaged_is_damaged() -> None:
    damaged = gas(data=GAS_HEX[:60])
    assert row_of(damaged).state == "damaged"
    assert row_of(damaged, gas(START - HOUR)).state == "ok"


def test_what_a_gateway_sends_to_a_meter_is_not_the_meter() -> None:
    heard = HeardMeters()
    heard.add(replace(gas(), message="SND-UD"), ())
    assert not list(heard.settled(decode))
    assert (heard.telegrams, heard.to_meters) == (1, 1)


@pytest.mark.parametrize("message", ["SND-IR", "JoinRequest"])
def test_a_request_for_installation_is_kept(message: str) -> None:
    row = row_of(replace(gas(), message=message), gas(START + HOUR))
    assert row.installation_request == message


def heard_as(number: str, adapter: str | None = None, printed: str | None = None) -> HeardMeter:
    telegram = gas()
    assert telegram.meter is not None
    link = None if adapter is None else Address.of("RAD", adapter, 1, 0x37)
    meter = Address.of("ELS", number, 0x33, 3)
    heard = HeardMeters()
    heard.add(replace(telegram, meter=meter, link_address=link, printed_number=printed), ())
    return next(heard.settled(decode))


def expected(number: str, *, adapter: str = "", manufacturer: str | None = None) -> ExpectedMeter:
    return ExpectedMeter(
        number, manufacturer, number, frozenset({number}), adapters=frozenset({adapter} if adapter else ())
    )


def listed(meters: list[ExpectedMeter], heard: list[HeardMeter]) -> dict[str, str]:
    """Who of the list was heard as what."""
    rows = [row for row in report_rows(meters, heard) if row.listed]
    return {row.number: row.manufacturer if row.telegrams else "not heard" for row in rows}


def test_two_meters_behind_one_adapter_are_two() -> None:
    meters = [expected("11111111", adapter="99999999"), expected("22222222", adapter="99999999")]
    heard = [heard_as("11111111", "99999999")]
    assert listed(meters, heard) == {"11111111": "ELS", "22222222": "not heard"}


@pytest.mark.parametrize(
    ("meter", "heard"),
    [
        (expected("99999999"), heard_as("11111111", "99999999")),
        (expected("22222222", adapter="99999999"), heard_as("99999999")),
        (expected("21N001052", adapter="99999999"), heard_as("11111111", "99999999")),
        (expected("21N001052"), heard_as("11111111", printed="21N001052")),
    ],
    ids=["adapter on the list", "adapter does not name its meter", "serial behind an adapter", "printed number"],
)
def test_a_meter_is_found_by_its_adapter_or_by_the_number_on_its_front(meter: ExpectedMeter, heard: HeardMeter) -> None:
    assert listed([meter], [heard]) == {meter.number: "ELS"}


def capture(path: Path, *telegrams: tuple[datetime | None, str]) -> Path:
    frames = (RawFrame(bytes.fromhex(data), at, "test", "T1", -60) for at, data in telegrams)
    text = "".join(f"{format_line(frame)}\n" for frame in frames)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_days_in_the_wrong_order_are_no_replays(run: Run, frames: tuple[RawFrame, ...], tmp_path: Path) -> None:
    """Two receivers' captures, of which one begins later and both overlap."""
    half = len(frames) // 2
    first, second = tmp_path / "z.hex", tmp_path / "a.hex"
    first.write_text("".join(f"{format_line(frame)}\n" for frame in frames[: half + 20]))
    second.write_text("".join(f"{format_line(frame)}\n" for frame in frames[half:]))
    ran = run("report", second, first, "--key", GAS_KEY, "--json", "--list", _list_of(tmp_path, "44120994"))
    (row,) = [row for row in objects(ran.out) if row["number"] == "44120994"]
    assert (row["state"], row["findings"]) == ("ok", None)
    assert row["telegrams"] > row["transmissions"], "what both have heard was sent once"


def _list_of(tmp_path: Path, *numbers: str) -> Path:
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{number}\n" for number in numbers))
    return path


def test_a_capture_that_is_cut_is_told_and_all_before_it_counts(run: Run, tmp_path: Path) -> None:
    whole = capture(tmp_path / "gas.hex.gz", *((START + n * HOUR, GAS_HEX) for n in range(50)))
    cut = tmp_path / "cut.hex.gz"
    cut.write_bytes(whole.read_bytes()[:-40])
    good = capture(tmp_path / "good.hex", (START - HOUR, GAS_HEX))
    ran = run("report", cut, good, "--key", GAS_KEY, "--json", "--list", _list_of(tmp_path, GAS))
    assert [row["state"] for row in objects(ran.out)] == ["ok"]
    assert ran.code == 1
    assert "cut.hex.gz" in ran.err


def test_without_receive_times_nothing_is_made_up(run: Run, tmp_path: Path) -> None:
    heard = capture(tmp_path / "gas.hex", *[(None, GAS_HEX)] * 5)
    words = ("report", heard, "--key", GAS_KEY, "--list", _list_of(tmp_path, GAS))
    (row,) = objects(run(*words, "--json").out)
    assert (row["state"], row["telegrams"], row["last_heard"], row["transmissions"]) == ("ok", 5, None, None)
    assert "not known" in run(*words, "--csv").out
    assert "not known" in run(*words, "--html").out


def test_a_store_that_is_missing_does_not_lift_the_choice_of_an_order(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldtool.access._default_path", lambda: tmp_path / "nosuch.vault")
    ran = run("report", capture(tmp_path / "gas.hex", (START, GAS_HEX)), "--key", GAS_KEY, "--order", "4711")
    assert (ran.code, ran.out) == (4, "")


def test_a_meter_that_still_has_its_old_key_is_told(run: Run, store: Path, tmp_path: Path) -> None:
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        old = KeyRecord(GAS, value=bytes.fromhex(GAS_KEY), manufacturer="ELS", status=KeyStatus.SUPERSEDED)
        vault.put([old, KeyRecord(GAS, value=bytes.fromhex(OTHER_KEY), manufacturer="ELS")])
    heard = capture(tmp_path / "gas.hex", (START, GAS_HEX))
    (row,) = objects(run("report", heard, "--json").out)
    assert (row["state"], row["key_status"]) == ("ok", "superseded")
    ran = run("report", heard)
    assert "opens with a superseded key" in ran.out
    assert "1 ok (1 with warnings)" in ran.err


def test_a_revoked_key_is_not_used(run: Run, store: Path, tmp_path: Path) -> None:
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        revoked = KeyRecord(GAS, value=bytes.fromhex(GAS_KEY), manufacturer="ELS", status=KeyStatus.REVOKED)
        vault.put([revoked])
    (row,) = objects(run("report", capture(tmp_path / "gas.hex", (START, GAS_HEX)), "--json").out)
    assert row["state"] in {"not_permitted", "no_key"}
    assert "revoked" in row["problem"]
    assert row["value"] is None


def test_numbers_of_damaged_telegrams_alone_are_left_out_and_counted(run: Run, tmp_path: Path) -> None:
    other = GAS_HEX[:8] + "99" + GAS_HEX[10:]
    heard = capture(tmp_path / "gas.hex", (START, GAS_HEX), (START, other[:60]))
    ran = run("report", heard, "--key", GAS_KEY, "--list", _list_of(tmp_path, GAS))
    assert (ran.code, len(ran.lines)) == (0, 1)
    assert "1 number left out that came in damaged telegrams alone" in ran.err


def test_nothing_but_telegrams_without_a_sender_is_no_success(run: Run, tmp_path: Path) -> None:
    heard = capture(tmp_path / "gas.hex", (START, "0544010203"))
    ran = run("report", heard, "--key", GAS_KEY)
    assert (ran.code, ran.out) == (1, "")


def test_a_bad_line_is_told_with_its_capture(run: Run, tmp_path: Path) -> None:
    good = capture(tmp_path / "monday.hex", (START, GAS_HEX))
    bad = tmp_path / "tuesday.hex"
    bad.write_text(f"{GAS_HEX}\nno telegram\n")
    ran = run("report", good, bad, "--key", GAS_KEY, "--list", _list_of(tmp_path, GAS))
    assert "tuesday.hex, line 2: " in ran.err
    assert "1 line held no telegram" in ran.err


def test_a_meter_that_is_heard_on_and_not_read_any_more_is_told() -> None:
    """Neither damaged telegrams nor those of an unknown layout say that the meter is not in order."""
    unknown = replace(gas(START + 25 * HOUR), outcome=Outcome.UNSUPPORTED, readings=(), problem="unknown layout")
    row = row_of(gas(), unknown)
    assert (row.state, row.has_warnings) == ("ok", True)
    assert "▲ heard since, and not read after 2026-11-20 08:00 UTC" in text_row(row, Widths.of([row]))
    assert "not read: unsupported 1" in text_row(row, Widths.of([row]))
    assert not row_of(gas(), replace(unknown, frame=gas(START + HOUR).frame)).is_stale


def for_others(at: datetime, protection: str = "AES-128-CBC, derived key") -> Telegram:
    """A telegram of the gas meter that no key at hand opens, protected in another way."""
    telegram = gas(at, key=OTHER_KEY)
    assert telegram.security is not None
    return replace(telegram, security=replace(telegram.security, name=protection))


def test_telegrams_for_others_in_between_do_not_decide() -> None:
    minute = timedelta(minutes=1)
    between = [for_others(START), gas(START + minute), for_others(START + 2 * minute)]
    for telegrams in (between, between[:2]):
        row = row_of(*telegrams)
        assert (row.state, row.not_read[0][0]) == ("ok", Outcome.WRONG_KEY)


def test_a_meter_that_has_changed_its_protection_is_not_ok() -> None:
    """Nor is one that says something in the clear beside its values."""
    minute = timedelta(minutes=1)
    clock = replace(gas(START + minute), readings=tuple(r for r in gas().readings if r.quantity == "datetime"))
    assert clock.readings
    assert row_of(for_others(START), clock, for_others(START + 2 * minute)).state == "wrong_key"
    assert row_of(gas(), for_others(START + minute), for_others(START + 2 * minute)).state == "wrong_key"
    assert row_of(for_others(START), gas(START + minute), for_others(START + 2 * HOUR)).state == "wrong_key"
    same = "AES-128-CBC"
    assert (
        row_of(for_others(START, same), gas(START + minute), for_others(START + 2 * minute, same)).state == "wrong_key"
    )


def test_captures_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    def at(hours: float) -> tuple[datetime, str]:
        return START + hours * HOUR, GAS_HEX

    late = capture(tmp_path / "a.hex", at(50), at(51))
    early = capture(tmp_path / "c.hex", at(1), at(30))
    between = capture(tmp_path / "b.hex", at(2), at(40))
    between.write_text(f"{between.read_text()}no telegram\n")
    timeless = capture(tmp_path / "d.hex", (None, GAS_HEX))
    for paths in permutations((late, early, between, timeless)):
        items = [item for item, _ in in_order(paths, [])]
        times = [item.frame.at for item in items if isinstance(item, CaptureEntry)]
        assert times == [None, *(START + hours * HOUR for hours in (1, 2, 30, 40, 50, 51))]
        assert isinstance(items[5], BadLine), "it stays behind its neighbour"


def test_a_capture_with_times_since_its_beginning_tells_all_but_dates(run: Run, tmp_path: Path) -> None:
    data = [GAS_HEX[:22] + f"{n:02X}" + GAS_HEX[24:] for n in range(8)]
    heard = tmp_path / "relative.txt"
    heard.write_text("".join(f"telegram=|{one}|+{16 * n}\n" for n, one in enumerate(data)))
    (row,) = objects(run("report", heard, "--key", OTHER_KEY, "--list", _list_of(tmp_path, GAS), "--json").out)
    assert (row["transmissions"], row["median_interval_s"], row["received_percent"]) == (8, 16.0, 100.0)
    assert (row["received_by"], row["first_heard"]) == ("numbers", None)


def test_keys_filed_with_and_without_the_maker_are_of_one_meter(run: Run, store: Path, tmp_path: Path) -> None:
    with Vault.open(store) as vault:
        vault.unlock(PASSPHRASE)
        key = bytes.fromhex(GAS_KEY)
        named = KeyRecord(GAS, value=key, manufacturer="ELS", label="cellar", status=KeyStatus.SUPERSEDED)
        vault.put([KeyRecord(GAS, value=bytes.fromhex(OTHER_KEY)), named])
    rows = objects(run("report", capture(tmp_path / "gas.hex", (START, GAS_HEX)), "--json").out)
    assert [(row["manufacturer"], row["label"], row["key_status"]) for row in rows] == [("ELS", "cellar", "superseded")]
