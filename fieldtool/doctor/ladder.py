"""Climbs the ladder of one port, as far as it goes; what is above a failure is not reached."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fieldtool.doctor.air import air_step, modes_text, modes_to_hear, other_mode
from fieldtool.doctor.asking import Answer, other_device
from fieldtool.doctor.hearing import hear
from fieldtool.doctor.likely import described, with_likely
from fieldtool.doctor.local_port import LOCAL_RUNGS, MODEM_MANAGER, busy_cure, no_port_step, port_step
from fieldtool.doctor.machine import Machine, this_machine
from fieldtool.doctor.report import PortReport, PortRung, PortStep
from fieldtool.doctor.search import search
from fieldtool.doctor.target import Target
from fieldtool.errors import PortBusy, ReceiverError
from fieldtool.sources.serial_port import is_network, lost_hint
from protocols.model import RungState
from protocols.plural import counted
from protocols.receivers.registry import Receiver, receiver


@dataclass(frozen=True, slots=True)
class Doctor:
    """How to look: the machine, where progress is told, and for how long to listen (0: not at all)."""

    machine: Machine = field(default_factory=this_machine)
    tell: Callable[[str], None] = lambda _: None
    seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    defaults: Mapping[str, str] = field(default_factory=dict)

    def usb_ports(self) -> list[str]:
        """Return the ports that are looked at when none is named."""
        return [port.path for port in self.machine.ports() if port.usb_id is not None]

    def other_ports(self) -> list[str]:
        """Return the ports that are looked at only when they are named: not on USB, so hardly a receiver's."""
        return [port.path for port in self.machine.ports() if port.usb_id is None]

    def no_port(self) -> PortReport:
        """Return the report of a machine without a port."""
        return PortReport("", _whole([no_port_step(self.machine)], _rungs(local=True, air=bool(self.seconds))))

    def examine(self, target: Target) -> PortReport:
        """Climb the ladder of one port; raises `UsageError` for an address of which nothing can be opened."""
        if target.url:
            return self._other_source(target)
        report = PortReport(target.port, ())
        steps: list[PortStep] = []
        if target.is_local:
            report = self._describe(report)
            steps = self._local_steps(report)
        if not _failed(steps):
            report = self._ask_all(target, report, steps)
        if report.url and not _failed(steps) and self.seconds:
            report = self._listen(target, report, steps)
        return replace(report, steps=_whole(steps, _rungs(local=target.is_local, air=bool(self.seconds))))

    def _describe(self, report: PortReport) -> PortReport:
        found = described(report.port, self.machine.ports())
        return replace(
            report,
            description=found.description if found else "",
            usb_id=found.usb_id if found else None,
            driver=self.machine.driver(report.port),
            by_id=self.machine.by_id(report.port),
            manufacturer=found.manufacturer if found else "",
            serial_number=found.serial_number if found else "",
        )

    def _local_steps(self, report: PortReport) -> list[PortStep]:
        steps = [port_step(self.machine, report.port, report)]
        for look in LOCAL_RUNGS:
            if _failed(steps):
                break
            steps.append(look(self.machine, report.port))
        return steps

    def _ask_all(self, target: Target, report: PortReport, steps: list[PortStep]) -> PortReport:
        """Open the port and ask for one kind of receiver after the other, until one answers."""
        asked: list[type[Receiver]] = []
        heard = bytearray()
        try:
            for family, answer in search(with_likely(target, self.machine.ports()), self.tell, self.clock):
                if answer.identified:
                    steps.append(PortStep(PortRung.OPENS, RungState.PASSED, f"at {family.BAUD} baud"))
                    return _answered(target, report, family, answer, steps)
                asked.append(family)
                heard += answer.heard
        except ReceiverError as error:
            busy = isinstance(error, PortBusy) and target.is_local
            follow = busy_cure(self.machine, target.port) if busy else error.hint
            steps.append(PortStep(PortRung.OPENS, RungState.FAILED, error.message, follow))
            return report
        except OSError as error:
            detail = f"the connection was lost ({error.strerror or 'the port is gone'})"
            steps.append(PortStep(PortRung.OPENS, RungState.FAILED, detail, lost_hint(target.port)))
            return report
        bauds = ", ".join(str(baud) for baud in sorted({family.BAUD for family in asked}))
        steps.append(PortStep(PortRung.OPENS, RungState.PASSED, f"at {bauds} baud"))
        steps.append(self._silent_step(report, asked, bytes(heard)))
        return report

    def _silent_step(self, report: PortReport, asked: list[type[Receiver]], heard: bytes) -> PortStep:
        detail = f"none of the {len(asked)} known kinds of receivers answered"
        other = other_device(heard)
        if other:
            return PortStep(
                PortRung.ANSWERS, RungState.FAILED, f"{detail}: what is there {other}", "name the receiver's port"
            )
        if heard:
            detail += f"; {counted(len(heard), 'byte')} came that no receiver would send"
            follow = "another device, or other firmware or another baud rate than the receiver left the works with"
            return PortStep(PortRung.ANSWERS, RungState.FAILED, detail, follow)
        if is_network(report.port):
            follow = "look whether the receiver is plugged in there, and set the server to the receiver's baud rate"
        elif report.usb_id is None:
            follow = "check that this is the receiver's port, and that the receiver has power"
        else:
            follow = "unplug it, plug it in again, and try once more"
        if not is_network(report.port) and self.machine.runs("ModemManager"):
            follow += MODEM_MANAGER
        return PortStep(PortRung.ANSWERS, RungState.FAILED, f"{detail}; not a single byte came", follow)

    def _listen(self, target: Target, report: PortReport, steps: list[PortStep]) -> PortReport:
        """Listen in one mode after the other, until something is heard; in the one that was named if one was."""
        family = receiver(report.kind)
        modes = [target.mode] if target.mode else modes_to_hear(family)
        for mode in modes:
            url = target.url_of(report.kind, mode)
            self.tell(f"{target.port}: listens to {mode} for {self.seconds:g} s")
            air = hear(url, self.seconds, lambda _: None)
            if air.telegrams or air.lost:
                steps.append(air_step(air, [mode]))
                return replace(report, air=air, url=url)
        steps.append(air_step(air, modes, other_mode(family, modes)))
        return replace(report, air=air)

    def _other_source(self, target: Target) -> PortReport:
        """Look at a gateway, a broker or a program: what there is to look at is whether it opens, and is heard."""
        said: list[str] = []
        air = hear(target.url, self.seconds, said.append, self.defaults)
        steps = []
        if said or air.lost is None:
            steps.append(PortStep(PortRung.OPENS, RungState.PASSED, said[0] if said else "it opens"))
            if self.seconds:
                steps.append(air_step(air))
        if not said and air.lost is not None:
            steps.append(PortStep(PortRung.OPENS, RungState.FAILED, *air.lost))
        rungs = (PortRung.OPENS, PortRung.AIR) if self.seconds else (PortRung.OPENS,)
        report = PortReport(target.url, _whole(steps, rungs))
        return replace(report, url=target.url if report.well else "", air=air if self.seconds else None)


def _answered(
    target: Target, report: PortReport, family: type[Receiver], answer: Answer, steps: list[PortStep]
) -> PortReport:
    """Say what answered, whether it is what was named, and what it can hear."""
    info = answer.info
    detail = family.TITLE
    if info is not None:
        model = f"{info.model} {info.serial}".rstrip()
        firmware = f"firmware {info.firmware}" if info.firmware else ""
        detail = ", ".join(filter(None, [family.TITLE, "" if model in family.TITLE else model, firmware]))
    report = replace(report, kind=family.NAME, info=info)
    mode = target.mode_of(family)
    if target.kind and target.kind != family.NAME:
        url = target.url_of(family.NAME, mode)
        detail = f"{detail}; no {receiver(target.kind).TITLE}"
        steps.append(PortStep(PortRung.ANSWERS, RungState.FAILED, detail, f"fieldtool listen {shlex.quote(url)}"))
        return report
    steps.append(PortStep(PortRung.ANSWERS, RungState.PASSED, detail))
    if info is None:
        steps.append(PortStep(PortRung.MODE, RungState.FAILED, answer.reason, answer.hint))
        return report
    note = f"; it {info.note}" if info.note else ""
    can = f"listens to {info.mode}{note}; can be asked for {modes_text(family)}"
    steps.append(PortStep(PortRung.MODE, RungState.PASSED, can))
    return replace(report, url=target.url_of(family.NAME, mode))


def _failed(steps: list[PortStep]) -> bool:
    return any(step.state is RungState.FAILED for step in steps)


def _rungs(*, local: bool, air: bool) -> tuple[PortRung, ...]:
    rungs = tuple(PortRung)
    return rungs[0 if local else 3 : len(rungs) if air else len(rungs) - 1]


def _whole(steps: list[PortStep], rungs: tuple[PortRung, ...]) -> tuple[PortStep, ...]:
    """Return the whole ladder: the rungs that were not reached as such."""
    done = {step.rung for step in steps}
    missing = [PortStep(rung, RungState.NOT_REACHED, "not reached") for rung in rungs if rung not in done]
    return (*steps, *missing)
