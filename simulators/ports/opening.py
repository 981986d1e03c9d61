"""Ports by the words that name them: `pty`, `tcp:4001`, `udp:127.0.0.1:1700`, `mqtt:1883`, `fifo:lines`."""

from __future__ import annotations

import os
from pathlib import Path

from simulators.errors import PortError
from simulators.ports.port import Port, is_number
from simulators.ports.pty_port import PtyPort
from simulators.ports.stream_port import NamedPipe, StandardOutput
from simulators.ports.tcp_port import TcpPort
from simulators.ports.udp_port import parse_udp


def best_port() -> str:
    """Return the kind of port that a simulated stick stands at best: a pseudo terminal where there are any."""
    return "pty" if hasattr(os, "openpty") else "tcp"


def open_port(at: str, baud: int, link: Path | None = None) -> Port:
    """Return the port, not yet plugged, that a text names; raises `PortError`.

    `pty`, `tcp`, `tcp:NUMBER`, `udp:HOST:NUMBER`, `mqtt:NUMBER`, which is a broker, `stdout`, or `fifo:PATH`.
    """
    kind, _, number = at.partition(":")
    if kind == "pty" and not number:
        return PtyPort(baud, link)
    if kind == "tcp" and (not number or is_number(number)):
        return TcpPort(int(number or "0"))
    if kind == "udp":
        return parse_udp(number)
    if kind == "mqtt":
        from simulators.mqtt.broker import parse_broker

        return parse_broker(number)
    if kind == "stdout" and not number:
        return StandardOutput()
    if kind == "fifo" and number:
        return NamedPipe(Path(number))
    raise PortError(
        f"no port {at!r}",
        "write pty, tcp, tcp:NUMBER, udp:HOST:NUMBER or mqtt:NUMBER, up to 65535, or stdout, or fifo:PATH",
    )
