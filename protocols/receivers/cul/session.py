"""The host side of a CUL: ask for its version, switch reception on, and then telegrams line by line."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from protocols.model import FrameFormat
from protocols.receivers.cul.line import CulTelegram, Refused, read_line
from protocols.receivers.cul.settings import LETTERS, OFF, REPORT_ALL, VERSION, confirmation, letter_of, listen_command
from protocols.receivers.damage_run import DamageRun
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.open_request import OpenRequest, Patience
from protocols.receivers.standstill import Standstill
from protocols.receivers.text_lines import LineStream, to_line

TITLE: Final = "CUL, nanoCUL"

PROBE_PATIENCE: Final = Patience(attempts=6)
"""Opening the port resets a nanoCUL, whose boot loader takes a second or two and swallows what comes meanwhile."""

MODE_PATIENCE: Final = Patience()
OFF_LIMIT: Final = 2
QUIET_S: Final = 60.0
"""After so long without a line the mode is set again: a stick that was reset says nothing, and hears nothing."""

_VERSION: Final = re.compile(r"(?:^|\W)V (?P<version>\d\S{0,31})(?P<rest> .*)?$", re.ASCII)
_NAME: Final = re.compile(r"\S{0,24}CUL\S{0,24}", re.ASCII)
_UNKNOWN: Final = re.compile(r"\? \(.* is unknown\)(?: Use one of(?P<known>.*))?", re.ASCII)
_A_CULFW: Final = "a-culfw"


class Step(Enum):
    """Where the session is; the value is what it waits for."""

    NEW = "to be started"
    VERSION = "its version"
    MODE = "its confirmation of the mode"
    LISTENING = "telegrams"
    FAILED = "nothing any more"


class HostSession:
    """One session with a stick: `start`, then `receive` and `tick` until `Failed`.

    `mode` is `c1`, `s1` or `t1`; `ValueError` for any other. Frames come with their CRCs, unchecked, and with the
    format that the stick says; one that the stick has cut comes as far as it goes. Telegrams that arrive before `Ready`
    belong to an earlier setting and are skipped.
    """

    def __init__(self, mode: str) -> None:
        self._letter = letter_of(mode)
        self.mode = next(name for name, letter in LETTERS.items() if letter == self._letter)
        self._lines = LineStream()
        self._step = Step.NEW
        self._request = OpenRequest()
        self._model = self._firmware = ""
        self._refusal = ""
        self._switched_off = 0
        self._ready = False
        self._damage_run = DamageRun("lines")
        self._quiet = Standstill()

    def start(self) -> bytes:
        """Return the probe."""
        return self._ask_version().data

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port and return what they mean."""
        events: list[HostEvent] = []
        for line in self._lines.feed(data):
            if self._step is not Step.FAILED:
                self._quiet.end()
                events.extend(self._take(line))
        return events

    def tick(self, now_s: float) -> list[HostEvent]:
        """Repeat or give up a request that was not answered in time; set a stick anew that was silent for long."""
        if self._step is Step.LISTENING and self._quiet.seconds(now_s) >= QUIET_S:
            self._quiet.end()
            return [self._ask_mode()]
        return self._request.tick(now_s, self._no_answer)

    def _take(self, line: str) -> list[HostEvent]:
        version = _version(line)
        if version is not None:
            return self._on_version(*version)
        if self._step is Step.MODE and line.endswith(confirmation(self._letter)):
            return self._on_mode()
        if line.endswith(OFF):
            return self._on_off()
        unknown = _UNKNOWN.search(line)
        if unknown is not None:
            return self._on_unknown(line, (unknown["known"] or "").split())
        return self._telegrams(line) if self._ready else []

    def _telegrams(self, line: str) -> list[HostEvent]:
        events: list[HostEvent] = []
        for piece in read_line(line):
            if isinstance(piece, Refused):
                self._damaged(piece, events)
                continue
            self._damage_run.end()
            events.append(self._frame(piece))
            if piece.rssi_raw is None and not piece.is_cut and self._step is Step.LISTENING:
                # The setting that is never answered has not arrived.
                events.append(Send(to_line(REPORT_ALL)))
        return events

    def _frame(self, telegram: CulTelegram) -> Frame:
        mode: str | None = ""
        if self._letter == LETTERS["c1"] and telegram.frame_format is not FrameFormat.B:
            mode = None
        return Frame(telegram.data, telegram.rssi_dbm, frame_format=telegram.frame_format, mode=mode)

    def _damaged(self, refused: Refused, events: list[HostEvent]) -> None:
        event = Damaged(refused.reason, refused.text.encode("ascii"))
        events.append(event)
        if reason := self._damage_run.add(event):
            hint = "close and reopen the port; check the baud rate (38400) and that no other program reads from it"
            events.append(self._fail(reason, hint))

    def _on_version(self, model: str, firmware: str) -> list[HostEvent]:
        """Go on behind the probe; at any other time it is a late answer, or a stick that was reset."""
        self._model, self._firmware = model, firmware
        return [self._ask_mode()]

    def _on_mode(self) -> list[HostEvent]:
        self._step = Step.LISTENING
        self._request.close()
        if self._ready:
            return []
        self._ready = True
        return [Ready(ReceiverInfo(self._model, "", self._firmware, self.mode))]

    def _on_off(self) -> list[HostEvent]:
        """Ask once more, as the command may have come damaged; then it is the firmware."""
        if self._step is Step.LISTENING:
            return [self._ask_mode()]
        if self._step is not Step.MODE:
            return []
        self._switched_off += 1
        if self._switched_off < OFF_LIMIT:
            return [Send(self._mode_request())]
        return [self._fail(self._lacks(f"no mode {self._letter.upper()}"), self._choose_another())]

    def _on_unknown(self, line: str, known: list[str]) -> list[HostEvent]:
        """A command came damaged, or behind what another program left in the line; else the firmware lacks it."""
        if self._step is Step.MODE:
            self._refusal = line
            if known and "b" not in known:
                return [self._fail(self._lacks("no wireless M-Bus"), "install culfw or a-culfw with wireless M-Bus")]
        return []

    def _lacks(self, what: str) -> str:
        return f"the firmware {self._firmware} of this {self._model} has {what}"

    def _choose_another(self) -> str:
        others = " or ".join(f"mode={name}" for name, letter in LETTERS.items() if letter != self._letter)
        return f"choose {others}, or install a newer firmware (a-culfw)"

    def _ask_version(self) -> Send:
        self._step = Step.VERSION
        return self._request.ask(to_line(VERSION), PROBE_PATIENCE)

    def _ask_mode(self) -> Send:
        # The setting comes first, so that the answer to the other says that the stick has come so far.
        self._step, self._refusal, self._switched_off = Step.MODE, "", 0
        return self._request.ask(self._mode_request(), MODE_PATIENCE)

    def _mode_request(self) -> bytes:
        return to_line(REPORT_ALL) + to_line(listen_command(self._letter))

    def _no_answer(self) -> list[HostEvent]:
        waited_s = self._request.patience.total_s
        if self._step is Step.VERSION:
            reason = f"no CUL answered within {waited_s:g} s"
            hint = "check that this is the stick's port, at 38400 baud, and that no other program uses it"
        elif self._refusal:
            reason = f"the {self._model} refuses {listen_command(self._letter)!r}: {self._refusal}"
            hint = "unplug it, plug it in again, and retry; it needs a firmware with wireless M-Bus"
        else:
            reason = f"the stick fell silent: not {self._step.value} within {waited_s:g} s"
            hint = "unplug it, plug it in again, and retry"
        return [self._fail(reason, hint)]

    def _fail(self, reason: str, hint: str) -> Failed:
        self._step = Step.FAILED
        self._request.close()
        return Failed(reason, hint, identified=bool(self._model))


def _version(line: str) -> tuple[str, str] | None:
    """Name and firmware of a stick out of its version line, `V 1.67 nanoCUL868`; None for any other line."""
    found = _VERSION.search(line)
    names: list[str] = _NAME.findall(found["rest"] or "") if found else []
    if found is None or not names:
        return None
    firmware = f"{_A_CULFW} {found['version']}" if _A_CULFW in line else found["version"]
    return names[-1].strip("()[],"), firmware
