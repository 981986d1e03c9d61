"""How long a source waits before it opens a port again."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from fieldtool.sources.back_off import PORT_PAUSES_S
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.serial_receiver import SerialReceiver
from fieldtool.sources.url import ReceiverUrl
from protocols.receivers.events import Frame, HostEvent, Ready, ReceiverInfo

LOSSES = 6


class Pauses(threading.Event):
    """Notes how long somebody would wait, waits not at all, and is set after some times."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.noted.append(timeout)
        if len(self.noted) == LOSSES:
            self.set()
        return self.is_set()


class Port:
    """A port that hands over one piece of data, and then is gone."""

    def __init__(self, data: bytes) -> None:
        self._data = [data]

    def read(self) -> bytes:
        if not self._data:
            raise OSError
        return self._data.pop()

    def write(self, data: bytes) -> None:
        assert data == b""

    def close(self) -> None:
        pass


class Session:
    """Is ready at once; whatever comes is a frame, but a dot."""

    def start(self) -> bytes:
        return b""

    def receive(self, data: bytes) -> list[HostEvent]:
        ready = Ready(ReceiverInfo("any", "", "", "t1"))
        return [ready] if data == b"." else [ready, Frame(data)]

    def tick(self, now_s: float) -> list[HostEvent]:
        assert now_s > 0
        return []


class Family:
    NAME: ClassVar[str] = "any"
    TITLE: ClassVar[str] = "any"
    USB_TEXTS: ClassVar[tuple[str, ...]] = ()
    USB_IDS: ClassVar[tuple[tuple[int, int], ...]] = ()
    BAUD: ClassVar[int] = 9600
    MODES: ClassVar[tuple[str, ...]] = ("t1",)
    DEFAULT_MODE: ClassVar[str] = "t1"

    @staticmethod
    def host_session(mode: str) -> Session:
        assert mode == "t1"
        return Session()


@pytest.mark.parametrize(
    ("data", "pauses"),
    [
        (b"frame", [PORT_PAUSES_S[0]] * LOSSES),
        (b".", [*PORT_PAUSES_S, *[PORT_PAUSES_S[-1]] * (LOSSES - len(PORT_PAUSES_S))]),
    ],
    ids=["after it heard something", "without anything heard"],
)
def test_pauses_grow_until_something_was_heard(
    data: bytes, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fieldtool.sources.serial_receiver.open_port", lambda *_: Port(data))
    source = SerialReceiver(
        ReceiverUrl("any:///dev/ttyS7", "any", "/dev/ttyS7", {"mode": "t1"}),
        Family,
        lambda: datetime(2026, 11, 20, tzinfo=UTC),
    )
    noted = Pauses()
    monkeypatch.setattr(source, "_stop", noted)
    source.start(FrameQueue(), lambda _: None)
    for thread in threading.enumerate():
        if thread.name == "reader-/dev/ttyS7":
            thread.join(10)
    assert noted.noted == pauses
