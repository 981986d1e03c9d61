"""Programs for SDR sticks as sources: `rtlwmbus:-`, `rtlwmbus:/path/of/a/pipe`, `rtl433+socket://host:port`.

The programs are started by who uses them; what they write is read here, in a thread, for as long as it comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from fieldtool.errors import FieldToolError, UsageError
from fieldtool.sources.back_off import PORT_PAUSES_S, BackOff
from fieldtool.sources.events import SourceEvent, SourceState, Tell
from fieldtool.sources.line_input import Ended, LineInput, NetworkInput, StandardInput, input_of
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.serial_port import READ_TIMEOUT_S
from fieldtool.sources.url import ReceiverUrl
from protocols.model import RawFrame
from protocols.plural import counted
from protocols.receivers.sdr_lines import PROGRAMS, Heard, LineEvent, LineStream, Program, Useless

STANDS_S: Final = 1.0
"""How long a connection must last without a line before it counts as one again."""

SILENCE_S: Final = 60.0
"""Without a line for so long since the start, somebody should look."""

PUT_PATIENCE_S: Final = 0.1
JOIN_S: Final = 6.0
JOIN_ANYWAY_S: Final = 0.2
NEAR: Final = timedelta(minutes=1)
_YEARS: Final = range(2000, 2100)
_SOCKET: Final = "socket:"
_TRANSPORT_HINT: Final = "as in {kind}:-, {kind}:/path/of/a/named/pipe or {kind}+socket://127.0.0.1:5000"

_log = logging.getLogger(__name__)


class ProgramLines:
    """Reads the lines of a program; those that hold no frame are counted, and told of once.

    What ends for now (a named pipe, a server) is opened again. A writer that can wait does so when the queue is full.
    """

    def __init__(self, program: Program, lines_from: LineInput, now: Callable[[], datetime]) -> None:
        self._program = program
        self._input = lines_from
        self._now = now
        self._name = f"{program.kind} {lines_from.name}"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._state = SourceState.CONNECTED
        self._told: set[bool] = set()
        self._silence_told = False
        self._lines = self._useless = 0
        self._back_off = BackOff(PORT_PAUSES_S)

    @property
    def name(self) -> str:
        """The program's kind, and where its lines come from."""
        return self._name

    @property
    def takes_standard_input(self) -> bool:
        """Whether nothing else may read the standard input."""
        return isinstance(self._input, StandardInput)

    def hold_standard_input(self) -> None:
        """Keep what is standard input now, whatever becomes standard input later; raises `UsageError`."""
        if isinstance(self._input, StandardInput):
            self._input.hold()

    def start(self, frames: FrameQueue, tell: Tell) -> None:
        """Open the input, which may raise a `FieldToolError`, and begin to read."""
        self._input.open()
        self._thread = threading.Thread(target=self._run, args=(frames, tell), name=f"lines-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_S if self._input.interruptible else JOIN_ANYWAY_S)

    def _run(self, frames: FrameQueue, tell: Tell) -> None:
        self._tell(tell, SourceState.CONNECTED, f"waits for lines of {self._program.name} from {self._input.name}")
        is_open = True
        try:
            while not self._stop.is_set():
                try:
                    if not is_open:
                        self._input.open()
                        is_open = True
                    self._listen(frames, tell)
                except Ended as end:
                    if not self._input.lasting:
                        self._tell_end(tell, end)
                        return
                    self._tell_lost(tell, end.detail, end.hint)
                except FieldToolError as error:
                    self._tell_lost(tell, error.message, error.hint)
                except OSError as error:
                    detail = f"{self._input.name}: {error.strerror or 'it cannot be read'}"
                    if not self._input.lasting:
                        self._tell(tell, SourceState.FAILED, detail, "check where it comes from", final=True)
                        return
                    self._tell_lost(tell, detail, "")
                is_open = False
                self._stop.wait(self._back_off.next_s())
        finally:
            self._input.close()

    def _listen(self, frames: FrameQueue, tell: Tell) -> None:
        """Read until `stop`, or until the input raises `Ended` or `OSError`; a last line without end is read too."""
        lines = LineStream(self._program)
        began_s = time.monotonic()
        try:
            while not self._stop.is_set():
                data = self._input.read()
                since_s = time.monotonic() - began_s
                if data is None:
                    self._stop.wait(READ_TIMEOUT_S)
                elif data:
                    self._tell_recovered(tell)
                    self._back_off.begin_anew()
                    self._take(lines.feed(data), frames, tell)
                elif since_s >= STANDS_S:
                    self._tell_recovered(tell)
                if since_s >= SILENCE_S:
                    self._tell_silence(tell)
        finally:
            self._take(lines.end(), frames, tell)

    def _take(self, events: Iterable[LineEvent], frames: FrameQueue, tell: Tell) -> None:
        for event in events:
            if self._stop.is_set():
                return
            if isinstance(event, Useless):
                self._useless += 1
                frames.count_unusable()
                _log.info("%s: %s", self.name, event.reason)
                self._tell_useless(tell, event)
            else:
                self._lines += 1
                self._put(replace(event.frame, at=self._time_of(event), source=self._program.kind), frames)

    def _put(self, frame: RawFrame, frames: FrameQueue) -> None:
        if not self._input.can_wait:
            frames.put(frame)
            return
        while not self._stop.is_set() and not frames.put_when_free(frame, PUT_PATIENCE_S):
            pass

    def _time_of(self, heard: Heard) -> datetime:
        """Return when a frame was received; another computer's clock may be wrong by days, so there it is now."""
        now = self._now()
        if not self._input.on_this_computer:
            return now
        at = heard.frame.at or (heard.local_at and from_local(heard.local_at, now))
        return at if at is not None and at.year in _YEARS else now

    def _tell(self, tell: Tell, state: SourceState, detail: str, hint: str = "", *, final: bool = False) -> None:
        tell(SourceEvent(self.name, state, detail, self._now(), hint, final=final))

    def _tell_end(self, tell: Tell, end: Ended) -> None:
        if not self._lines and not self._useless:
            what = f"{end.detail} before any line of {self._program.name} came"
            hint = f"see what {self._program.name} itself says; as in: {self._program.pipeline}"
            self._tell(tell, SourceState.FAILED, what, hint, final=True)
            return
        useless = f"; {counted(self._useless, 'line')} held no telegram" if self._useless else ""
        self._tell(tell, SourceState.ENDED, f"{end.detail}{useless}")

    def _tell_lost(self, tell: Tell, detail: str, hint: str) -> None:
        """Tell of a loss once; the attempts that follow stay silent until one succeeds."""
        if self._state is not SourceState.LOST:
            self._state = SourceState.LOST
            self._tell(tell, SourceState.LOST, detail, hint)

    def _tell_recovered(self, tell: Tell) -> None:
        if self._state is SourceState.LOST:
            self._state = SourceState.RECOVERED
            self._tell(tell, SourceState.RECOVERED, f"lines of {self._program.name} from {self._input.name}")

    def _tell_useless(self, tell: Tell, event: Useless) -> None:
        """Tell of the first damaged telegram, and of the first other line, that cannot be used."""
        if event.damaged not in self._told:
            self._told.add(event.damaged)
            others = "others like it are counted without a message"
            hint = f"{event.hint}; {others}" if event.hint else others
            self._tell(tell, SourceState.CONNECTED, f"a line holds no telegram: {event.reason}", hint)

    def _tell_silence(self, tell: Tell) -> None:
        """Tell once when nothing has ever come."""
        if not (self._lines or self._useless or self._silence_told):
            self._silence_told = True
            what = f"no line came in {SILENCE_S:g} s"
            self._tell(tell, SourceState.CONNECTED, what, "check antenna and frequency, and that the program runs")


def from_local(written: datetime, now: datetime) -> datetime | None:
    """Return the time that a clock of this computer showed as `written`, which has UTC for want of a zone.

    Of the hour that comes twice in autumn, and of programs that write UTC without saying so, the time that is within a
    minute of `now` is meant; otherwise local time. None for a time that this computer cannot convert.
    """
    wall = written.replace(tzinfo=None)
    try:
        local = [wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    except (OverflowError, OSError, ValueError):
        return None
    return next((at for at in (*local, written) if abs(at - now) <= NEAR), local[0])


def open_source(url: ReceiverUrl, now: Callable[[], datetime]) -> ProgramLines:
    """Return the source of an `rtlwmbus:` or `rtl433:` URL; `UsageError` for one that names no input."""
    program = PROGRAMS[url.kind]
    if url.target.startswith(_SOCKET):
        return ProgramLines(program, _network(url), now)
    if url.target.startswith("rfc2217:"):
        raise UsageError(f"{url}: a program is on no serial port", _TRANSPORT_HINT.format(kind=url.kind))
    return ProgramLines(program, input_of(url.target, program.pipeline), now)


def _network(url: ReceiverUrl) -> NetworkInput:
    parts = urlsplit(url.target)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.path.strip("/"):
        raise UsageError(f"{url}: host and port are needed", f"as in {url.kind}+socket://127.0.0.1:5000")
    return NetworkInput(host, port)
