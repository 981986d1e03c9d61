"""The looks at a machine, on trees of files as Linux has them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fieldtool.doctor.machine import (
    Holder,
    LockFile,
    access,
    by_id,
    driver,
    holders,
    is_device,
    lock_file,
    runs,
    surroundings,
    this_machine,
    usb_devices,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")

HERE = os.getpid()


def process(proc: Path, number: int, name: str, *opened: str, words: str = "") -> None:
    folder = proc / str(number)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cmdline").write_text(words)
    for index, target in enumerate(opened):
        (folder / "fd" / str(index)).symlink_to(target)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    return tmp_path / "proc"


def test_programs_that_have_a_port_open_are_named(proc: Path) -> None:
    process(proc, 812, "ModemManager", "socket:[1]", "/dev/ttyUSB7")
    process(proc, 90, "cat", "/dev/null")
    process(proc, 4000, "python3", "/dev/ttyUSB7", words="/usr/bin/python3\0/usr/bin/fieldtool\0listen\0")
    process(proc, HERE, "pytest", "/dev/ttyUSB7")
    (proc / "uptime").write_text("1")
    assert holders("/dev/ttyUSB7", proc) == [Holder(812, "ModemManager"), Holder(4000, "python3", is_fieldtool=True)]
    assert holders("/dev/ttyUSB8", proc) == []


def test_a_process_that_shows_nothing_holds_nothing(proc: Path) -> None:
    (proc / "77").mkdir()
    assert holders("/dev/ttyUSB7", proc) == []


def test_a_system_without_processes_to_look_at_tells_nothing(tmp_path: Path) -> None:
    assert holders("/dev/ttyUSB7", tmp_path / "none") is None
    assert not runs("ModemManager", tmp_path / "none")


def test_the_other_end_of_a_pseudo_terminal_does_not_hold_it(proc: Path) -> None:
    process(proc, 10, "device", "/dev/ptmx", "/dev/pts/977")
    process(proc, 11, "listener", "/dev/pts/977")
    assert holders("/dev/pts/977", proc) == [Holder(11, "listener")]


def test_a_running_program_is_found_by_its_name(proc: Path) -> None:
    process(proc, 812, "ModemManager")
    assert runs("ModemManager", proc)
    assert not runs("brltty", proc)


def test_lock_files(tmp_path: Path, proc: Path) -> None:
    process(proc, 812, "minicom")
    folder = tmp_path / "lock"
    folder.mkdir()
    assert lock_file("/dev/ttyUSB7", [tmp_path / "none", folder], proc) is None
    file = folder / "LCK..ttyUSB7"
    for text, holder in [
        ("       812\n", Holder(812, "minicom")),
        ("4711\n", None),
        ("not a number", None),
        ("../812", None),
        (f"{HERE}\n", None),
    ]:
        file.write_text(text)
        assert lock_file("/dev/ttyUSB7", [folder], proc) == LockFile(str(file), holder)


@pytest.mark.parametrize(
    ("file", "text", "kind"),
    [
        ("proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n", "wsl"),
        (".dockerenv", "", "container"),
        ("run/.containerenv", "", "container"),
        ("sys/class/dmi/id/product_name", "VirtualBox\n", "virtual machine"),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n", "virtual machine"),
        ("sys/class/dmi/id/product_name", "Latitude 7490\n", ""),
        ("empty", "", ""),
    ],
)
def test_what_a_system_runs_in(tmp_path: Path, file: str, text: str, kind: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert surroundings(tmp_path) == kind


def test_usb_devices_with_a_driver_or_without(tmp_path: Path) -> None:
    for name, vendor, product in [("1-1", "10c4", "ea60"), ("1-2", "0403", "6001"), ("1-3", "xyz", "1")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "idVendor").write_text(f"{vendor}\n")
        (tmp_path / name / "idProduct").write_text(f"{product}\n")
    (tmp_path / "1-1:1.0").mkdir()
    assert usb_devices(tmp_path) == [(0x10C4, 0xEA60), (0x0403, 0x6001)]
    assert usb_devices(tmp_path / "none") == []


def test_the_driver_of_a_port(tmp_path: Path) -> None:
    (tmp_path / "drivers" / "cp210x").mkdir(parents=True)
    device = tmp_path / "tty" / "ttyUSB7" / "device"
    device.mkdir(parents=True)
    (device / "driver").symlink_to(tmp_path / "drivers" / "cp210x")
    assert driver("/dev/ttyUSB7", tmp_path / "tty") == "cp210x"
    assert driver("/dev/ttyUSB8", tmp_path / "tty") == ""


def test_the_name_that_a_port_keeps(tmp_path: Path) -> None:
    port, folder = tmp_path / "ttyUSB7", tmp_path / "by-id"
    port.write_text("")
    folder.mkdir()
    (folder / "usb-IMST_iM871A_00102030-if00-port0").symlink_to(port)
    assert by_id(str(port), folder) == str(folder / "usb-IMST_iM871A_00102030-if00-port0")
    assert by_id(str(tmp_path / "other"), folder) == ""
    assert by_id(str(port), tmp_path / "none") == ""


def test_who_may_open_a_file(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("")
    file.chmod(0o660)
    may = access(str(file))
    assert may is not None
    assert (may.allowed, may.group_may, may.member) == (True, True, True)
    assert may.user == may.owner
    file.chmod(0o640)
    seen = access(str(file))
    assert seen is not None
    assert not seen.group_may
    assert access(str(tmp_path / "none")) is None


def test_what_may_be_a_serial_port(tmp_path: Path) -> None:
    master, slave = os.openpty()
    try:
        assert is_device(os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file", tmp_path / "none"):
        assert not is_device(str(path))
    assert not is_device("/dev/null") or sys.platform != "linux"


def test_what_this_machine_has_opened_is_seen(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system has no /proc")
    file = tmp_path / "opened"
    file.write_text("")
    code = "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        found = this_machine().holders(str(file))
        assert found is not None
        assert [holder.pid for holder in found] == [other.pid]
        other.communicate(b"")
    assert this_machine().holders(str(file)) == []
