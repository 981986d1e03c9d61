"""The command frame of an AMB8465, AMB8665 or AMB3665 (`FF 03 ..`) with a frame in it."""

from __future__ import annotations

from typing import Final

from protocols.captures.model import NotRecognised, Pasted
from protocols.decode import decode
from protocols.model import Outcome, RawFrame, Telegram
from protocols.receivers.amb8465.envelope import Code, CommandFrame
from protocols.receivers.cc1101 import rssi_dbm
from protocols.wmbus.transport import TransportLayer

KIND: Final = "AMB8465 envelope"

BLOCK: Final = 16
"""Bytes of an AES block."""


def read(data: bytes) -> Pasted:
    """Return the frame in one command frame; raises a `ProtocolError` when the bytes are none whose checksum fits.

    `NotRecognised` says which other command it is.
    """
    command = CommandFrame.from_bytes(data)
    payload = command.payload
    if command.code == Code.TRANSMIT and payload:
        return Pasted(RawFrame(bytes((len(payload),)) + payload), KIND, ("sent by the host",))
    if command.code != Code.RECEIVED:
        message = f"{KIND} with command {command.code:02X}, in which there is no telegram"
        raise NotRecognised(message, "paste a frame that starts FF 03")
    return _received(payload)


def _received(payload: bytes) -> Pasted:
    """Return the frame of a payload whose last byte may be the RSSI: only the module's settings know."""
    whole = bytes((len(payload),)) + payload
    if len(payload) < 2:
        return Pasted(RawFrame(whole), KIND)
    shorter = bytes((len(payload) - 1,)) + payload[:-1]
    rssi = rssi_dbm(payload[-1])
    appended = _last_byte_is_extra(decode(whole), decode(shorter))
    if appended is None:
        return Pasted(RawFrame(whole), KIND, (f"if the module appends its RSSI, the last byte is it: {rssi} dBm",))
    return Pasted(RawFrame(shorter, rssi_dbm=rssi) if appended else RawFrame(whole), KIND)


def _last_byte_is_extra(whole: Telegram, shorter: Telegram) -> bool | None:
    """Say which of the two is the telegram; None when both could be."""
    if whole.ok != shorter.ok:
        return shorter.ok
    if whole.ok or whole.outcome is not Outcome.NO_KEY:
        return None
    transport = next((layer for layer in whole.layers if isinstance(layer, TransportLayer)), None)
    configuration = None if transport is None else transport.configuration
    if transport is None or configuration is None or whole.security is None or whole.security.mode != 5:
        return None
    # Mode 5 says how many blocks are encrypted: a single byte behind them is no record.
    encrypted = (configuration >> 4 & 0x0F) * BLOCK
    behind = len(whole.data) - transport.end - encrypted
    return {0: False, 1: True}.get(behind)
