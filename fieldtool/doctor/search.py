"""Searches a port for a receiver of any kind: asks for one after the other, at the speed of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from fieldtool.doctor.asking import Answer, ask
from fieldtool.doctor.target import Target
from fieldtool.sources.serial_port import open_port
from protocols.receivers.registry import Receiver, receiver


def search(
    target: Target, tell: Callable[[str], None] = lambda _: None, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[type[Receiver], Answer]]:
    """Yield each family with what came of asking for it; the first receiver that answers ends the search.

    `tell` hears of each attempt. Raises `ReceiverError` when the port cannot be opened, `OSError` when it is lost.
    """
    for kind in target.kinds:
        family = receiver(kind)
        tell(f"{target.port}: asks for {family.TITLE} at {family.BAUD} baud")
        with closing(open_port(target.port, family.BAUD)) as port:
            answer = ask(port, family, target.mode_of(family), clock)
        yield family, answer
        if answer.identified:
            return
