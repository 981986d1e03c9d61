"""Ports that simulated receivers and meters stand at: pseudo terminals, TCP ports, UDP sockets."""

from simulators.ports.opening import best_port, open_port
from simulators.ports.port import LOOPBACK, Port
from simulators.ports.pty_port import PtyPort
from simulators.ports.tcp_port import TcpPort
from simulators.ports.udp_port import UdpPort

__all__ = ["LOOPBACK", "Port", "PtyPort", "TcpPort", "UdpPort", "best_port", "open_port"]
