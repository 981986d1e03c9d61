"""What is to be said of the air: which modes to listen to, and what it means that something was heard, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fieldtool.doctor.report import AirSum, PortRung, PortStep
from protocols.model import RungState
from protocols.plural import counted
from protocols.receivers.registry import Receiver

MODES_NAMED: Final = 12
"""Of a receiver with more modes than that, one is named."""

SENT_IN: Final = ("c1", "t1", "s1")
"""The modes in which meters send without being asked (EN 13757-4)."""

_SILENCE: Final = (
    "that alone is no fault: many meters send every few minutes, or only by day; "
    "check the antenna, go nearer to a meter, listen longer"
)


def modes_to_hear(family: type[Receiver]) -> list[str]:
    """Return the usual mode of a receiver, then the others in which meters send that it does not cover."""
    covered = family.DEFAULT_MODE.split(",")
    return [family.DEFAULT_MODE, *(mode for mode in SENT_IN if mode in family.MODES and mode not in covered)]


def other_mode(family: type[Receiver], heard: Sequence[str]) -> str:
    """Return a mode that was not listened to, as it stands in an address; empty where there is none."""
    covered = {part for mode in heard for part in mode.split(",")}
    left = [mode for mode in family.MODES if not covered & set(mode.split(","))]
    return f"mode={left[0]}" if left else ""


def modes_text(family: type[Receiver]) -> str:
    """Return the modes of a family in a few words."""
    if len(family.MODES) <= MODES_NAMED:
        return " or ".join(sorted(family.MODES))
    return f"{family.DEFAULT_MODE} or {len(family.MODES) - 1} others like it"


def air_step(air: AirSum, modes: Sequence[str] = (), another: str = "") -> PortStep:
    """Say what was heard; that nothing was is no fault that could be known.

    `modes` are those that were listened to, each for the time of `air`; `another` is one to try.
    """
    seconds = f"in {air.seconds:.0f} s" + (f" of {', nor of '.join(modes)}" if modes else "")
    unusable = f"; {counted(air.unusable, 'piece')} of its line could not be used" if air.unusable else ""
    if air.lost is not None:
        return PortStep(PortRung.AIR, RungState.FAILED, *air.lost)
    if not air.telegrams:
        follow = _SILENCE + (f", or to another mode: {another}" if another else "")
        return PortStep(PortRung.AIR, RungState.NOT_REACHED, f"nothing was heard {seconds}{unusable}", follow)
    told = [f"{count} in {mode}" for mode, count in sorted(air.by_mode.items()) if mode]
    by_mode = f" ({', '.join(told)})" if told else ""
    detail = f"{counted(air.telegrams, 'telegram')} of {counted(air.meters, 'meter')} {seconds}{by_mode}"
    detail += f", {air.damaged or 'none'} damaged{unusable}"
    follow = ""
    if air.damaged == air.telegrams:
        follow = "all of them came damaged: go nearer to a meter, and keep other transmitters and USB 3 away"
    return PortStep(PortRung.AIR, RungState.PASSED, detail, follow)
