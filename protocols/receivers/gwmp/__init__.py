"""Semtech UDP gateway protocol (GWMP, PROTOCOL.TXT of the packet forwarder): the codec of both sides."""

from __future__ import annotations

from protocols.receivers.gwmp.datagram import Datagram, Kind, acknowledge, parse_datagram
from protocols.receivers.gwmp.packets import Packet, Received, parse_push, push_body

__all__ = [
    "Datagram",
    "Kind",
    "Packet",
    "Received",
    "acknowledge",
    "parse_datagram",
    "parse_push",
    "push_body",
]
