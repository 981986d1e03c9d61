"""Addresses of receivers: `im871a:///dev/ttyUSB0?mode=c1,t1`, `im871a+socket://127.0.0.1:4001`, `file:capture.hex`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final
from urllib.parse import parse_qsl, unquote

from fieldtool.errors import UsageError
from protocols.receivers.registry import REGISTRY
from protocols.text import safe_text

_URL = re.compile(r"(?P<kind>[A-Za-z0-9_-]+)(?:\+(?P<transport>[A-Za-z0-9]+))?:(?P<rest>.*)", re.DOTALL)
WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_PASSWORD = re.compile(r"(?<=//)(?P<user>[^/?:]*):(?!\d{1,5}(?:[/?]|$))[^@]*@", re.DOTALL)
"""A password where URLs may have one; a port number followed by a topic with an `@` is not one."""
_SECRET_OPTION = re.compile(r"([?&][^=&]*(?:pass|pw|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)
HIGHEST_PORT: Final = 0xFFFF
_EXAMPLES: Final = {
    "cul": "cul:///dev/ttyUSB0?mode=c1",
    "gwmp": "gwmp://127.0.0.1:1700",
    "mqtt": "mqtt://127.0.0.1:1883",
    "mqtts": "mqtts://broker.example:8883",
    "rtlwmbus": "rtlwmbus:-",
    "rtl433": "rtl433:-",
    "file": "file:capture.hex",
    "sim": "sim:demo",
}
"""Whole addresses of the kinds that are on no serial port."""

TRANSPORTS = ("socket", "rfc2217")
"""Ways to a serial port that is not on this machine, as pyserial names them."""


@dataclass(frozen=True, slots=True)
class ReceiverUrl:
    """A receiver's address in parts.

    `kind` is the receiver family or `file`, `sim`; `target` what is to be opened: a device path, `COM3`,
    `socket://host:port`, a file name; `options` is what follows the `?`.
    """

    text: str
    kind: str
    target: str
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return safe_text(self.text)


def parse_url(text: str, kinds: tuple[str, ...], options: dict[str, tuple[str, ...]]) -> ReceiverUrl:
    """Take a receiver's address apart.

    `kinds` are the known kinds, `options` the options that each kind takes. Raises `UsageError` with the nearest known
    name for a kind, transport or option that does not exist.
    """
    shown = safe_text(without_secrets(text))
    if _PASSWORD.search(text):
        raise UsageError(
            f"the password in {shown!r} can be seen by everybody who lists the running programs",
            "remove it, write it into a file, and name that with --mqtt-password-file",
        )
    found = _URL.fullmatch(text)
    if found is None or WINDOWS_DRIVE.match(text):
        raise UsageError(f"{shown!r} is not a receiver address", _whole_address(text, shown, kinds))
    kind = found["kind"].lower()
    if kind not in kinds:
        raise UsageError(f"unknown receiver {safe_text(kind)!r} in {shown!r}", _nearest(kind, kinds))
    rest, _, query = found["rest"].partition("?")
    transport = found["transport"]
    if transport is not None:
        if transport not in TRANSPORTS:
            raise UsageError(
                f"unknown transport {safe_text(transport)!r} in {shown!r}", _nearest(transport, TRANSPORTS)
            )
        target = f"{transport}:{rest}"
    else:
        target = unquote(rest.removeprefix("//"))
        # Behind the empty host of im871a:///COM3 stands a name, not a path.
        if re.fullmatch(r"/COM\d+", target, re.IGNORECASE):
            target = target[1:]
    if not target:
        mode = "?mode=c1,t1" if "mode" in options.get(kind, ()) else ""
        example = _EXAMPLES.get(kind, f"{kind}:///dev/ttyUSB0{mode}")
        raise UsageError(f"{shown!r} names no port or file", f"as in {example}")
    return ReceiverUrl(without_secrets(text), kind, target, _options(shown, query, options.get(kind, ())))


def port_number(text: str) -> int | None:
    """Return the number of a TCP or UDP port, 1 to 65535; None for any other text."""
    number = int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0
    return number if 0 < number <= HIGHEST_PORT else None


def without_secrets(text: str) -> str:
    """Return an address with asterisks in place of what may be a password."""
    return _SECRET_OPTION.sub(r"\1***", _PASSWORD.sub(r"\g<user>:***@", text))


def _options(shown: str, query: str, known: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise UsageError(f"unknown option {safe_text(name)!r} in {shown!r}", _nearest(name, known))
        options[name] = value
    return options


def _whole_address(text: str, shown: str, kinds: tuple[str, ...]) -> str:
    """Say how an address is written of which only one part is there: the kind, or the port."""
    kind = text.lower()
    if kind not in kinds:
        example = f"write its kind before it, as in {kinds[0]}://{shown}"
        # A link to a meter begins with a kind that nothing on the port can tell.
        if kinds[0] not in REGISTRY or re.search(r"\s", text):
            return example
        return f"{example}; `fieldtool receivers probe {shown}` finds the kind"
    return f"write after it what to open, as in {_EXAMPLES.get(kind, f'{kind}:///dev/ttyUSB0')}"


def _nearest(name: str, known: tuple[str, ...]) -> str:
    if not known:
        return "leave it out: there are no options here"
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
