"""The host side of a Radiocrafts MBUS module: read its settings, set the radio mode, and then telegrams.

All of it is done in the module's configuration, out of which it hands over nothing. The memory, which wears, is only
read: how telegrams are handed over is a setting, and followed; the mode is set until the next reset, cannot be read
back, and is set again now and then.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from protocols.errors import ProtocolError
from protocols.receivers.damage_run import DamageRun
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, Ready, ReceiverInfo, Send
from protocols.receivers.modes import normal_mode
from protocols.receivers.open_request import LINE_END, OpenRequest, Patience
from protocols.receivers.rc1180.settings import (
    ENTER,
    LEAVE,
    LISTENING_MODES,
    MEMORY_SIZE,
    PROMPT,
    READ_MEMORY,
    SET_MODE,
    Layout,
    Memory,
)
from protocols.receivers.rc1180.stream import Noise, StreamEvent, Telegram, TelegramStream
from protocols.receivers.standstill import Standstill

TITLE: Final = "Radiocrafts RC1180-MBUS"
MODEL: Final = "RC1180-MBUS"

PROMPT_PATIENCE: Final = Patience(deadline_s=0.3, attempts=1)
"""A module that was left in its configuration may stay silent: then its settings are asked for all the same."""

SETTINGS_PATIENCE: Final = Patience(deadline_s=0.6, attempts=1)
PROMPTED_PATIENCE: Final = Patience(deadline_s=1.0, attempts=3)
"""The settings take 0.14 s at 19200 baud. Without a prompt before them they are asked for once: bytes of a request are
the beginning of a telegram to be sent where the module does not take them for one."""

PAUSE: Final = Patience(deadline_s=2.2, attempts=1)
"""After so long a module has forgotten a telegram to be sent that was begun and not ended; it takes 2 s."""

MODE_PATIENCE: Final = Patience(deadline_s=0.7, attempts=3)
ROUNDS: Final = 2
STALE_S: Final = 0.25
"""The longest telegram takes 0.14 s at 19200 baud; one that stands still for so long will never end."""

ALONE_S: Final = 0.05
"""A byte that nothing follows for so long begins no telegram."""

RENEW_S: Final = 300.0
"""How often the mode is set again: a module that was reset has forgotten it, says nothing, and hears something else."""

STRAY_SIZE: Final = 1


class Step(Enum):
    """Where the session is; the value is what it waits for."""

    NEW = "to be started"
    PROMPT = "prompt"
    SETTINGS = "settings"
    PAUSE = "end of what another program began"
    MODE = "confirmation of the mode"
    LISTENING = "telegrams"
    RENEWAL = "prompt, to set the mode again,"
    FAILED = "nothing any more"


class HostSession:
    """One session with a module: `start`, then `receive` and `tick` until `Failed`.

    `mode` names the radio modes to listen to (`c1,t1`, `t1`, `s2`, ...); `ValueError` when no module knows it. Whether
    this one does shows when it is set. Telegrams before `Ready` belong to an earlier setting and are skipped.
    """

    def __init__(self, mode: str = "c1,t1") -> None:
        self.mode = normal_mode(mode, LISTENING_MODES)
        self._step = Step.NEW
        self._request = OpenRequest()
        self._round = 0
        self._prompted = False
        self._answer = bytearray()
        self._memory: Memory | None = None
        self._stream = TelegramStream(Layout())
        self._ready = False
        self._confirms = True
        self._damage_run = DamageRun()
        self._standstill = Standstill()
        self._renew_at_s: float | None = None

    @property
    def listening(self) -> bool:
        """True from `Ready` until `Failed`, but for the moments in which the mode is set again."""
        return self._step is Step.LISTENING

    def start(self) -> bytes:
        """Return the probe."""
        return self._enter().data

    def receive(self, data: bytes) -> list[HostEvent]:
        """Take bytes from the port and return what they mean."""
        self._standstill.end()
        events: list[HostEvent] = []
        rest = data
        while rest:
            rest = self._consume(rest, events)
        return events

    def tick(self, now_s: float) -> list[HostEvent]:
        """Repeat or give up a request whose time is over, and a telegram that never ended; set the mode again."""
        events: list[HostEvent] = []
        self._check_still(now_s, events)
        events.extend(self._request.tick(now_s, self._no_answer))
        if self._step is Step.LISTENING:
            events.extend(self._renew(now_s))
        return events

    def _consume(self, data: bytes, events: list[HostEvent]) -> bytes:
        """Take what belongs to the present step, and return the bytes behind it."""
        match self._step:
            case Step.PROMPT | Step.MODE:
                _, found, rest = data.partition(PROMPT)
                if found:
                    events.extend(self._on_prompt() if self._step is Step.PROMPT else self._on_mode())
                return rest
            case Step.SETTINGS:
                return self._collect(data, events)
            case Step.LISTENING | Step.RENEWAL:
                for piece in self._stream.feed(data):
                    self._take(piece, events)
        return b""

    def _check_still(self, now_s: float, events: list[HostEvent]) -> None:
        if self._step not in (Step.LISTENING, Step.RENEWAL) or not self._stream.pending:
            self._standstill.end()
            return
        still_s = self._standstill.seconds(now_s)
        if self._step is Step.RENEWAL and still_s >= ALONE_S and self._stream.take_prompt():
            events.append(self._set_mode() if self._confirms else self._leave())
        elif still_s >= STALE_S:
            self._standstill.end()
            for piece in self._stream.resync():
                self._take(piece, events)

    def _renew(self, now_s: float) -> list[HostEvent]:
        if self._renew_at_s is None:
            self._renew_at_s = now_s + RENEW_S
        if now_s < self._renew_at_s or self._stream.pending:
            return []
        self._renew_at_s = None
        self._step = Step.RENEWAL
        return [self._request.ask(ENTER, MODE_PATIENCE)]

    def _enter(self) -> Send:
        self._step, self._prompted = Step.PROMPT, False
        self._round += 1
        return self._request.ask(ENTER, PROMPT_PATIENCE)

    def _on_prompt(self) -> list[HostEvent]:
        self._prompted = True
        return [self._ask_settings(PROMPTED_PATIENCE)]

    def _ask_settings(self, patience: Patience) -> Send:
        self._step = Step.SETTINGS
        self._answer.clear()
        return self._request.ask(READ_MEMORY, patience)

    def _collect(self, data: bytes, events: list[HostEvent]) -> bytes:
        """Look for the settings: they have no beginning, only a size and an end."""
        for place, byte in enumerate(data, 1):
            self._answer.append(byte)
            if len(self._answer) > MEMORY_SIZE + 1:
                del self._answer[0]
            if byte != PROMPT[0]:
                continue
            try:
                memory = Memory.from_answer(bytes(self._answer))
            except ProtocolError:
                continue
            events.extend(self._on_settings(memory))
            return data[place:]
        return b""

    def _on_settings(self, memory: Memory) -> list[HostEvent]:
        self._memory = memory
        self._answer.clear()
        if memory.layout is None:
            reason = f"{self._name()} does not hand over whole telegrams (setting 36 is {memory.interface:02X})"
            hint = "set it to 00 (or to 0C, with a checksum) with its maker's tool; once is enough, it is kept"
            return [Send(LEAVE), self._fail(reason, hint)]
        self._stream = TelegramStream(memory.layout)
        return [self._set_mode()]

    def _set_mode(self) -> Send:
        self._step = Step.MODE
        return self._request.ask(SET_MODE + bytes((LISTENING_MODES[self.mode],)), MODE_PATIENCE)

    def _on_mode(self) -> list[HostEvent]:
        left = self._leave()
        if self._ready or self._memory is None:
            return [left]
        self._ready = True
        notes = self._memory.notes
        if not self._confirms:
            notes = ("does not confirm the mode, which is the one that it starts with", *notes)
        return [left, Ready(ReceiverInfo(MODEL, self._memory.serial, "", self.mode, ", ".join(notes)))]

    def _leave(self) -> Send:
        self._step = Step.LISTENING
        self._request.close()
        return Send(LEAVE)

    def _take(self, piece: StreamEvent, events: list[HostEvent]) -> None:
        match piece:
            case Telegram() if self._step is not Step.FAILED:
                self._damage_run.end()
                events.append(Frame(piece.data, piece.rssi_dbm))
            case Noise() if self._step is not Step.FAILED and len(piece.raw) > STRAY_SIZE:
                self._damaged(Damaged("bytes that are no whole telegram", piece.raw), events)

    def _damaged(self, event: Damaged, events: list[HostEvent]) -> None:
        events.append(event)
        if reason := self._damage_run.add(event):
            hint = "check that no other program reads from the port; if its settings were changed, plug it in anew"
            events.append(self._fail(reason, hint))

    def _name(self) -> str:
        return MODEL if self._memory is None else f"{MODEL} {self._memory.serial}"

    def _no_answer(self) -> list[HostEvent]:
        match self._step:
            case Step.PROMPT:
                return [self._ask_settings(SETTINGS_PATIENCE)]
            case Step.SETTINGS if not self._prompted and self._round < ROUNDS:
                self._step = Step.PAUSE
                return [self._request.ask(LEAVE, PAUSE)]
            case Step.PAUSE:
                return [self._enter()]
            case Step.SETTINGS:
                return [Send(LEAVE), Send(LINE_END), self._fail(*self._silence())]
            case Step.MODE if self._starts_in_mode() and not self._ready:
                self._confirms = False
                return self._on_mode()
            case Step.MODE:
                return [Send(LEAVE), self._fail(f"{self._name()} does not confirm mode {self.mode}", self._others())]
        reason = f"{self._name()} fell silent: no {self._step.value} within {self._request.patience.total_s:g} s"
        return [Send(LEAVE), self._fail(reason, "unplug it, plug it in again, and retry")]

    def _silence(self) -> tuple[str, str]:
        """Why there are no settings, and what to do about it."""
        if self._prompted:
            return "what answers as an RC1180-MBUS does tells no settings", "check that this is the stick's port"
        waited_s = ROUNDS * (PROMPT_PATIENCE.total_s + SETTINGS_PATIENCE.total_s) + (ROUNDS - 1) * PAUSE.total_s
        reason = f"no RC1180-MBUS answered within {waited_s:g} s"
        return reason, "check that this is the stick's port, at 19200 baud, and that no other program uses it"

    def _starts_in_mode(self) -> bool:
        return self._memory is not None and self._memory.mode == LISTENING_MODES[self.mode]

    def _others(self) -> str:
        """What the oldest part can do, which other parts can as well."""
        return "choose a mode that this part has: all for 868 MHz have t1 and s2, MBUS3 has c1,t1 as well"

    def _fail(self, reason: str, hint: str) -> Failed:
        self._step = Step.FAILED
        self._request.close()
        return Failed(reason, hint, identified=self._memory is not None)
