"""A broker as a source, `mqtt://host:1883/topic` or `mqtts://`: what network servers and gateways publish by MQTT.

The client listens and never publishes. It comes back by itself when the broker was gone, with growing pauses.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from paho.mqtt.client import MQTTMessage

from fieldtool.errors import ConfigError
from fieldtool.sources.back_off import BackOff
from fieldtool.sources.events import SourceEvent, SourceState, Tell
from fieldtool.sources.mqtt_address import MqttAddress, parse_address, read_password
from fieldtool.sources.mqtt_link import CONNECT_S, Ending, MqttLink
from fieldtool.sources.mqtt_message import read_message
from fieldtool.sources.queue import FrameQueue
from fieldtool.sources.url import ReceiverUrl
from protocols.captures.model import NotRecognised
from protocols.captures.network_joins import Joined
from protocols.text import safe_text

PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses between attempts to reach a broker again; the last one repeats."""

JOIN_S: Final = 2 * CONNECT_S
MAX_JOINS_TOLD: Final = 1000

_log = logging.getLogger(__name__)


class MqttSource:
    """Listens to a broker in a thread of its own; messages are recognised as by `decode`.

    A message without a telegram is reported once; the password is kept, and never shown.
    """

    def __init__(
        self, address: MqttAddress, now: Callable[[], datetime], password: str | None = None, name: str | None = None
    ) -> None:
        self._address = address
        self._now = now
        self._password = password
        self._name = name or address.name
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._was_ready = False
        self._reported = SourceState.CONNECTED
        self._joins: set[Joined] = set()
        self._useless_told = False

    @property
    def name(self) -> str:
        """Broker and topics, unless it was named otherwise."""
        return self._name

    def start(self, frames: FrameQueue, tell: Tell) -> None:
        """Begin to connect; raises `ConfigError` when the file of certificates cannot be used."""
        tls = _tls(self._address)
        self._thread = threading.Thread(
            target=self._run, args=(tls, frames, tell), name=f"mqtt-{self._address.place}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the connection."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self, tls: ssl.SSLContext | None, frames: FrameQueue, tell: Tell) -> None:
        back_off = BackOff(PAUSES_S)
        while True:
            link = MqttLink(
                self._address,
                self._password,
                tls,
                ready=lambda detail: self._tell_ready(detail, tell),
                hear=lambda message: self._take(message, frames, tell),
            )
            ending = link.run(self._stop.is_set)
            if ending is None or self._stop.is_set():
                return
            if self._reported is SourceState.CONNECTED:
                back_off.begin_anew()
            self._tell_ending(ending, tell)
            if ending.final or self._stop.wait(back_off.next_s()):
                return

    def _tell_ready(self, detail: str, tell: Tell) -> None:
        state = SourceState.RECOVERED if self._was_ready else SourceState.CONNECTED
        self._was_ready, self._reported = True, SourceState.CONNECTED
        tell(SourceEvent(self.name, state, detail, self._now()))

    def _tell_ending(self, ending: Ending, tell: Tell) -> None:
        """Tell of a failure once; the attempts that follow stay silent until one succeeds."""
        state = SourceState.LOST if self._was_ready and not ending.final else SourceState.FAILED
        if self._reported is not state or ending.final:
            self._reported = state
            tell(SourceEvent(self.name, state, ending.detail, self._now(), ending.hint, final=ending.final))

    def _take(self, message: MQTTMessage, frames: FrameQueue, tell: Tell) -> None:
        try:
            held = read_message(bytes(message.payload))
        except NotRecognised as error:
            self._tell_useless(message, error.seen, tell)
            return
        if isinstance(held, Joined):
            self._tell_join(held, tell)
            return
        now = self._now()
        for frame in held:
            # A gateway's own clock may be wrong by days; only of what the broker kept for us it is the better one.
            at = frame.at if message.retain and frame.at is not None else now
            frames.put(replace(frame, at=at, source=f"{self._address.scheme} {self._address.host}"))

    def _tell_join(self, joined: Joined, tell: Tell) -> None:
        if joined in self._joins or len(self._joins) >= MAX_JOINS_TOLD:
            return
        self._joins.add(joined)
        address = f", DevAddr {joined.dev_addr}" if joined.dev_addr else ""
        detail = f"device {joined.dev_eui} joined{address}"
        tell(SourceEvent(self.name, SourceState.CONNECTED, detail, self._now()))

    def _tell_useless(self, message: MQTTMessage, seen: str, tell: Tell) -> None:
        topic = _topic(message)
        _log.info("%s: %s: %s", self.name, topic, seen)
        if not self._useless_told:
            self._useless_told = True
            detail = f"a message of {topic} holds no telegram: {safe_text(seen)}"
            hint = "others like it are ignored without a message; if no telegram comes, name the topic of the uplinks"
            tell(SourceEvent(self.name, SourceState.CONNECTED, detail, self._now(), hint))


def _topic(message: MQTTMessage) -> str:
    try:
        return safe_text(message.topic)
    except UnicodeDecodeError:
        return "a topic that is no UTF-8"


def _tls(address: MqttAddress) -> ssl.SSLContext | None:
    if not address.tls:
        return None
    try:
        return ssl.create_default_context(cafile=address.ca)
    except (OSError, ValueError) as error:
        reason = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else str(error.args[-1])
        raise ConfigError(f"{address.ca}: {reason}", "name a file with the broker's CA certificate in PEM") from error


def open_source(url: ReceiverUrl, now: Callable[[], datetime]) -> MqttSource:
    """Return the source of an `mqtt:` or `mqtts:` URL; raises `UsageError`, `ConfigError`."""
    address = parse_address(url)
    return MqttSource(address, now, read_password(url, address))
