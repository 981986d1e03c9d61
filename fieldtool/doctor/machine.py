"""The looks at this machine that a diagnosis needs, each replaceable; none changes anything."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fieldtool.sources.serial_port import PortDescription, is_pseudo_terminal, list_ports

_READ_LIMIT: Final = 4096
_MEMORY_DEVICES: Final = 1
_OTHER_ENDS: Final = frozenset({"/dev/ptmx", "/dev/pts/ptmx"})
_VIRTUAL: Final = re.compile(r"VirtualBox|VMware|KVM|QEMU|Virtual Machine|Parallels|Bochs", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may open a port, and whether I may.

    `member` says that this session is in the port's group, `enrolled` that the user is by now; `group_may` that the
    group may read and write.
    """

    allowed: bool
    user: str
    owner: str
    group: str
    group_may: bool
    member: bool
    enrolled: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """A program that has a port open, or has reserved it by a lock file; `is_fieldtool` for this program again."""

    pid: int
    name: str
    is_fieldtool: bool = False


@dataclass(frozen=True, slots=True)
class LockFile:
    """A lock file of a port; `holder` is None when the program that wrote it is gone."""

    path: str
    holder: Holder | None


@dataclass(frozen=True, slots=True)
class Machine:
    """The looks at a machine; what a system does not tell is None or empty."""

    system: str
    ports: Callable[[], list[PortDescription]]
    exists: Callable[[str], bool]
    is_device: Callable[[str], bool]
    usb_devices: Callable[[], list[tuple[int, int]]]
    surroundings: Callable[[], str]
    driver: Callable[[str], str]
    by_id: Callable[[str], str]
    access: Callable[[str], Access | None]
    holders: Callable[[str], list[Holder] | None]
    lock_file: Callable[[str], LockFile | None]
    runs: Callable[[str], bool]


def this_machine() -> Machine:
    """Return the looks at the machine that this program runs on."""
    return Machine(
        sys.platform,
        list_ports,
        os.path.exists,
        is_device,
        usb_devices,
        surroundings,
        driver,
        by_id,
        access,
        holders,
        lock_file,
        runs,
    )


def is_device(path: str) -> bool:
    """Say whether a path may be a serial port: no file, no folder, and none of Linux's memory devices (/dev/null)."""
    if sys.platform == "win32":
        return True
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return False
    of_memory = sys.platform == "linux" and os.major(status.st_rdev) == _MEMORY_DEVICES
    return stat.S_ISCHR(status.st_mode) and not of_memory


def access(path: str) -> Access | None:
    """Say who may open a port; None on Windows, and when it cannot be looked at."""
    if sys.platform == "win32":
        return None
    import pwd

    try:
        status = Path(path).stat()
    except OSError:
        return None
    try:
        user = pwd.getpwuid(os.geteuid())
        user_name, primary = user.pw_name, user.pw_gid
    except KeyError:
        user_name, primary = str(os.geteuid()), -1
    group, members = _group(status.st_gid)
    return Access(
        allowed=os.access(path, os.R_OK | os.W_OK),
        user=user_name,
        owner=_owner(status.st_uid),
        group=group,
        group_may=status.st_mode & (stat.S_IRGRP | stat.S_IWGRP) == stat.S_IRGRP | stat.S_IWGRP,
        member=status.st_gid in {os.getegid(), *os.getgroups()},
        enrolled=user_name in members or primary == status.st_gid,
    )


def _group(number: int) -> tuple[str, tuple[str, ...]]:
    if sys.platform == "win32":
        return str(number), ()
    import grp

    try:
        entry = grp.getgrgid(number)
    except KeyError:
        return str(number), ()
    return entry.gr_name, tuple(entry.gr_mem)


def _owner(number: int) -> str:
    if sys.platform == "win32":
        return str(number)
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def holders(path: str, proc: Path = Path("/proc")) -> list[Holder] | None:
    """Return the other programs that have a port open, as far as I may see them; None where the system has no /proc."""
    if not (proc / "self").exists():
        return None
    device = os.path.realpath(path)
    found = []
    for folder in _processes(proc):
        opened = set(_open_files(folder))
        # Who has the other end of a pseudo terminal open as well is the device, not one of its users.
        if device in opened and not (is_pseudo_terminal(device) and opened & _OTHER_ENDS):
            found.append(_holder(folder))
    return found


def _processes(proc: Path) -> Iterator[Path]:
    own = str(os.getpid())
    with suppress(OSError):
        for folder in sorted(proc.iterdir(), key=lambda folder: (len(folder.name), folder.name)):
            if folder.name.isdecimal() and folder.name != own:
                yield folder


def _open_files(process: Path) -> Iterator[str]:
    # A process that ends meanwhile, or that belongs to somebody else, shows none.
    with suppress(OSError):
        for link in (process / "fd").iterdir():
            with suppress(OSError):
                yield str(link.readlink())


def _holder(process: Path) -> Holder:
    name = _text(process / "comm")
    # The words of a command line may hold keys: they are looked at, and never handed on.
    words = _text(process / "cmdline").split("\0")[:3]
    is_fieldtool = any(Path(word).name == "fieldtool" for word in words)
    return Holder(int(process.name), name or "?", is_fieldtool)


def lock_file(
    path: str, folders: Iterable[Path] = (Path("/run/lock"), Path("/var/lock")), proc: Path = Path("/proc")
) -> LockFile | None:
    """Return the lock file of a port, as of the programs that write `LCK..ttyUSB0` with their process id."""
    for folder in folders:
        file = folder / f"LCK..{Path(os.path.realpath(path)).name}"
        if file.is_file():
            number = _text(file).strip()
            process = proc / number
            alive = number.isdecimal() and process.is_dir() and int(number) != os.getpid()
            return LockFile(str(file), _holder(process) if alive else None)
    return None


def runs(name: str, proc: Path = Path("/proc")) -> bool:
    """Say whether a program of that name runs; False where the system has no /proc."""
    return any(_text(process / "comm") == name for process in _processes(proc))


def surroundings(root: Path = Path("/")) -> str:
    """Say what this system runs in, as far as Linux tells: `wsl`, `container`, `virtual machine`, empty for neither."""
    if "microsoft" in _text(root / "proc/sys/kernel/osrelease").lower():
        return "wsl"
    if (root / ".dockerenv").exists() or (root / "run/.containerenv").exists():
        return "container"
    dmi = root / "sys/class/dmi/id"
    maker = f"{_text(dmi / 'sys_vendor')} {_text(dmi / 'product_name')}"
    return "virtual machine" if _VIRTUAL.search(maker) else ""


def usb_devices(folder: Path = Path("/sys/bus/usb/devices")) -> list[tuple[int, int]]:
    """Return vendor and product of all that is plugged in on USB, with a driver or without; empty but on Linux."""
    found = []
    with suppress(OSError):
        for entry in sorted(folder.iterdir()):
            vendor, product = _text(entry / "idVendor"), _text(entry / "idProduct")
            if re.fullmatch(r"[0-9a-fA-F]{4}", vendor) and re.fullmatch(r"[0-9a-fA-F]{4}", product):
                found.append((int(vendor, 16), int(product, 16)))
    return found


def driver(path: str, folder: Path = Path("/sys/class/tty")) -> str:
    """Return the module of the kernel that made a port; empty when the system does not tell."""
    link = folder / Path(os.path.realpath(path)).name / "device" / "driver"
    return Path(os.path.realpath(link)).name if link.exists() else ""


def by_id(path: str, folder: Path = Path("/dev/serial/by-id")) -> str:
    """Return the name of a port that it keeps in another USB socket; empty when it has none."""
    device = os.path.realpath(path)
    with suppress(OSError):
        for link in sorted(folder.iterdir()):
            if os.path.realpath(link) == device:
                return str(link)
    return ""


def _text(file: Path) -> str:
    """Return a small file of the system, empty when it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(_READ_LIMIT).decode(errors="replace").rstrip("\n")
    except OSError:
        return ""
