"""Simulated AMB8465 and AMB3665 sticks: the stick's side of the wire."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.receivers.amb8465.envelope import (
    CONFIRMED,
    FROM_HOST,
    MAX_PAYLOAD,
    Code,
    CommandFrame,
    EnvelopeStream,
    StreamEvent,
)
from protocols.receivers.amb8465.settings import HEARD_MODES, Model, Parameter, Parameters, RadioMode
from protocols.receivers.cc1101 import rssi_raw
from simulators.air import Transmission, good_frame
from simulators.receivers.line_faults import NO_FAULTS, LineFaults
from simulators.receivers.serial_line import SerialLine

DEFAULT_PARAMETERS: Final = Parameters(
    bytes.fromhex(
        "0080710200010000FFFFFA00FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0C320002"
        "6400FFFFFFFFFF010004000000FFFFFF01440000000000000000FFFF0B060100"
        "FFFFFFFFFF01030000FFFFFFFFFFFFFF0000" + "FF" * 38
    )
)
"""Those of a real stick: command output and RSSI are on, the mode at the start is S2."""

SERIAL: Final = bytes.fromhex("53005B0E")
FIRMWARE: Final = bytes((2, 1, 4))
STATUS_OK: Final = b"\0"
STATUS_REFUSED: Final = b"\1"
STATUS_NO_ROOM: Final = b"\2"
KEYS_IN_BANK: Final = 128

STALE_S: Final = 0.5
"""A request that stood still for so long is never finished: what comes next is another one."""

MAX_WAITING: Final = 64
"""Telegrams that wait for the line; the oldest is dropped when there are more."""


@dataclass(slots=True)
class StickCounters:
    """What has happened so far; `flash_writes` wear the module out."""

    requests: int = 0
    unreadable: int = 0
    flash_writes: int = 0
    heard: int = 0
    wrong_mode: int = 0
    crc_errors: int = 0
    too_long: int = 0
    overflowed: int = 0
    sent: int = 0


class Amb8465Stick:
    """Answers the commands of the module and hands over what it hears in its mode, in the time that 9600 baud take.

    Telegrams wait until the host has set a mode and for a while after, as clients need it that do not expect them
    before; with `speaks_unasked` they come from the start on, as with a real stick. Frames whose CRC fails are
    dropped. Settings are kept when the power goes, and hold from the next start on.

    Not simulated: sending (a telegram to be sent is confirmed and goes nowhere, preloading finds no memory),
    decryption in the stick (loading a key finds no room), another UART speed, channels, and sleep. What the module
    answers to a mode that it does not have is not documented: here it is status 1.
    """

    KIND: ClassVar[str] = "amb8465"
    BAUD: ClassVar[int] = 9600

    def __init__(
        self,
        *,
        seed: int = 0,
        parameters: Parameters = DEFAULT_PARAMETERS,
        serial: bytes = SERIAL,
        firmware: bytes = FIRMWARE,
        latency_s: tuple[float, float] = (0.005, 0.020),
        settle_s: float = 0.1,
        speaks_unasked: bool = False,
        faults: LineFaults = NO_FAULTS,
    ) -> None:
        self.faults = faults
        self.counters = StickCounters()
        self.parameters = parameters
        self._stored = bytearray(parameters.data)
        self._works = parameters
        self._serial = serial
        self._firmware = firmware
        self._rng = random.Random(f"{seed}/amb8465")
        self._latency_s = latency_s
        self._settle_s = settle_s
        self._speaks_unasked = speaks_unasked
        self._stream = EnvelopeStream(FROM_HOST)
        self._line = SerialLine(self.BAUD)
        self._telegrams: deque[bytes] = deque()
        self._received_s = 0.0
        self._last_rssi = 0x80
        self.mode = 0
        self._quiet_until_s: float | None = None
        self._restart()

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""
        if self._stream.pending and now_s - self._received_s >= STALE_S:
            self._obey(self._stream.resync(), now_s)
        self._received_s = now_s
        self._obey(self._stream.feed(data), now_s)

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air, if the mode hears it and telegrams are wanted."""
        if transmission.mode not in HEARD_MODES[self.parameters.model].get(self.mode, frozenset()):
            self.counters.wrong_mode += 1
            return
        if self._quiet_until_s is None:
            return
        frame = good_frame(transmission)
        if frame is None:
            self.counters.crc_errors += 1
            return
        self._last_rssi = rssi_raw(transmission.rssi_dbm)
        payload = frame[1:] + bytes((self._last_rssi,)) * self.parameters.has_rssi
        if len(payload) > MAX_PAYLOAD:
            self.counters.too_long += 1
            return
        self.counters.heard += 1
        if len(self._telegrams) >= MAX_WAITING:
            self._telegrams.popleft()
            self.counters.overflowed += 1
        framed = self.parameters.command_output
        self._telegrams.append(
            CommandFrame(Code.RECEIVED, payload).to_bytes() if framed else bytes((len(payload),)) + payload
        )

    def due(self, now_s: float) -> list[bytes]:
        """Return what is to be written by now; each piece is a whole frame at the time of its last bit."""
        pieces = self._line.due(now_s)
        if self._telegrams and self._line.next_due_s is None and self._may_speak(now_s):
            self.counters.sent += 1
            self._say(self._telegrams.popleft(), now_s)
        return pieces

    def power_cycle(self) -> None:
        """Start anew from the settings in flash."""
        self._line.clear()
        self._stream = EnvelopeStream(FROM_HOST)
        self._restart()

    @property
    def next_due_s(self) -> float | None:
        """When `due` will have something to do, None when nothing waits."""
        if self._line.next_due_s is None and self._telegrams:
            return self._quiet_until_s
        return self._line.next_due_s

    def _say(self, data: bytes, at_s: float) -> None:
        self.faults.write(data, self._line, at_s, self._rng)

    def _may_speak(self, now_s: float) -> bool:
        return self._quiet_until_s is not None and now_s >= self._quiet_until_s

    def _restart(self) -> None:
        """Forget everything that is not in flash; the host has to set the mode again."""
        self.parameters = Parameters(bytes(self._stored))
        self.mode = self._stored[Parameter.MODE_PRESELECT]
        self._quiet_until_s = 0.0 if self._speaks_unasked else None
        self._telegrams.clear()

    def _obey(self, pieces: Iterable[StreamEvent], now_s: float) -> None:
        for piece in pieces:
            if not isinstance(piece, CommandFrame):
                self.counters.unreadable += 1
                continue
            self.counters.requests += 1
            answer = self._answer(piece, now_s)
            if answer is not None:
                response = CommandFrame(piece.code | CONFIRMED, answer)
                if piece.code == Code.FACTORY_RESET:
                    # Not 91, as the rule for confirmations has it: hosts expect this one.
                    response = CommandFrame(Code.UART_SPEED | CONFIRMED, answer)
                self._say(response.to_bytes(), now_s + self._rng.uniform(*self._latency_s))

    def _answer(self, request: CommandFrame, now_s: float) -> bytes | None:
        payload = request.payload
        match request.code:
            case Code.SET_MODE:
                return self._set_mode(payload[0], now_s)
            case Code.SET_PARAMETERS:
                return self._set_parameters(payload)
            case Code.GET_PARAMETERS:
                found = bytes(self._stored[payload[0] : payload[0] + payload[1]])
                return bytes((payload[0], len(found))) + found
            case Code.RESET:
                self._restart()
                return STATUS_OK
            case Code.FACTORY_RESET:
                self._stored[:] = self._works.data
                self._stored[Parameter.COMMAND_OUTPUT] = 0
                self.counters.flash_writes += 1
                self._restart()
                return STATUS_OK
        return self._plain_answer(request)

    def _plain_answer(self, request: CommandFrame) -> bytes | None:
        """Answers that change nothing."""
        return {
            Code.TRANSMIT: STATUS_OK,
            Code.REPEAT: STATUS_OK,
            Code.SET_CHANNEL: request.payload,
            Code.SERIAL: self._serial,
            Code.FIRMWARE: self._firmware,
            Code.RSSI: bytes((self._last_rssi,)),
            Code.UART_SPEED: STATUS_OK,
            Code.PRELOAD: STATUS_NO_ROOM,
            Code.DROP_PRELOAD: STATUS_REFUSED,
            Code.ADD_KEY: STATUS_NO_ROOM,
            Code.REMOVE_KEY: STATUS_NO_ROOM,
            Code.LIST_KEYS: b"\xff" * KEYS_IN_BANK,
        }.get(Code(request.code))

    def _set_mode(self, mode: int, now_s: float) -> bytes:
        known = {*HEARD_MODES[self.parameters.model]}
        if self.parameters.model is Model.AMB8465:
            known |= set(RadioMode)
        if mode not in known:
            return STATUS_REFUSED
        self.mode = mode
        if self._quiet_until_s is None:
            self._quiet_until_s = now_s + self._latency_s[1] + self._settle_s
        return STATUS_OK

    def _set_parameters(self, payload: bytes) -> bytes:
        address, count, values = payload[0], payload[1], payload[2:]
        if len(values) != count or address + count > len(self._stored):
            return STATUS_NO_ROOM
        self.counters.flash_writes += 1
        self._stored[address : address + count] = values
        return STATUS_OK


class BareAmb8465Stick(Amb8465Stick):
    """One as it leaves the works: telegrams without a command frame, and without RSSI."""

    KIND: ClassVar[str] = "amb8465-bare"

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed, parameters=with_output(DEFAULT_PARAMETERS, framed=False, rssi=False))


class Amb3665Stick(Amb8465Stick):
    """The stick for 169 MHz: eight settings more, and other modes. No meter of a scenario sends in them."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed, parameters=Parameters(DEFAULT_PARAMETERS.data + b"\xff" * 8))


def with_output(parameters: Parameters, *, framed: bool, rssi: bool) -> Parameters:
    """Return settings with command output and RSSI on or off."""
    data = bytearray(parameters.data)
    data[Parameter.COMMAND_OUTPUT], data[Parameter.RSSI_ENABLE] = framed, rssi
    return Parameters(bytes(data))
