"""Asks a port whether a receiver of one family is on it, and keeps what came instead of an answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, Protocol

from protocols.receivers.events import Failed, Ready, ReceiverInfo, Send
from protocols.receivers.registry import Receiver

HANDSHAKE_S: Final = 12.0
"""Longer than any handshake, with all its repetitions: what fails is told by the receiver's session itself."""

KEPT: Final = 512
"""As many of the bytes that came are kept."""


class Port(Protocol):
    """An open port; its methods raise `OSError` when it is gone."""

    def read(self) -> bytes:
        """Return what came within a short time."""

    def write(self, data: bytes) -> None:
        """Send all bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking: `info` of a receiver that listens, or why it does not (`reason`, and `hint` what to do).

    `identified` says that a receiver of the family answered; `heard` are the first bytes that came, whatever they are.
    """

    info: ReceiverInfo | None = None
    reason: str = ""
    hint: str = ""
    identified: bool = False
    heard: bytes = b""


def ask(port: Port, family: type[Receiver], mode: str, clock: Callable[[], float] = time.monotonic) -> Answer:
    """Ask for a receiver of one family, once more when something else came back.

    Bytes that were meant for another family may stand in front of the first question, and spoil it. Raises `OSError`
    when the port is lost, `ValueError` for an unknown mode.
    """
    answer = _ask_once(port, family, mode, clock)
    if answer.identified or not answer.heard:
        return answer
    again = _ask_once(port, family, mode, clock)
    return again if again.identified else replace(answer, heard=(answer.heard + again.heard)[:KEPT])


def _ask_once(port: Port, family: type[Receiver], mode: str, clock: Callable[[], float]) -> Answer:
    session = family.host_session(mode)
    heard = bytearray()
    deadline_s = clock() + HANDSHAKE_S
    port.write(session.start())
    while clock() < deadline_s:
        data = port.read()
        heard += data[: KEPT - len(heard)]
        events = session.receive(data) if data else []
        for event in chain(events, session.tick(clock())):
            if isinstance(event, Send):
                port.write(event.data)
            elif isinstance(event, Ready):
                return Answer(event.info, identified=True)
            elif isinstance(event, Failed):
                return Answer(None, event.reason, event.hint, event.identified, bytes(heard))
    return Answer(None, f"no {family.TITLE} answered", "check that it is the right port", heard=bytes(heard))


_OTHERS: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = (
    (re.compile(rb"\$(?:G[PNLAB]|BD)[A-Z]{3},"), "sends positions (NMEA): a satellite receiver (GPS)"),
    (re.compile(rb"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"), "sends SML: the optical head of an electricity meter"),
    (
        re.compile(rb"(?:^|[\r\n])/[A-Z][A-Za-z]{2}[0-9]"),
        "sends a meter's identification (IEC 62056-21): its user port",
    ),
    (re.compile(rb"(?:login|Password): ?$"), "asks for a login: the console of a computer"),
    (re.compile(rb"(?:^|[\r\n])(?:AT[^\r\n]*\r+\n?)?(?:ERROR|OK)\r\n"), "answers as a modem does (AT commands)"),
)
"""What some devices are known by that are no receiver, and what to say of them."""


def other_device(heard: bytes) -> str:
    """Say what seems to be on a port from the bytes that came from it; empty when nothing is known of them."""
    return next((what for pattern, what in _OTHERS if pattern.search(heard)), "")
