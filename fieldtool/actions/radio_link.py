"""The field link over radio: fragments in SND-UD, answers by REQ-UD2, through an iM871A in a two-way mode.

A fragment travels as a manufacturer-specific record inside the encrypted data of a command, and back likewise.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from fieldtool.actions.errors import LinkSilent
from fieldtool.actions.links import LinkContext, MeterChoice
from fieldtool.actions.radio_access import Answer, MeterRefused, Patience, RadioAccess
from fieldtool.actions.radio_stick import Port, RadioStick
from fieldtool.actions.read_out import more_follows
from fieldtool.errors import ReceiverError, UsageError
from fieldtool.sources.serial_port import open_port
from fieldtool.sources.url import ReceiverUrl
from protocols.actions.commands import parse_command
from protocols.actions.fragments import (
    CI_TO_METER,
    MOST_FRAGMENTS,
    RADIO_PAYLOAD,
    Reassembly,
    cut,
    parse_fragment,
)
from protocols.actions.messages import Proof, Result, parse_message
from protocols.actions.results import ResultCode
from protocols.errors import ProtocolError
from protocols.receivers.im871a import Im871a
from protocols.receivers.im871a.two_way import TWO_WAY_MODES
from protocols.wmbus.two_way import CNF_IR, REQ_UD2, SND_NKE, SND_UD, carried, carry

DEFAULT_MODE: Final = "c2"
EXCHANGES: Final = 3
"""A message is sent, and twice more from its start when the meter refuses a part of it."""

MANY_PARTS: Final = 4
GOODBYE_S: Final = 2.5
"""How long to wait for a window to end the access in; a meter that hears nothing ends it by itself."""

CONFIRM_INSTALLATION: Final = "confirm-installation"
NO_REACTION_FAST_ENOUGH: Final = (
    "meters in mode T2 listen 2 to 3 ms after their telegram, and no program behind this stick answers so fast"
)


class RadioLink:
    """One meter over radio; see `FieldLink`. `cancel` may be called by any thread, the rest by one."""

    longest_message: Final = MOST_FRAGMENTS * RADIO_PAYLOAD

    def __init__(
        self,
        port: Port,
        meter: MeterChoice,
        context: LinkContext | None = None,
        *,
        mode: str = DEFAULT_MODE,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to the stick; raises `ReceiverSilent`, `LinkLost`, and `ValueError` for a mode without two ways."""
        self._meter = meter
        self._context = context or LinkContext()
        self.stick = RadioStick(port, mode, clock)
        self.access = RadioAccess(self.stick, meter, self._context, patience=patience, clock=clock)
        self._number = secrets.randbelow(256)
        self._confirms = False
        self.stick.connect()

    def exchange(self, message: bytes) -> bytes:
        """Carry a message and return the answer; raises `LinkSilent`, `LinkLost`."""
        self._number = (self._number + 1) % 256
        for attempt in range(EXCHANGES):
            try:
                answer = self._exchange_once(message)
            except MeterRefused:
                if attempt + 1 == EXCHANGES:
                    raise
            else:
                self._confirms = self._confirms or _confirms_installation(message, answer)
                return answer
        raise AssertionError("the last attempt returns or raises")

    def read_out(self) -> list[bytes]:
        """Return the frames of a read-out, as heard."""
        parts: list[bytes] = []
        for _ in range(MOST_FRAGMENTS):
            answer = self.access.request(REQ_UD2)
            # What is left of an earlier answer comes first.
            if carried(answer.message.application) is None:
                parts.append(answer.heard.frame)
                if not more_follows(answer.heard.frame, self._context.keys):
                    return parts
        raise LinkSilent(f"meter {self._meter} answers without end", "try again")

    def cancel(self) -> None:
        """Make whatever waits end with `LinkSilent`."""
        self.access.cancel()

    def close(self) -> None:
        """End the access if the meter is still in one, set the stick as it was found, and close the port.

        A meter that has agreed to end its installation telegrams gets the CNF-IR that they ask for.
        """
        with suppress(ReceiverError):
            if self.access.open:
                self.access.notify(CNF_IR if self._confirms else SND_NKE, GOODBYE_S)
        self.stick.close()

    def _exchange_once(self, message: bytes) -> bytes:
        parts = cut(message, CI_TO_METER, self._number, RADIO_PAYLOAD)
        if len(parts) > MANY_PARTS:
            self._context.tell(f"sending {len(parts)} parts to meter {self._meter}, one after each of its telegrams")
        for part in parts:
            self.access.request(SND_UD, carry(part.to_bytes()))
        reassembly = Reassembly()
        for _ in range(MOST_FRAGMENTS):
            whole = self._joined(reassembly, self.access.request(REQ_UD2))
            if whole is not None:
                return whole
        raise LinkSilent(f"meter {self._meter} never ends its answer", "try again")

    def _joined(self, reassembly: Reassembly, answer: Answer) -> bytes | None:
        content = carried(answer.message.application)
        if content is None:
            raise LinkSilent(f"meter {self._meter} sends a read-out where an answer was expected", "try again")
        try:
            return reassembly.take(parse_fragment(content))
        except ProtocolError as error:
            raise LinkSilent(f"meter {self._meter} sent an answer that cannot be read: {error}", "try again") from error


def _confirms_installation(message: bytes, answer: bytes) -> bool:
    """Whether a meter has just obeyed the command that ends its installation telegrams."""
    try:
        asked, answered = parse_message(message), parse_message(answer)
        if not isinstance(asked, Proof) or not isinstance(answered, Result):
            return False
        return answered.code is ResultCode.DONE and parse_command(asked.command).action == CONFIRM_INSTALLATION
    except ProtocolError:
        return False


def open_link(url: ReceiverUrl, meter: MeterChoice, context: LinkContext) -> RadioLink:
    """Open the link of a radio receiver's address; `UsageError`, `ReceiverError`."""
    mode = url.options.get("mode", DEFAULT_MODE).strip().lower()
    if mode not in TWO_WAY_MODES:
        raise UsageError(f"{url}: no meter can be answered in mode {mode!r}", "write mode=c2 or mode=s2")
    if mode == "t2":
        raise UsageError(f"{url}: {NO_REACTION_FAST_ENOUGH}", "use a wired or optical link, or a meter in mode C2")
    if meter.primary is not None:
        raise UsageError(f"{url}: there are no primary addresses over radio", "name the meter by its number")
    port = open_port(url.target, Im871a.BAUD)
    try:
        return RadioLink(port, meter, context, mode=mode)
    except ReceiverError:
        port.close()
        raise
