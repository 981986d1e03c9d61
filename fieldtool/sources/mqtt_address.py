"""What an MQTT address says: `mqtts://user@host:8883/topic,topic?ca=file`, and where the password comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from fieldtool.errors import ConfigError, UsageError
from fieldtool.sources.url import ReceiverUrl, port_number
from protocols.text import safe_text

PASSWORD_FILE_VARIABLE: Final = "FIELDTOOL_MQTT_PASSWORD_FILE"  # noqa: S105 - the name of a variable
PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
HIGHEST_TOPIC_BYTES: Final = 0xFFFF
DEFAULT_TOPICS: Final = (
    "v3/+/devices/+/up",
    "v3/+/devices/+/join",
    "application/+/device/+/event/up",
    "application/+/device/+/event/join",
)
"""Uplinks and joins of The Things Stack v3 and of ChirpStack v4."""


@dataclass(frozen=True, slots=True)
class MqttAddress:
    """A broker, what to subscribe to, and who asks; `ca` names a file of certificates instead of the system's."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    topics: tuple[str, ...] = DEFAULT_TOPICS
    qos: int = 0
    ca: Path | None = None

    @property
    def place(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def scheme(self) -> str:
        """`mqtt`, or `mqtts` with TLS."""
        return "mqtts" if self.tls else "mqtt"

    @property
    def name(self) -> str:
        """How the source is called: the topics too, since one broker may be listened to twice."""
        topics = "" if self.topics == DEFAULT_TOPICS else f"/{','.join(self.topics)}"
        return safe_text(f"{self.scheme} {self.place}{topics}")

    @property
    def is_local(self) -> bool:
        """Whether what is sent never leaves this computer."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


def parse_address(url: ReceiverUrl) -> MqttAddress:
    """Read the target and options of an `mqtt:` or `mqtts:` URL; `UsageError` says which part does not fit."""
    authority, _, path = url.target.partition("/")
    user, _, place = authority.rpartition("@")
    host, number = _host_and_port(place)
    # What stands here may be a piece of a password: it is not repeated.
    port = port_number(number) if number else PORTS[url.kind]
    if ":" in user or not host or port is None:
        raise UsageError(
            "the MQTT address names no broker, or no port number after its colon",
            f"as in {url.kind}://USER@broker.example:{PORTS[url.kind]}/topic; passwords belong in a file",
        )
    topics = tuple(path.split(",")) if path else DEFAULT_TOPICS
    _check_topics(topics)
    return MqttAddress(
        host,
        port,
        url.kind == "mqtts",
        user or None,
        topics,
        _qos(url),
        Path(url.options["ca"]) if "ca" in url.options else None,
    )


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, number = place.partition(":")
    return host, number


def _check_topics(topics: tuple[str, ...]) -> None:
    if "@" in topics[0].partition("/")[0]:
        raise UsageError(
            "the MQTT address has an @ after its first slash, which looks like a password with a slash",
            "passwords belong in a file: name it with --mqtt-password-file",
        )
    for topic in topics:
        levels = topic.split("/")
        wild = [level for level in levels if {"+", "#"} & set(level)]
        good = all(level in ("+", "#") for level in wild) and "#" not in levels[:-1]
        if not topic or not good or "\0" in topic or len(topic.encode()) > HIGHEST_TOPIC_BYTES:
            raise UsageError(
                f"{safe_text(topic)!r} is not an MQTT topic to listen to",
                "+ stands for one whole level, # for all levels at the end, as in v3/+/devices/+/up",
            )


def _qos(url: ReceiverUrl) -> int:
    text = url.options.get("qos", "0")
    if text not in ("0", "1"):
        raise UsageError(f"{url}: qos is 0 or 1", "leave it out, or write qos=1")
    return int(text)


def read_password(url: ReceiverUrl, address: MqttAddress) -> str | None:
    """Return the password of the address's user from the file that URL, option or environment name.

    None when no file is named, or no user. Raises `ConfigError` for a file that cannot be read.
    """
    named = url.options.get("password-file") or os.environ.get(PASSWORD_FILE_VARIABLE)
    if named is None:
        return None
    if address.user is None:
        if "password-file" in url.options:
            raise ConfigError(
                f"there is a password file, but {address.place} is named without a user",
                f"write the user before it: {address.scheme}://USER@{address.place}",
            )
        return None
    from fieldtool.access import read_passphrase

    return read_passphrase(Path(named), "password")
