"""What is to be looked at: a port of this machine, a port behind a serial server, or a receiver by its address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fieldtool.errors import UsageError
from fieldtool.sources.registry import OPTIONS, SOURCES
from fieldtool.sources.serial_port import is_network
from fieldtool.sources.url import WINDOWS_DRIVE, parse_url
from protocols.receivers.registry import REGISTRY, Receiver, receiver

_NO_RECEIVER: Final = frozenset({"file"})


@dataclass(frozen=True, slots=True)
class Target:
    """A port (`port`), and the kind and mode that its receiver is said to have (empty: any).

    `url` is set instead of `port` for receivers that are on no serial port. `likely` are the kinds to ask for first
    where none is named.
    """

    port: str = ""
    kind: str = ""
    mode: str = ""
    url: str = ""
    likely: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether it is a port of this machine."""
        return bool(self.port) and not is_network(self.port)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds to ask for: the one that was named, the likely ones, the others in the order that upsets none."""
        return tuple(dict.fromkeys([*([self.kind] if self.kind else []), *self.likely, *REGISTRY]))

    def mode_of(self, family: type[Receiver]) -> str:
        """Return the mode to ask of a family."""
        return self.mode if self.mode and self.kind == family.NAME else family.DEFAULT_MODE

    def url_of(self, kind: str, mode: str = "") -> str:
        """Return the address of a receiver on this port, as `listen` takes it."""
        query = f"?mode={mode}" if mode else ""
        if is_network(self.port):
            return f"{kind}+{self.port}{query}"
        return f"{kind}://{quote(self.port, safe='/:')}{query}"


def target_of(text: str) -> Target:
    """Take apart what was named: `/dev/ttyUSB0`, `COM3`, `socket://host:port`, or a receiver's address.

    Raises `UsageError` for an address that is none, an unknown mode, and for a capture.
    """
    if not text.strip():
        raise UsageError("the name of the port is empty", "as in /dev/ttyUSB0, or leave it out for all ports on USB")
    if is_network(text) or ":" not in text or text.startswith("/") or WINDOWS_DRIVE.match(text):
        return Target(text)
    url = parse_url(text, tuple(SOURCES), OPTIONS)
    if url.kind in _NO_RECEIVER:
        raise UsageError(f"{url} is a capture, not a receiver", "read it with `fieldtool replay`")
    if url.kind not in REGISTRY:
        return Target(url=text)
    mode = url.options.get("mode", "")
    try:
        receiver(url.kind).host_session(mode or receiver(url.kind).DEFAULT_MODE)
    except ValueError as error:
        raise UsageError(f"{url}: {error}", "see `fieldtool receivers list`") from error
    return Target(url.target, url.kind, mode)
