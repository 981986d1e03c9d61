"""The actions screen as a person uses it, with a simulated meter that checks every certificate by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fieldtool.actions.errors import LinkSilent
from fieldtool.actions.links import LINKS, OPTIONS, open_link
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.sources.url import parse_url
from fieldtool.tui.action_run import link_over
from fieldtool.tui.action_screen import ActionScreen
from fieldtool.tui.app import FieldToolApp
from fieldtool.tui.help_screen import HelpScreen
from fieldtool.tui.meter_screen import MeterScreen
from fieldtool.tui.question_screen import QuestionScreen
from fieldtool.tui.reception_screen import ReceptionScreen
from fieldtool.tui.screenshot import without_web_fonts
from fieldtool.tui.unlock_screen import UnlockScreen
from simulators.field_meter.wired import WiredMeter
from simulators.field_meter.wired_bench import DEFAULT_BAUD, WiredBench
from simulators.ports import open_port
from tests.fieldtool.actions.action_bench import Clock, open_bench
from tests.fieldtool.test_sources import wait_for
from tests.fieldtool.tui.action_scenes import LINK, Field, begin, on_actions, says, visit
from tests.fieldtool.tui.test_tui_snapshots import check_snapshot
from tests.fieldtool.tui.tui_scenes import (
    NARROW,
    NOW,
    run_app,
    screen_lines,
    screen_text,
    until,
)


@pytest.fixture
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    clock = Clock()
    monkeypatch.setattr("fieldtool.enrolment.now", clock)
    with open_bench(tmp_path / "keys.vault", clock) as bench:
        yield Field(bench, [])


def test_the_table_says_what_is_allowed_and_why_not(field: Field) -> None:
    field.bench.enrol("installer")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, says(app, "✓ clock set the clock Installer", "level Installer"))
        assert says(app, "⊘ due-date set the due date Commissioner")()
        await pilot.press("end")
        await until(pilot, says(app, "⊘ test-mode", "level Test is needed"))
        assert all(len(line) <= NARROW[0] for line in screen_lines(app))
        await pilot.press("home", "down")
        await until(pilot, says(app, "allowed, writes. Asks for the customer number: 1 to 20 printable ASCII"))

    on_actions(field, steps)


def test_a_customer_number_is_planned_shown_written_and_read_back(field: Field) -> None:
    field.bench.enrol("installer")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "customer-number", "K-4711")
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await until(pilot, says(app, "new K-4711", "needs Installer", "in use Installer", "left", "sent 51 0DFD11"))
        assert field.bench.lock.state.customer_number != "K-4711"
        await pilot.press("y")
        await until(pilot, says(app, "now customer: K-4711", "confirmed by the read-out", "customer-number done"))

    on_actions(field, steps)
    assert field.bench.lock.state.customer_number == "K-4711"
    assert field.opened == [(LINK, field.bench.meter.address.number)]
    assert field.closed == 1
    assert field.bench.became == ["begun", "done"]


def test_an_outcome_is_not_left_standing_over_the_next_action(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    field.bench.enrol("installer")

    def silent() -> list[bytes]:
        raise LinkSilent("nobody answers there", "check the cable")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "customer-number", "K-4711")
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await pilot.press("y")
        await until(pilot, says(app, "confirmed by the read-out"))
        monkeypatch.setattr(field.bench.link, "read_out", silent)
        monkeypatch.setattr(field.bench.link, "exchange", lambda message: silent())
        await begin(app, pilot, "clock", "")
        await until(pilot, says(app, "nobody answers there"))
        assert not says(app, "confirmed by the read-out")()

    on_actions(field, steps)


def test_no_means_that_nothing_is_sent(field: Field) -> None:
    field.bench.enrol("installer")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "clock", "")
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await pilot.press("n")
        await until(pilot, says(app, "nothing was sent"))

    on_actions(field, steps)
    assert field.bench.became == []
    assert field.closed == 1


def test_what_is_typed_is_checked_where_it_is_typed(field: Field) -> None:
    field.bench.enrol("installer")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await begin(app, pilot, "primary-address")
        for typed, said in (("COM3", "is not a receiver address"), ("mbud://x", "unknown receiver")):
            await until(pilot, lambda: app.focused is app.screen.query_one("#answer"))
            await pilot.press(*typed[:1])
            app.screen.query_one("#answer").value = typed  # type: ignore[attr-defined]
            await pilot.press("enter")
            await until(pilot, says(app, said))
            await pilot.press("end", "ctrl+u")
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query_one("#answer-row").display)
        await visit(app, pilot, field, "primary-address")
        for typed, said in (("251", "'251' is not a primary address: 1 to 250"), ("x", "'x' is not a primary address")):
            await until(pilot, lambda: app.focused is app.screen.query_one("#answer"))
            await pilot.press(*typed, "enter")
            await until(pilot, says(app, said))
            await pilot.press("end", "ctrl+u")
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query_one("#answer-row").display)
        assert isinstance(app.screen, ActionScreen)

    on_actions(field, steps)
    assert field.opened == []


def test_a_level_that_does_not_allow_it_is_refused_here_and_written_down(field: Field) -> None:
    field.bench.enrol("installer")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "reset-alarms")
        await until(pilot, says(app, "level Service is needed to reset the alarms; the level in use is Installer"))
        assert isinstance(app.screen, ActionScreen)

    on_actions(field, steps)
    assert field.bench.became == ["refused by the tool"]
    assert field.bench.lock.state.alarms


def test_the_meters_refusal_is_told_with_its_reason(field: Field) -> None:
    field.bench.enrol("service")
    field.bench.lock.state = replace(field.bench.lock.state, reconfigurations_left=0)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "due-date", "2027-12-31")
        await until(pilot, says(app, "left 0 reconfigurations"))
        await pilot.press("y")
        await until(pilot, says(app, "refused by meter", "code 11"))

    on_actions(field, steps)
    assert field.bench.became[-1] == "refused by the meter"


def test_reading_out_needs_no_certificate(field: Field) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "read-out")
        await until(pilot, says(app, "Readings", "volume", "m³", "read out"))

    on_actions(field, steps)


def test_the_event_log_is_shown(field: Field) -> None:
    field.bench.enrol("service")
    field.bench.do("reset-alarms")

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "event-log")
        await until(pilot, says(app, "event-log done", "reset-alarms"))

    on_actions(field, steps)


def test_a_key_is_changed_and_never_shown(field: Field) -> None:
    field.bench.enrol("service")
    old = field.bench.lock.state.key
    seen: list[str] = []

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "change-key")
        await until(pilot, says(app, "new a new random key", "24 bytes: the new key under the present one"))
        await pilot.press("y")
        await until(pilot, says(app, "holds the new key"))
        seen.append(screen_text(app))

    on_actions(field, steps)
    new = field.bench.lock.state.key
    assert old is not None
    assert new is not None
    assert new != old
    assert field.bench.keys[new] == "active"
    assert not any(key.hex() in seen[0].lower() for key in (old, new))


def test_an_open_key_change_is_told_and_recovered(field: Field) -> None:
    field.bench.enrol("service")
    field.bench.lock.faults.cut_after = "applied"

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "change-key")
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await pilot.press("y")
        await until(pilot, says(app, "which key the meter holds is not known yet, both are kept"))
        await until(pilot, says(app, "▲ key change not settled: SIM 10002345", "r Recover"))
        field.bench.link.unplugged = False
        await pilot.press("r")
        await until(pilot, says(app, "holds the new key"))
        await until(pilot, lambda: "r Recover" not in screen_lines(app)[-1])

    on_actions(field, steps)
    assert field.bench.vault.key_changes.pending() == ()
    key = field.bench.lock.state.key
    assert key is not None
    assert field.bench.keys[key] == "active"


def test_waiting_is_told_and_can_be_stopped(field: Field) -> None:
    field.bench.enrol("installer")
    field.wait = threading.Event()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "start-radio")
        await until(pilot, says(app, "waiting for the meter: it sends about every 16 s …: escape stops"))
        await pilot.press("enter")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query_one("#message").has_class("-bad"))
        assert isinstance(app.screen, ActionScreen)
        assert app.focused is app.screen.actions
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ReceptionScreen))

    on_actions(field, steps)
    assert field.closed == 1
    assert len(field.opened) == 1


def test_who_quits_meanwhile_leaves_no_link_open(field: Field) -> None:
    field.bench.enrol("installer")
    field.wait = threading.Event()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "start-radio")
        await until(pilot, says(app, "waiting for the meter"))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)

    on_actions(field, steps)
    assert field.wait.is_set()
    wait_for(lambda: field.closed == 1, 15)
    assert not field.bench.lock.state.radio_on


def test_a_meter_on_a_line_is_set_up(field: Field) -> None:
    """The same over a real connection, through the tool's own driver."""
    bench = field.bench
    bench.enrol("commissioner")
    wired = WiredBench([WiredMeter(bench.lock)], open_port("tcp:0", DEFAULT_BAUD), clock=bench.clock)

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ActionScreen))
        await until(pilot, says(app, "read-out"))
        await begin(app, pilot, "due-date", wired.url, "p0", "2027-06-30")
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await pilot.press("y")
        await until(pilot, says(app, "due-date done", "left 19 reconfigurations"))
        wired.unplug()
        await begin(app, pilot, "primary-address", "7")
        await until(pilot, says(app, "nobody answers there: check that the other side runs"))
        await until(pilot, lambda: app.screen.query_one("#message").has_class("-bad"))
        assert isinstance(app.screen, ActionScreen)

    with wired:
        run_app(replace(field.session(), open_link=open_link), steps)
    assert str(bench.lock.state.due_date) == "2027-06-30"
    assert bench.lock.state.primary_address == 0
    last = bench.log[-1]
    assert (last["meter_action"], last["became"], last["level"]) == ("primary-address", "link failed", "Commissioner")
    assert last["parameter"] == "7"
    assert "nobody answers there" in last["reason"]


def test_actions_and_level_are_named_at_80_columns(field: Field) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "level" in screen_lines(app)[0])
        assert "a Actions  L Level" in screen_lines(app)[-1]
        assert screen_lines(app)[-1].endswith("? Help  q Quit")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MeterScreen))
        await until(pilot, lambda: "a Actions" in screen_lines(app)[-1])

    run_app(replace(field.session(), start_simulator=field.session), steps)


def test_a_locked_store_asks_for_the_passphrase_first(field: Field) -> None:
    field.bench.vault.lock()

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, UnlockScreen))
        await pilot.press("escape")
        await until(pilot, says(app, "The keystore is locked.", "u Unlock"))

    run_app(field.session(), steps)


def test_the_meter_comes_from_where_one_was(field: Field) -> None:
    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await pilot.press("home", "enter")
        await pilot.pause()
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ActionScreen))
        await until(pilot, lambda: "meter ELS 12345678" in screen_lines(app)[0])
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert says(app, "Help: actions")()

    run_app(field.session(), steps)


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("im871a /dev/ttyUSB0", "im871a:///dev/ttyUSB0?mode=c2"),
        ("im871a COM3", "im871a://COM3?mode=c2"),
        ("im871a socket://127.0.0.1:4001", "im871a+socket://127.0.0.1:4001?mode=c2"),
        ("air.hex", ""),
    ],
)
def test_the_stick_that_listens_is_offered_as_the_way(source: str, link: str) -> None:
    event = SourceEvent(source, SourceState.CONNECTED, "", NOW)
    assert link_over([SourceEvent("gwmp 1700", SourceState.CONNECTED, "", NOW), event]) == link
    if link:
        assert parse_url(link, tuple(LINKS), OPTIONS).target == source.partition(" ")[2]


def test_the_screen_looks_as_it_did(field: Field) -> None:
    field.bench.enrol("installer")
    seen: list[str] = []

    async def steps(app: FieldToolApp, pilot: Pilot[None]) -> None:
        await visit(app, pilot, field, "customer-number", "K-4711")
        await until(pilot, lambda: isinstance(app.screen, QuestionScreen))
        await pilot.pause()
        seen.append(without_web_fonts(app.export_screenshot(title="fieldtool")))
        await pilot.press("y")
        await until(pilot, says(app, "customer-number done"))
        await pilot.pause(0.3)
        seen.append(without_web_fonts(app.export_screenshot(title="fieldtool")))

    on_actions(field, steps)
    check_snapshot("action-plan-80x24", seen[0])
    check_snapshot("actions-80x24", seen[1])
