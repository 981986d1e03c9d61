"""The host side of an RN2483: identify, stop the module's own MAC, set the channel, and then packet after packet."""

from __future__ import annotations

from enum import Enum
from typing import Final

from protocols.model import Link
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.lora_channel import Channel
from protocols.receivers.open_request import OpenRequest, Patience
from protocols.receivers.rn2483.settings import commands
from protocols.receivers.text_lines import LineStream, packet_in, to_line

VERSION: Final = "sys get ver"
PAUSE: Final = "mac pause"
LISTEN: Final = "radio rx 0"
SNR: Final = "radio get snr"
RSSI: Final = "radio get rssi"
OK: Final = "ok"
RECEIVED: Final = "radio_rx"
RADIO_ERROR: Final = "radio_err"
BUSY: Final = "busy"
REFUSALS: Final = ("invalid_param", BUSY, "unknown_command")
MODELS: Final = ("RN2483", "RN2903")

PATIENCE: Final = Patience()
QUALITY_PATIENCE: Final = Patience(deadline_s=1.0, attempts=1)
"""Strength is asked for once: the answers to a repeated question could be taken for those to the next."""


class Step(Enum):
    """Where the session is; the value is what it waits for."""

    NEW = "to be started"
    VERSION = "the version line"
    PAUSE = "the module's own MAC to stop"
    SETTING = "a setting to be confirmed"
    BEGIN = "reception to begin"
    LISTENING = "a packet"
    SNR = "the packet's signal-to-noise ratio"
    RSSI = "the packet's strength"
    FAILED = "nothing any more"


class HostSession:
    """One session with a module: `start`, then `receive` and `tick` until `Failed`.

    `mode` is a channel, as `868.1/sf7`; `ValueError` when there is none such. One packet ends a reception: strength is
    asked for, which older firmware refuses, and reception begins anew.
    """

    def __init__(self, mode: str) -> None:
        self._channel = Channel.of(mode)
        self._mode = mode
        self._lines = LineStream()
        self._step = Step.NEW
        self._settings = list(commands(self._channel))
        self._command = ""
        self._request = OpenRequest()
        self._version: tuple[str, str] = ("", "")
        self._ready = False
        self._packet = b""
        self._snr_db: float | None = None

    def start(self) -> bytes:
        """Return the probe."""
        return self._ask(Step.VERSION, VERSION).data

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port and return what they mean."""
        events: list[HostEvent] = []
        for line in self._lines.feed(data):
            if self._step is not Step.FAILED:
                events.extend(self._take(line))
        return events

    def tick(self, now_s: float) -> list[HostEvent]:
        """Repeat or give up a command that was not answered in time."""
        return self._request.tick(now_s, self._no_answer)

    def _no_answer(self) -> list[HostEvent]:
        if self._step in (Step.SNR, Step.RSSI):
            return [*self._waiting_packet(), self._ask(Step.BEGIN, LISTEN)]
        reason = f"no answer within {self._request.patience.total_s:g} s: {self._step.value}"
        return [self._fail(reason, "check that this is the port of an RN2483, then unplug it and plug it in again")]

    def _take(self, line: str) -> list[HostEvent]:
        if self._step is not Step.VERSION and line.startswith(MODELS):
            # A module that was reset says its version, and has forgotten all settings.
            self._settings = list(commands(self._channel))
            return [*self._waiting_packet(), self._ask(Step.PAUSE, PAUSE)]
        match self._step:
            case Step.VERSION if line.startswith(MODELS):
                model, _, rest = line.partition(" ")
                self._version = (model, rest.partition(" ")[0])
                return [self._ask(Step.PAUSE, PAUSE)]
            case Step.PAUSE if line.isdigit():
                return [self._next_setting()]
            case Step.SETTING if line == OK:
                return [self._next_setting()]
            case Step.BEGIN if line == OK:
                return self._began()
            case Step.BEGIN if line == BUSY:
                return self._busy()
            case Step.BEGIN if line.startswith((RECEIVED, RADIO_ERROR)):
                return [*self._began(), *self._hear(line)]
            case Step.SETTING if line == "invalid_param":
                reason = f"the {' '.join(self._version)} refuses {self._command!r}"
                return [self._fail(reason, "it may be one for another region: RN2903")]
            case Step.LISTENING:
                return self._hear(line)
            case Step.SNR | Step.RSSI:
                return self._quality(line)
        return []

    def _next_setting(self) -> Send:
        if self._settings:
            return self._ask(Step.SETTING, self._settings.pop(0))
        return self._ask(Step.BEGIN, LISTEN)

    def _began(self) -> list[HostEvent]:
        self._step, self._command = Step.LISTENING, ""
        self._request.close()
        return self._tell_ready()

    def _busy(self) -> list[HostEvent]:
        """Ask on: the module may be busy with something else, or listen already because its first `ok` was lost."""
        repeated = self._request.attempt > 1
        self._request.postpone()
        return self._tell_ready() if repeated else []

    def _tell_ready(self) -> list[HostEvent]:
        if self._ready:
            return []
        self._ready = True
        model, firmware = self._version
        return [Ready(ReceiverInfo(model, "", firmware, self._mode))]

    def _hear(self, line: str) -> list[HostEvent]:
        word, _, digits = line.partition(" ")
        if word == RADIO_ERROR:
            return [Damaged("the radio heard a packet whose CRC is wrong", b""), self._ask(Step.BEGIN, LISTEN)]
        if word != RECEIVED:
            return []
        packet = packet_in(digits)
        if packet is None:
            return [Damaged("radio_rx without a packet in hex", line.encode()), self._ask(Step.BEGIN, LISTEN)]
        self._packet, self._snr_db = packet, None
        return [self._ask(Step.SNR, SNR)]

    def _quality(self, line: str) -> list[HostEvent]:
        value = _number(line)
        if value is None and line not in REFUSALS:
            return []
        if self._step is Step.SNR:
            self._snr_db = None if value is None else float(value)
            return [self._ask(Step.RSSI, RSSI)]
        return [*self._waiting_packet(value), self._ask(Step.BEGIN, LISTEN)]

    def _waiting_packet(self, rssi_dbm: int | None = None) -> list[HostEvent]:
        """Hand over the packet that waits for its strength, if any."""
        packet, self._packet = self._packet, b""
        if not packet:
            return []
        return [Frame(packet, rssi_dbm, link=Link.LORAWAN, lora=self._channel.reception(self._snr_db))]

    def _ask(self, step: Step, command: str) -> Send:
        self._step, self._command = step, command
        patience = QUALITY_PATIENCE if step in (Step.SNR, Step.RSSI) else PATIENCE
        return self._request.ask(to_line(command), patience)

    def _fail(self, reason: str, hint: str) -> Failed:
        self._step, self._command = Step.FAILED, ""
        self._request.close()
        return Failed(reason, hint, identified=bool(self._version[0]))


def _number(line: str) -> int | None:
    try:
        value = int(line)
    except ValueError:
        return None
    return value if -200 <= value <= 100 else None
