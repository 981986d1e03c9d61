"""Guesses which receivers a port may belong to from what its USB device says of itself.

The chips are in other devices too: a guess says what to ask for first, and never what is there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fieldtool.doctor.target import Target
from fieldtool.sources.serial_port import PortDescription
from protocols.receivers.registry import REGISTRY, receiver

_WINDOWS_DEVICES: Final = "\\\\.\\"
"""May stand before the name of a port of Windows, and must from COM10 on in some programs."""


def described(path: str, ports: Sequence[PortDescription]) -> PortDescription | None:
    """Return what the system says of a port, under any of its names."""
    names = (path, os.path.realpath(path), path.replace("/dev/tty.", "/dev/cu."), path.removeprefix(_WINDOWS_DEVICES))
    wanted = {name.lower() for name in names}
    return next((port for port in ports if port.path.lower() in wanted), None)


def with_likely(target: Target, ports: Sequence[PortDescription]) -> Target:
    """Return a target with the kinds that its port may be of, which are asked for first."""
    likely = likely_kinds(described(target.port, ports)) if target.is_local else ()
    return replace(target, likely=likely)


def likely_kinds(port: PortDescription | None) -> tuple[str, ...]:
    """Return the kinds that a port may be of: those that it names, then those with its chip; empty when none is known.

    Within both, kinds are in the order of `REGISTRY`, which upsets none of them.
    """
    if port is None:
        return ()
    said = " ".join((port.description, port.product, port.interface)).lower()
    named = [kind for kind in REGISTRY if any(text.lower() in said for text in receiver(kind).USB_TEXTS)]
    with_chip = [kind for kind in REGISTRY if port.usb_id in receiver(kind).USB_IDS]
    return tuple(dict.fromkeys([*named, *with_chip]))
