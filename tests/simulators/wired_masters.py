"""A raw master of wired M-Bus, for tests of slaves: frames, fragments, and one guarded action."""

from __future__ import annotations

import time
from collections.abc import Callable

from protocols.actions.commands import build_command
from protocols.actions.fragments import CI_TO_METER, Reassembly, cut, parse_fragment
from protocols.actions.messages import Challenge, Hello, Message, Result, parse_message
from protocols.mbus.wired import LongFrame, ShortFrame, take_frame
from tests.simulators.field_meters import STAFF, Technician

INSTALLER = STAFF["installer"]
ADDRESS = bytes.fromhex("45230010 2D4D 01 07")
"""Number 10002345, SIM, version 1, water."""
ACK = b"\xe5"
DEADLINE_S = 20.0

Exchange = Callable[[bytes], bytes]


def short(control: int, address: int) -> bytes:
    return ShortFrame(control, address).to_bytes()


def select(mask: bytes = ADDRESS, more: bytes = b"") -> bytes:
    return LongFrame(0x53, 0xFD, 0x52, mask + more).to_bytes()


def long_frame(data: bytes) -> LongFrame:
    frame, used = take_frame(data)
    assert isinstance(frame, LongFrame)
    assert used == len(data)
    return frame


def exchange(send: Exchange, message: Message, number: int, address: int = 253) -> Message:
    """Carry a message as a master does, and take its answer."""
    count = 0x20
    for fragment in cut(message.to_bytes(), CI_TO_METER, number):
        data = fragment.to_bytes()
        assert send(LongFrame(0x53 | count, address, data[0], data[1:]).to_bytes()) == ACK
        count ^= 0x20
    reassembly, count = Reassembly(), 0x20
    for _ in range(64):
        answer = long_frame(send(short(0x5B | count, address)))
        count ^= 0x20
        whole = reassembly.take(parse_fragment(bytes((answer.ci,)) + answer.data))
        if whole is not None:
            return parse_message(whole)
    raise AssertionError("the answer never ends")


def install(send: Exchange, address: int = 253, who: Technician = INSTALLER) -> Result:
    """Write the customer number with a proof."""
    assert send(select()) == ACK
    challenge = exchange(send, Hello(bytes(16)), 1, address)
    assert isinstance(challenge, Challenge)
    proof = who.prove(challenge, build_command("customer-number", number="C-4711").application)
    assert send(select()) == ACK
    result = exchange(send, proof, 2, address)
    assert isinstance(result, Result)
    return result


class RealLine:
    """A master on a real port; waits for whole frames, and asks again as masters do."""

    def __init__(self, write: Callable[[bytes], object], read: Callable[[], bytes]) -> None:
        self._write = write
        self._read = read

    def __call__(self, data: bytes) -> bytes:
        deadline_s = time.monotonic() + DEADLINE_S
        self._write(data)
        buffer = b""
        while time.monotonic() < deadline_s:
            buffer += self._read()
            frame, used = take_frame(buffer)
            if frame is not None:
                return buffer[used - frame.length : used]
        raise AssertionError(f"no answer, only {buffer.hex()}")
