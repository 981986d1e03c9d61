"""Ports that simulated receivers and meters stand at: pseudo terminals, TCP ports, UDP sockets, pipes."""

from simulators.ports.opening import best_port, open_port
from simulators.ports.port import LOOPBACK, Port
from simulators.ports.pty_port import PtyPort
from simulators.ports.stream_port import NamedPipe, StandardOutput
from simulators.ports.tcp_port import TcpPort
from simulators.ports.udp_port import UdpPort

__all__ = [
    "LOOPBACK",
    "NamedPipe",
    "Port",
    "PtyPort",
    "StandardOutput",
    "TcpPort",
    "UdpPort",
    "best_port",
    "open_port",
]
