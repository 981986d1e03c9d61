"""The rungs before a port of this machine is opened: whether it is there, may be opened, and nobody else has it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from fieldtool.doctor.chips import TAKEN_BY_BRLTTY, chip_of
from fieldtool.doctor.likely import described, likely_kinds
from fieldtool.doctor.machine import Access, Holder, Machine
from fieldtool.doctor.report import PortReport, PortRung, PortStep
from fieldtool.sources.serial_port import usb_text
from protocols.model import RungState
from protocols.receivers.registry import REGISTRY, receiver

_PLUG_IN: Final = "plug the receiver in, straight into the computer, with a cable that carries data"
_NO_PORT: Final[dict[str, str]] = {
    "wsl": "in a PowerShell of Windows: `usbipd list`, `usbipd bind --busid ID`, `usbipd attach --wsl --busid ID`",
    "container": "start the container with `--device /dev/ttyUSB0`; a port that came later is not in it",
    "virtual machine": f"hand the USB device to this virtual machine in the menu of its host; else {_PLUG_IN}",
    "win32": f"{_PLUG_IN}; a device without a COM number in the Device Manager lacks its driver",
}
MODEM_MANAGER: Final = "; ModemManager runs, and keeps a new port busy for half a minute"
"""What may be why a port of this computer is busy, or silent."""

_CLOSE_IT: Final[dict[str, str]] = {
    "ModemManager": "`sudo systemctl stop ModemManager`; for good, a udev rule for the stick with "
    'ENV{ID_MM_DEVICE_IGNORE}="1"',
    "brltty": "remove brltty, which takes the port for a Braille display: `sudo apt remove brltty`",
    "agetty": "stop the login on that line: `sudo systemctl disable --now serial-getty@{port}`",
    "wmbusmeters": "`sudo systemctl stop wmbusmeters`, or end it",
    "wmbusmetersd": "`sudo systemctl stop wmbusmeters`, or end it",
}
_BITS_OF_MACOS: Final = "/dev/tty.", "/dev/cu."


def no_port_step(machine: Machine, named: str = "") -> PortStep:
    """Say that there is no port, none at all or not the one that is named, and why that may be."""
    detail = f"{named} does not exist" if named else "there is no serial port on USB"
    others = [port.path for port in machine.ports() if port.path != named]
    if named and others:
        detail += f"; there {'is' if len(others) == 1 else 'are'} {', '.join(others)}"
    without = _without_port(machine)
    if without:
        shown = ", ".join(f"{usb_text(usb_id)} ({chip_of(usb_id).name})" for usb_id in without)
        detail += f"; plugged in, but without a port: {shown}"
        step = f"`sudo modprobe {chip_of(without[0]).module}`, then plug it in again"
        if without[0] in TAKEN_BY_BRLTTY:
            step += "; where brltty runs, it takes such ports away: `sudo apt remove brltty`"
    else:
        step = _NO_PORT.get(machine.surroundings()) or _NO_PORT.get(machine.system) or _PLUG_IN
    return PortStep(PortRung.PORT, RungState.FAILED, detail, step)


def _without_port(machine: Machine) -> list[tuple[int, int]]:
    """Return what is on USB and could be a receiver, and has no port."""
    known = {usb_id for kind in REGISTRY for usb_id in receiver(kind).USB_IDS}
    with_port = {port.usb_id for port in machine.ports()}
    return [usb_id for usb_id in machine.usb_devices() if usb_id in known and usb_id not in with_port]


def port_step(machine: Machine, path: str, report: PortReport) -> PortStep:
    """Say whether a port is there, and what it is."""
    found = described(path, machine.ports())
    if found is None and not machine.exists(path):
        return no_port_step(machine, path)
    if not machine.is_device(path):
        follow = "look for the receiver's name with `fieldtool receivers list`"
        return PortStep(PortRung.PORT, RungState.FAILED, f"{path} is not a serial port", follow)
    parts = [report.description] if report.description not in ("", "n/a") else []
    if parts and report.manufacturer and report.manufacturer.lower() not in report.description.lower():
        parts[0] += f" by {report.manufacturer}"
    parts.extend([f"serial number {report.serial_number}"] if report.serial_number else [])
    if report.usb_id is not None:
        parts.append(f"USB {usb_text(report.usb_id)}")
        maybe = [receiver(kind).TITLE for kind in likely_kinds(found)]
        parts.extend([f"as in {' or '.join(maybe)}"] if maybe else [])
    parts.extend([f"driver {report.driver}"] if report.driver else [])
    parts.extend([f"also {report.by_id}"] if report.by_id and report.by_id != path else [])
    follow = ""
    if machine.system == "darwin" and path.startswith(_BITS_OF_MACOS[0]):
        follow = f"use {path.replace(*_BITS_OF_MACOS)}: a /dev/tty.* port waits for a carrier that no stick has"
    return PortStep(PortRung.PORT, RungState.PASSED, ", ".join(parts) or "it is there", follow)


def permission_step(machine: Machine, path: str) -> PortStep:
    """Say whether the system lets this user open a port."""
    access = machine.access(path)
    if access is None:
        return PortStep(PortRung.PERMISSION, RungState.NOT_REACHED, "this system does not tell before it is opened")
    if access.allowed:
        return PortStep(PortRung.PERMISSION, RungState.PASSED, f"{access.user} may open it")
    detail, follow = _denied(access, machine.system)
    return PortStep(PortRung.PERMISSION, RungState.FAILED, detail, follow)


def _denied(access: Access, system: str) -> tuple[str, str]:
    if system == "linux" and access.group_may and access.group != "root":
        if access.enrolled and not access.member:
            return (
                f"{access.user} is in group {access.group} by now, but was not at the last login",
                "log out and in again (a restart does it too)",
            )
        if not access.member:
            return (
                f"it belongs to group {access.group}, and {access.user} is not in it",
                f"`sudo usermod -aG {access.group} {access.user}`, and log in again",
            )
    return (
        f"it belongs to {access.owner}, group {access.group}, and {access.user} may not open it",
        'give the stick a udev rule with TAG+="uaccess", or ask who runs this computer'
        if system == "linux"
        else "ask who runs this computer",
    )


def free_step(machine: Machine, path: str) -> PortStep:
    """Say whether another program has a port open, or has reserved it."""
    name = os.path.realpath(path).rpartition("/")[2]
    holders = machine.holders(path)
    if holders:
        shown = ", ".join(map(_shown, holders))
        return PortStep(PortRung.FREE, RungState.FAILED, f"{shown} has it open", _close(holders[0], name))
    lock = machine.lock_file(path)
    if lock is not None and lock.holder is not None:
        detail = f"{_shown(lock.holder)} has reserved it ({lock.path})"
        return PortStep(PortRung.FREE, RungState.FAILED, detail, _close(lock.holder, name))
    if lock is not None:
        detail = f"free; {lock.path} was left behind by a program that is gone"
        return PortStep(PortRung.FREE, RungState.PASSED, detail, f"delete it if another program minds: {lock.path}")
    if holders is None:
        return PortStep(PortRung.FREE, RungState.NOT_REACHED, "this system does not tell who has a port open")
    return PortStep(PortRung.FREE, RungState.PASSED, "no program that you may see has it open")


def _shown(holder: Holder) -> str:
    return f"{'another fieldtool' if holder.is_fieldtool else holder.name} (process {holder.pid})"


def _close(holder: Holder, port: str) -> str:
    if holder.is_fieldtool:
        return f"close that window, or `kill {holder.pid}`; one fieldtool can listen to several receivers"
    return _CLOSE_IT.get(holder.name, f"close it, or `kill {holder.pid}`").replace("{port}", port)


def busy_cure(machine: Machine, path: str) -> str:
    """Say how to find the program that has a port, where this one may not see it."""
    cures: dict[str, str] = {
        "linux": f"a program that you may not see has it: `sudo fuser -v {path}` names it"
        + (f"{MODEM_MANAGER}: try again then" if machine.runs("ModemManager") else ""),
        "win32": "close the other terminal or meter program; Process Explorer finds the one that has the port",
    }
    return cures.get(machine.system, f"`sudo lsof {path}` names the program; close it")


LOCAL_RUNGS: Final[tuple[Callable[[Machine, str], PortStep], ...]] = (permission_step, free_step)
"""What follows `port_step`, in order; a failure ends the ladder, for to open the port would disturb or be refused."""
