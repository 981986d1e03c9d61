"""A receiver on a port: one thread moves bytes between the port and the receiver's sans-IO session."""

from __future__ import annotations

import logging
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain

from fieldtool.errors import ReceiverError, ReceiverSilent, ReceiverUnfit, UsageError
from fieldtool.sources.back_off import PORT_PAUSES_S, BackOff
from fieldtool.sources.events import SourceEvent, SourceState, Tell
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.serial_port import SerialPort, is_network, lost_hint, open_port
from fieldtool.sources.url import ReceiverUrl
from protocols.model import RawFrame
from protocols.receivers.events import Damaged, Failed, Frame, HostEvent, HostSession, Ready, ReceiverInfo, Send
from protocols.receivers.lora_radio import mode_text
from protocols.receivers.registry import Receiver, receiver

JOIN_S = 5.0
DEFAULT_MODE = "c1,t1"

_log = logging.getLogger(__name__)


class SerialReceiver:
    """Hands over what a receiver on a port hears, and reopens the port when it was gone for a while."""

    def __init__(
        self, url: ReceiverUrl, family: type[Receiver], now: Callable[[], datetime], name: str | None = None
    ) -> None:
        self._url = url
        self._family = family
        self._name = name or f"{family.NAME} {url.target}"
        self._mode = url.options.get("mode", family.DEFAULT_MODE)
        self._now = now
        self._stop = threading.Event()
        self._over = False
        self._sinks: tuple[FrameQueue, Tell] | None = None
        self._thread: threading.Thread | None = None
        self._was_ready = False
        self._back_off = BackOff(PORT_PAUSES_S)
        self._reported = SourceState.CONNECTED
        family.host_session(self._mode)

    @property
    def name(self) -> str:
        """Family and port, unless it was named otherwise."""
        return self._name

    def start(self, frames: FrameQueue, tell: Tell) -> None:
        """Open the port, which may raise `PortBusy`, `PortDenied`, `PortGone`, and begin to listen."""
        try:
            port = open_port(self._url.target, self._family.BAUD)
        except ReceiverError as error:
            error.hint = doctor_hint(error.hint, self._url.target)
            raise
        self._sinks = frames, tell
        self._begin(port, frames, tell)

    def stop(self) -> None:
        """End the thread and close the port."""
        self._over = True
        self._halt()

    @property
    def target(self) -> str:
        """The port."""
        return self._url.target

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Keep away from the port while the body runs; afterwards it is opened again, as after a loss."""
        if self._sinks is None:
            yield
            return
        frames, tell = self._sinks
        self._halt()
        tell(SourceEvent(self.name, SourceState.LENT, "an action uses the port", self._now()))
        try:
            yield
        finally:
            if not self._over:
                self._stop.clear()
                self._reported = SourceState.CONNECTED
                self._begin(None, frames, tell)

    def _begin(self, port: SerialPort | None, frames: FrameQueue, tell: Tell) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(port, frames, tell), name=f"reader-{self._url.target}", daemon=True
        )
        self._thread.start()

    def _halt(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self, port: SerialPort | None, frames: FrameQueue, tell: Tell) -> None:
        while not self._stop.is_set():
            try:
                port = port or open_port(self._url.target, self._family.BAUD)
                try:
                    self._listen(port, frames, tell)
                finally:
                    port.close()
            except ReceiverError as error:
                unfit = isinstance(error, ReceiverUnfit)
                hint = error.hint if unfit or self._was_ready else doctor_hint(error.hint, self._url.target)
                self._report(tell, error.message, hint, identified=unfit)
            except OSError as error:
                lost = f"{self._url.target}: the connection was lost ({_reason(error, self._url.target)})"
                self._report(tell, lost, lost_hint(self._url.target))
            port = None
            self._stop.wait(self._back_off.next_s())

    def _listen(self, port: SerialPort, frames: FrameQueue, tell: Tell) -> None:
        """Run one session; it ends by `stop`, an `OSError` of the port, `ReceiverSilent` or `ReceiverUnfit`."""
        session = self._family.host_session(self._mode)
        port.write(session.start())
        while not self._stop.is_set():
            data = port.read()
            events = session.receive(data) if data else []
            for event in chain(events, session.tick(time.monotonic())):
                self._take(event, port, session, frames, tell)

    def _take(self, event: HostEvent, port: SerialPort, session: HostSession, frames: FrameQueue, tell: Tell) -> None:
        if isinstance(event, Frame):
            self._back_off.begin_anew()
            frames.put(self._raw(event))
        elif isinstance(event, Send):
            port.write(event.data)
        elif isinstance(event, Damaged):
            frames.count_unusable()
            _log.info("%s: damaged piece of %d bytes: %s", self.name, len(event.raw), event.reason)
        elif isinstance(event, Ready):
            state = SourceState.RECOVERED if self._was_ready else SourceState.CONNECTED
            self._was_ready = True
            self._reported = SourceState.CONNECTED
            tell(SourceEvent(self.name, state, ready_text(event.info), self._now()))
        elif isinstance(event, Failed):
            error = ReceiverUnfit if event.identified else ReceiverSilent
            raise error(f"{self._url.target}: {event.reason}", event.hint)

    def _raw(self, frame: Frame) -> RawFrame:
        mode = frame.mode
        if frame.lora is not None:
            mode = mode_text(frame.lora)
        elif mode == "":
            mode = single_mode(self._mode)
        return RawFrame(
            frame.data,
            self._now(),
            self._family.NAME,
            mode,
            frame.rssi_dbm,
            frame.link,
            frame.lora,
            frame.frame_format,
        )

    def _report(self, tell: Tell, detail: str, hint: str, *, identified: bool = False) -> None:
        """Tell of a failure once; the attempts that follow stay silent until one succeeds."""
        state = SourceState.LOST if self._was_ready else SourceState.FAILED
        if self._reported is not state:
            self._reported = state
            tell(SourceEvent(self.name, state, detail, self._now(), hint, identified=identified))


def ready_text(info: ReceiverInfo) -> str:
    """Say which receiver answered, and what it listens to."""
    model = f"{info.model} {info.serial}".rstrip()
    firmware = f", firmware {info.firmware}" if info.firmware else ""
    note = f"; it {info.note}" if info.note else ""
    return f"{model}{firmware}, listens to {info.mode}{note}"


def doctor_hint(hint: str, target: str) -> str:
    """Add to a hint which command finds out more about a port."""
    return f"{hint}; to find out more: `fieldtool receivers doctor {shlex.quote(target)}`"


def single_mode(mode: str) -> str | None:
    """Return the radio mode of every frame where a receiver listens to one only: sticks do not tell it by frame."""
    return mode.strip().upper() if "," not in mode else None


def _reason(error: OSError, target: str) -> str:
    return error.strerror or ("the other side closed it" if is_network(target) else "the port is gone")


def open_source(url: ReceiverUrl, now: Callable[[], datetime], name: str | None = None) -> SerialReceiver:
    """Return the source of a serial receiver's URL; `UsageError` for a mode that the family does not know."""
    try:
        return SerialReceiver(url, receiver(url.kind), now, name)
    except ValueError as error:
        raise UsageError(f"{url}: {error}", "see `fieldtool receivers list`") from error
