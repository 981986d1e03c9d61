"""The host side of an AMB8465: read its settings, versions and serial number, set the mode, and then telegrams.

Nothing is written to the module's flash. How it hands over telegrams is a setting, read and followed; the mode is
volatile and cannot be read back, so its confirmation has to do, and it is set again now and then.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from protocols.errors import ProtocolError
from protocols.receivers.amb8465.envelope import (
    CONFIRMED,
    FROM_MODULE,
    BadBytes,
    BareTelegram,
    Code,
    CommandFrame,
    EnvelopeStream,
    Rejected,
    StreamEvent,
)
from protocols.receivers.amb8465.settings import (
    ALL_MODES,
    ALL_PARAMETERS,
    LISTENING_MODES,
    Parameters,
)
from protocols.receivers.cc1101 import rssi_dbm
from protocols.receivers.damage_run import DamageRun
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.modes import normal_mode
from protocols.receivers.open_request import LINE_END, OpenRequest, Patience
from protocols.receivers.standstill import Standstill
from protocols.wmbus.link import MIN_LENGTH

PATIENCE: Final = Patience(deadline_s=0.5, attempts=4)
"""After bytes of another speed, as a probe for other sticks sends them, a module is deaf for about a second."""

VERSION_PATIENCE: Final = Patience(deadline_s=0.5, attempts=2)
"""Versions are good to know and not needed."""

STALE_S: Final = 0.5
"""The longest frame takes 0.27 s at 9600 baud; one that stands still for so long will never end."""

BARE_STALE_S: Final = 0.25
"""Without command frames only a pause tells for sure where a telegram begins."""

RENEW_S: Final = 300.0
"""How often the mode is set again: a module that was reset has forgotten it, says nothing, and hears something else."""

STRAY_SIZE: Final = 1
"""Modules are known to write a stray byte before a frame now and then: it is no damage."""


class Step(Enum):
    """Where the session is; the value is what it waits for."""

    NEW = "to be started"
    SETTINGS = "settings"
    FIRMWARE = "firmware version"
    SERIAL = "serial number"
    MODE = "confirmation of the mode"
    LISTENING = "frames"
    FAILED = "nothing any more"


_REQUESTS: Final[dict[Step, CommandFrame]] = {
    Step.SETTINGS: CommandFrame(Code.GET_PARAMETERS, ALL_PARAMETERS),
    Step.FIRMWARE: CommandFrame(Code.FIRMWARE),
    Step.SERIAL: CommandFrame(Code.SERIAL),
}
_OPTIONAL: Final = (Step.FIRMWARE, Step.SERIAL)


class HostSession:
    """One session with a stick: `start`, then `receive` and `tick` until `Failed`.

    `mode` names the radio modes to listen to (`c1`, `t1`, `c1,t1`, ...); `ValueError` when no module knows it.
    Telegrams that arrive before the mode is confirmed belong to an earlier setting and are skipped.
    """

    def __init__(self, mode: str = "c1,t1", patience: Patience = PATIENCE) -> None:
        self.mode = normal_mode(mode, ALL_MODES)
        self._patience = patience
        self._stream = EnvelopeStream(FROM_MODULE)
        self._step = Step.NEW
        self._request = OpenRequest(patience)
        self._parameters: Parameters | None = None
        self._firmware = ""
        self._serial = ""
        self._damage_run = DamageRun()
        self._standstill = Standstill()
        self._renew_at_s: float | None = None

    @property
    def listening(self) -> bool:
        """True from `Ready` until `Failed`."""
        return self._step is Step.LISTENING

    def start(self) -> bytes:
        """Return the probe."""
        return self._ask(Step.SETTINGS).data

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port and return what they mean."""
        self._standstill.end()
        events: list[HostEvent] = []
        for piece in self._stream.feed(data):
            self._take(piece, events)
        return events

    def tick(self, now_s: float) -> list[HostEvent]:
        """Repeat or give up a request whose time is over, and a frame that never ended; set the mode again."""
        events: list[HostEvent] = []
        self._check_stale(now_s, events)
        events.extend(self._request.tick(now_s, self._no_answer))
        if self._step is Step.LISTENING:
            events.extend(self._renew(now_s))
        return events

    def _check_stale(self, now_s: float, events: list[HostEvent]) -> None:
        if not self._stream.pending:
            self._standstill.end()
        elif self._standstill.seconds(now_s) >= (BARE_STALE_S if self._stream.bare else STALE_S):
            self._standstill.end()
            for piece in self._stream.resync():
                self._take(piece, events)

    def _renew(self, now_s: float) -> list[HostEvent]:
        if self._renew_at_s is None:
            self._renew_at_s = now_s + RENEW_S
        if now_s < self._renew_at_s or self._request.is_open:
            return []
        self._renew_at_s = now_s + RENEW_S
        return [self._request.ask(self._mode_request(), self._patience)]

    def _take(self, piece: StreamEvent, events: list[HostEvent]) -> None:
        if self._step is Step.FAILED:
            return
        match piece:
            case Rejected():
                if piece.reason is not BadBytes.NOISE or len(piece.raw) > STRAY_SIZE:
                    self._damaged(Damaged(piece.reason.value, piece.raw), events)
                return
            case BareTelegram() | CommandFrame(code=Code.RECEIVED):
                self._hear(piece.payload, events)
                return
        self._damage_run.end()
        events.extend(self._advance(piece))

    def _damaged(self, event: Damaged, events: list[HostEvent]) -> None:
        # Before the stick listens as asked, whatever is left in its line is of no interest.
        if self._step is not Step.LISTENING:
            return
        events.append(event)
        if reason := self._damage_run.add(event):
            hint = (
                "check that no other program reads from the port; if the stick's settings were changed, unplug it "
                "and plug it in again"
            )
            events.append(self._fail(reason, hint))

    def _hear(self, payload: bytes, events: list[HostEvent]) -> None:
        if self._step is not Step.LISTENING or self._parameters is None:
            return
        level = None
        if self._parameters.has_rssi:
            level, payload = rssi_dbm(payload[-1]), payload[:-1]
        if len(payload) < MIN_LENGTH:
            self._damaged(Damaged("a telegram that is too short to be one", payload), events)
            return
        self._damage_run.end()
        events.append(Frame(bytes((len(payload),)) + payload, level))

    def _advance(self, frame: CommandFrame) -> list[HostEvent]:
        match self._step, frame.code - CONFIRMED:
            case Step.SETTINGS, Code.GET_PARAMETERS:
                return self._on_settings(frame.payload)
            case Step.FIRMWARE, Code.FIRMWARE:
                self._firmware = ".".join(str(number) for number in frame.payload)
                return [self._ask(Step.SERIAL)]
            case Step.SERIAL, Code.SERIAL:
                self._serial = frame.payload.hex().upper()
                return [self._set_mode()]
            case Step.MODE | Step.LISTENING, Code.SET_MODE if self._request.is_open:
                return self._on_mode(frame.payload[0])
        return []

    def _on_settings(self, payload: bytes) -> list[HostEvent]:
        try:
            self._parameters = Parameters.from_payload(payload)
        except ProtocolError:
            # The answer to somebody else's question, or damage that its checksum missed: it is asked for again.
            return []
        self._stream.bare = not self._parameters.command_output
        return [self._ask(Step.FIRMWARE)]

    def _set_mode(self) -> HostEvent:
        if self._parameters is not None and self.mode not in LISTENING_MODES[self._parameters.model]:
            known = ", ".join(sorted(LISTENING_MODES[self._parameters.model]))
            return self._fail(f"{self._name()} cannot listen to {self.mode}", f"it can do: {known}")
        self._step = Step.MODE
        return self._request.ask(self._mode_request(), self._patience)

    def _mode_request(self) -> bytes:
        parameters = self._parameters
        modes = {} if parameters is None else LISTENING_MODES[parameters.model]
        return CommandFrame(Code.SET_MODE, bytes((modes[self.mode],))).to_bytes()

    def _on_mode(self, status: int) -> list[HostEvent]:
        if status:
            reason = f"{self._name()} refused mode {self.mode} with status {status}"
            return [self._fail(reason, "choose another mode, or unplug it, plug it in again, and retry")]
        self._request.close()
        if self._step is Step.LISTENING:
            return []
        self._step = Step.LISTENING
        model = "" if self._parameters is None else str(self._parameters.model)
        return [Ready(ReceiverInfo(model, self._serial, self._firmware, self.mode, self._note()))]

    def _note(self) -> str:
        """What its settings take away, in a few words."""
        parameters = self._parameters
        if parameters is None:
            return ""
        notes = (
            (not parameters.command_output, "hands over telegrams without a checksum (setting 05 is off)"),
            (not parameters.has_rssi, "tells no signal strength (setting 45 is off)"),
            (parameters.sleeps, "goes to sleep by itself (setting 3F)"),
        )
        return ", ".join(text for holds, text in notes if holds)

    def _name(self) -> str:
        model = "the stick" if self._parameters is None else str(self._parameters.model)
        return f"{model} {self._serial}".rstrip()

    def _ask(self, step: Step) -> Send:
        self._step = step
        patience = VERSION_PATIENCE if step in _OPTIONAL else self._patience
        return self._request.ask(_REQUESTS[step].to_bytes(), patience)

    def _no_answer(self) -> list[HostEvent]:
        if self._step is Step.FIRMWARE:
            return [self._ask(Step.SERIAL)]
        if self._step is Step.SERIAL:
            return [self._set_mode()]
        waited_s = self._request.patience.total_s
        if self._step is Step.SETTINGS:
            reason = f"no AMB8465 answered within {waited_s:g} s"
            hint = "check that this is the stick's port, at 9600 baud, and that no other program uses it"
            return [Send(LINE_END), self._fail(reason, hint)]
        reason = f"{self._name()} fell silent: no {Step.MODE.value} within {waited_s:g} s"
        return [self._fail(reason, "unplug it, plug it in again, and retry")]

    def _fail(self, reason: str, hint: str) -> Failed:
        self._step = Step.FAILED
        self._request.close()
        return Failed(reason, hint, identified=self._parameters is not None)
