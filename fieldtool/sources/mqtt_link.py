"""One connection to a broker: from the first packet to why it ended."""

from __future__ import annotations

import secrets
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from fieldtool.sources.mqtt_address import PORTS, MqttAddress
from protocols.text import safe_text

POLL_S: Final = 0.1
CONNECT_S: Final = 5.0
ANSWER_S: Final = 10.0
"""How long a broker may take to let the client in and to confirm what it subscribes to."""

KEEP_ALIVE_S: Final = 30

_REFUSALS: Final = frozenset({"Bad user name or password", "Not authorized"})
"""What a broker says that asking again will not change; which of the two it says for a wrong password is its choice."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection ended, and what to do; `final` when another attempt would end alike."""

    detail: str
    hint: str
    final: bool = False


class MqttLink:
    """Connects, subscribes and hands on messages until it ends or is told to stop; used once.

    `ready` is called with a line in words when everything is subscribed to that the broker allows.
    """

    def __init__(
        self,
        address: MqttAddress,
        password: str | None,
        tls: ssl.SSLContext | None,
        ready: Callable[[str], None],
        hear: Callable[[MQTTMessage], None],
    ) -> None:
        self._address = address
        self._ready = ready
        self._hear = hear
        self._let_in = self._is_ready = False
        self._ending: Ending | None = None
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"fieldtool-{secrets.token_hex(4)}",
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client = self._client
        client.connect_timeout = CONNECT_S
        if address.user is not None:
            client.username_pw_set(address.user, password)
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = self._message

    def run(self, stopped: Callable[[], bool]) -> Ending | None:
        """Serve the connection in this thread; None when it ended because `stopped` says so."""
        address = self._address
        try:
            self._client.connect(address.host, address.port, KEEP_ALIVE_S)
        except OSError as error:
            return _unreachable(address, error)
        deadline_s = time.monotonic() + ANSWER_S
        try:
            while not stopped():
                code = self._loop()
                if self._ending is not None:
                    return self._ending
                if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return self._lost()
                if not self._is_ready and time.monotonic() > deadline_s:
                    return Ending(f"{address.place}: what answers is not an MQTT broker", _hint(address))
        finally:
            self._client.disconnect()
        return None

    def _loop(self) -> MQTTErrorCode:
        try:
            return self._client.loop(POLL_S)
        except Exception:  # noqa: BLE001 - of packets that are none, the library raises whatever its parsing raises
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _connected(
        self, client: Client, data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if not reason.is_failure:
            self._let_in = True
            client.subscribe([(topic, self._address.qos) for topic in self._address.topics])
            return
        said = str(reason)
        place = self._address.place
        if said in _REFUSALS:
            why = "a user is required" if self._address.user is None else "user or password is wrong"
            self._ending = Ending(f"{place} refuses: {why}", _login_hint(self._address), final=True)
        else:
            self._ending = Ending(f"{place} refuses: {safe_text(said)}", "ask who runs the broker")

    def _subscribed(
        self, client: Client, data: object, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        topics = self._address.topics
        refused = [topic for topic, reason in zip(topics, reasons, strict=False) if reason.is_failure]
        if len(refused) == len(topics):
            self._ending = Ending(
                f"{self._address.place} lets this user read none of {_named(topics)}",
                "name a topic that the user may read; The Things Stack's begin with v3/APPLICATION@TENANT/",
                final=True,
            )
            return
        self._is_ready = True
        taken = tuple(topic for topic in topics if topic not in refused)
        but = f", but not to {_named(tuple(refused))}, which it refuses" if refused else ""
        self._ready(f"{self._address.place}, subscribed to {_named(taken)}{but}{self._in_clear()}")

    def _message(self, client: Client, data: object, message: MQTTMessage) -> None:
        self._hear(message)

    def _lost(self) -> Ending:
        address = self._address
        if not self._let_in:
            return Ending(f"{address.place}: the broker ended the connection before it answered", _hint(address))
        if not self._is_ready:
            what = f"the broker ended the connection when asked for {_named(address.topics)}"
            return Ending(f"{address.place}: {what}", "name a topic that the user may read")
        return Ending(f"{address.place}: the connection was lost", "check that the broker runs; it is tried again")

    def _in_clear(self) -> str:
        address = self._address
        if address.user is None or address.tls or address.is_local:
            return ""
        return "; the password was sent unencrypted; mqtts:// protects it"


def _unreachable(address: MqttAddress, error: OSError) -> Ending:
    place = address.place
    if isinstance(error, ssl.SSLCertVerificationError):
        return Ending(
            f"{place}: its certificate is not trusted ({safe_text(error.verify_message)})",
            "check the name in the address; for a broker of your own, name its CA: ?ca=FILE",
            final=True,
        )
    if isinstance(error, ssl.SSLError):
        return Ending(f"{place}: TLS fails ({safe_text(error.reason or 'no reason given')})", _hint(address))
    if isinstance(error, socket.gaierror):
        return Ending(f"{address.host}: no computer has this name", "check the address, and the network")
    if isinstance(error, TimeoutError):
        return Ending(f"{place}: no answer within {CONNECT_S:g} s", "check the address, and firewalls on the way")
    if isinstance(error, ConnectionRefusedError):
        return Ending(f"{place}: nobody answers there", _hint(address))
    return Ending(f"{place}: {error.strerror or 'the connection failed'}", _hint(address))


def _hint(address: MqttAddress) -> str:
    if address.tls:
        return f"check that the broker runs and speaks TLS there; without TLS it is mqtt:// and mostly {PORTS['mqtt']}"
    return f"check that the broker runs and speaks MQTT there; with TLS it is mqtts:// and mostly {PORTS['mqtts']}"


def _login_hint(address: MqttAddress) -> str:
    if address.user is None:
        return f"write the user before it, {address.scheme}://USER@{address.place}, and give --mqtt-password-file"
    return "check the user in the address and the password in the file (--mqtt-password-file)"


def _named(topics: tuple[str, ...]) -> str:
    shown = safe_text(topics[0])
    return shown if len(topics) == 1 else f"{shown} and {len(topics) - 1} more"
