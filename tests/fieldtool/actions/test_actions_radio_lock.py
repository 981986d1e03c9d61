"""Guarded actions over radio: service, link, stick, air and lock, in virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from fieldtool.actions.errors import ActionRefused, LinkLost, LinkSilent
from fieldtool.actions.links import LinkContext
from fieldtool.actions.radio_access import Patience
from fieldtool.actions.radio_link import RadioLink
from fieldtool.actions.service import ActionService
from protocols.decode import decode
from protocols.wmbus.two_way import CI_APPLICATION_ERROR, REQ_UD2, SND_UD
from simulators.bench.lockstep import Lockstep
from simulators.field_meter.lock import AFTER_APPLIED, AFTER_RECEIVED, MeterLock
from simulators.field_meter.radio import RadioMeter, RadioSettings
from simulators.field_meter.radio_lock import RADIO_LIFETIME_S, LockOnAir
from simulators.receivers.im871a import Im871aStick
from simulators.scenario import Faults
from tests.fieldtool.actions.action_bench import Bench, Clock, one_meter_air, open_bench, sending


@dataclass
class AirClock(Clock):
    """The time of the air, for service and vault."""

    port: Lockstep | None = None

    def __call__(self) -> datetime:
        return self.now if self.port is None else self.port.now


@dataclass
class Radio:
    """A bench whose link is a radio link."""

    bench: Bench
    application: LockOnAir
    meter: RadioMeter
    port: Lockstep
    stick: Im871aStick
    link: RadioLink
    said: list[str]

    @property
    def service(self) -> ActionService:
        return ActionService(self.bench.vault, self.link, self.bench.clock, Random(5).randbytes)


Make = Callable[..., Radio]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    stack = ExitStack()
    count = itertools.count()

    def build(
        *,
        faults: Faults | None = None,
        settings: RadioSettings | None = None,
        seed: int = 1,
        installed: bool = True,
        mode: str = "c2",
    ) -> Radio:
        clock = AirClock()
        bench = stack.enter_context(open_bench(tmp_path / f"vault{next(count)}", clock))
        state = sending(bench, installed=installed)
        bench.lock = MeterLock(bench.meter, state, bench.lock.anchors, Random(3).randbytes, lifetime_s=RADIO_LIFETIME_S)
        starts = clock()
        air = one_meter_air(starts, seed=seed, faults=faults)
        application = LockOnAir(bench.lock)
        meter = RadioMeter(application, starts, settings or RadioSettings(mode=mode.upper()), seed=seed)
        air.join(meter)
        stick = Im871aStick(seed=seed)
        port = Lockstep(air, stick, starts)
        clock.port = port
        said: list[str] = []
        context = LinkContext(bench.vault.keys_for, said.append, clock)
        link = RadioLink(port, bench.choice, context, mode=mode, patience=Patience(120, 120), clock=port.clock)
        stack.callback(link.close)
        return Radio(bench, application, meter, port, stick, link, said)

    with stack:
        yield build


def test_an_action_goes_through_stick_air_and_lock_and_back(make: Make) -> None:
    the = make()
    the.bench.enrol("Installer")
    plan = the.service.plan("customer-number", the.bench.choice, {"number": "C-4711"})
    assert plan.why_not == ""
    outcome = the.service.execute(plan)
    assert outcome.ok
    assert outcome.authentic
    assert outcome.matches
    assert the.bench.lock.state.customer_number == "C-4711"
    assert the.bench.became[-1] == "done"
    assert any(line.startswith("sending ") for line in the.said)
    the.link.close()
    assert not the.meter.in_access


@pytest.mark.parametrize("settings", [RadioSettings(fast=False), RadioSettings(mode="S2")], ids=["slow", "S2"])
def test_other_windows_carry_it_too(make: Make, settings: RadioSettings) -> None:
    the = make(settings=settings, mode=settings.mode.lower())
    the.port.reaction_s = 0.002
    the.bench.enrol("Commissioner")
    assert the.service.execute(the.service.plan("pulse-value", the.bench.choice, {"litres": 10})).ok
    assert the.bench.lock.state.pulse_litres == 10


@pytest.mark.parametrize("seed", range(4))
def test_loss_of_thirty_percent_still_ends(make: Make, seed: int) -> None:
    the = make(faults=Faults(loss=0.3), seed=seed)
    the.bench.enrol("Installer")
    outcome = the.service.execute(the.service.plan("customer-number", the.bench.choice, {"number": f"L{seed}"}))
    assert outcome.ok
    assert the.bench.lock.state.customer_number == f"L{seed}"
    assert the.bench.fates.count(the.bench.fates[0]) == 1
    assert the.port.clock() < 600


def test_the_meter_refuses_what_the_level_does_not_allow(make: Make) -> None:
    the = make()
    the.bench.enrol("Installer")
    service = the.service
    plan = service.plan("reset-alarms", the.bench.choice, {})
    evidence = service.evidence(service.standing())
    with pytest.raises(ActionRefused) as caught:
        service._perform(plan, evidence, service._log(plan, service.standing()))
    assert caught.value.code == 9
    assert the.bench.lock.state.alarms


def test_the_key_changes_over_the_air_and_both_sides_agree(make: Make) -> None:
    the = make()
    the.bench.enrol("Service")
    before = the.bench.lock.state.key
    new_key = bytes(range(16))
    outcome = the.service.execute(the.service.plan("change-key", the.bench.choice, {}, new_key))
    assert outcome.ok
    assert the.bench.lock.state.key == new_key != before
    assert the.bench.keys[new_key].value == "active"
    the.port.pass_time(60)
    # The access is over: the meter now sends under its new key, and is still understood.
    assert the.link.read_out()


@pytest.mark.parametrize("seed", range(3))
def test_a_key_change_survives_losses(make: Make, seed: int) -> None:
    the = make(faults=Faults(loss=0.3), seed=seed)
    the.bench.enrol("Service")
    service = the.service
    with suppress(LinkSilent):
        service.execute(service.plan("change-key", the.bench.choice, {}, bytes(range(16))))
    service.recover(the.bench.choice)
    held = the.bench.lock.state.key
    assert held is not None
    assert the.bench.keys[held].value == "active"
    assert the.bench.vault.key_changes.pending_for(the.bench.meter.address) is None


@pytest.mark.parametrize("cut", [AFTER_RECEIVED, AFTER_APPLIED])
def test_a_key_change_that_loses_the_meter_on_the_way_is_settled_by_asking(make: Make, cut: str) -> None:
    the = make()
    the.bench.enrol("Service")
    service = the.service
    plan = service.plan("change-key", the.bench.choice, {}, bytes(range(16)))
    the.bench.lock.faults.cut_after = cut
    with suppress(LinkSilent, LinkLost, ActionRefused):
        service.execute(plan)
    service.recover(the.bench.choice)
    held = the.bench.lock.state.key
    assert held is not None
    assert the.bench.keys[held].value == "active"
    assert the.bench.vault.key_changes.pending_for(the.bench.meter.address) is None
    assert (held == bytes(range(16))) is (cut == AFTER_APPLIED)


def test_confirming_the_installation_ends_the_installation_telegrams(make: Make) -> None:
    the = make(installed=False)
    the.bench.enrol("Installer")
    heard = the.link.access.wait(30)
    assert heard is not None
    assert heard.message.name == "SND-IR"
    assert the.service.execute(the.service.plan("confirm-installation", the.bench.choice, {})).ok
    the.link.close()
    assert the.application.confirmations == 1
    assert not the.application.installing
    assert not the.meter.in_access


def test_a_confirmation_without_a_certificate_changes_nothing(make: Make) -> None:
    the = make(installed=False)
    the.link._confirms = True
    the.link.read_out()
    the.link.close()
    assert the.application.confirmations == 1
    assert the.application.installing


def test_what_is_written_outside_of_a_session_is_denied(make: Make) -> None:
    the = make()
    the.link.access.request(SND_UD, bytes.fromhex("017A05"))
    answer = the.link.access.request(REQ_UD2)
    assert answer.message.ci == CI_APPLICATION_ERROR
    assert answer.message.application[:1] == b"\x10"
    assert the.bench.lock.state.primary_address == 0


def test_a_read_out_has_all_its_parts_and_needs_no_certificate(make: Make) -> None:
    the = make()
    frames = the.link.read_out()
    telegrams = [decode(frame, the.bench.vault.keys_for) for frame in frames]
    assert len(frames) == 3
    assert [telegram.outcome.value for telegram in telegrams] == ["ok"] * 3
    assert len(the.link.read_out()) == 3


def test_an_unplugged_stick_ends_the_action_with_one_line(make: Make) -> None:
    the = make()
    the.bench.enrol("Installer")
    service = the.service
    plan = service.plan("customer-number", the.bench.choice, {"number": "C-1"})
    the.port.unplugged = True
    with pytest.raises(LinkLost, match="the stick was unplugged"):
        service.execute(plan)
    assert the.bench.lock.state.customer_number == ""


def test_a_meter_whose_radio_is_off_is_not_heard(make: Make) -> None:
    the = make()
    the.bench.lock.state = replace(the.bench.lock.state, radio_on=False)
    with pytest.raises(LinkSilent, match="no telegram of meter"):
        the.link.read_out()
