"""Messages cut to pieces that fit the link's frames, and put together again.

A fragment is CI A0 (to the meter) or A1 (from it), message number, index, count, and its part of the message. These are
CI fields that EN 13757-7 leaves to manufacturers; what they hold here is the simulated meter's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from protocols.actions.messages import LONGEST_MESSAGE
from protocols.errors import BadField, Truncated, Unsupported

LAYER: Final = "field link"
CI_TO_METER: Final = 0xA0
CI_FROM_METER: Final = 0xA1
WIRED_PAYLOAD: Final = 240
RADIO_PAYLOAD: Final = 96
"""Most bytes of the message in one fragment."""
MOST_FRAGMENTS: Final = 64
_HEADER_LENGTH: Final = 4
_LONGEST_FRAGMENT: Final = 252


@dataclass(frozen=True, slots=True)
class Fragment:
    """One piece of a message: which message, which piece of how many."""

    ci: int
    message_number: int
    index: int
    count: int
    payload: bytes = field(repr=False)

    @property
    def is_last(self) -> bool:
        """Whether the message is complete with it."""
        return self.index + 1 == self.count

    def to_bytes(self) -> bytes:
        """Return CI field, header and payload; `ValueError` when a number is no byte."""
        return bytes((self.ci, self.message_number, self.index, self.count)) + self.payload


def parse_fragment(data: bytes) -> Fragment:
    """Return the fragment that the bytes are; raises `Truncated`, `BadField`, or `Unsupported` for another CI field."""
    if data and data[0] not in (CI_TO_METER, CI_FROM_METER):
        raise Unsupported(f"CI {data[0]:02X} starts no fragment (A0 or A1)", layer=LAYER, offset=0)
    if len(data) <= _HEADER_LENGTH:
        raise Truncated("the fragment has no payload", layer=LAYER, offset=len(data))
    if len(data) > _LONGEST_FRAGMENT:
        raise BadField(f"a fragment has at most {_LONGEST_FRAGMENT} bytes", layer=LAYER, offset=_LONGEST_FRAGMENT)
    ci, number, index, count = data[:_HEADER_LENGTH]
    if not index < count <= MOST_FRAGMENTS:
        raise BadField(f"fragment {index} of {count} ({MOST_FRAGMENTS} at most)", layer=LAYER, offset=2)
    return Fragment(ci, number, index, count, data[_HEADER_LENGTH:])


def cut(message: bytes, ci: int, message_number: int, payload_length: int = WIRED_PAYLOAD) -> tuple[Fragment, ...]:
    """Return a message's fragments; `ValueError` for one that is empty or needs too many."""
    pieces = [message[at : at + payload_length] for at in range(0, len(message), payload_length)]
    if not 1 <= len(pieces) <= MOST_FRAGMENTS:
        most = min(LONGEST_MESSAGE, MOST_FRAGMENTS * payload_length)
        raise ValueError(f"a message of {len(message)} bytes cannot be sent over this link ({most} at most)")
    return tuple(Fragment(ci, message_number, index, len(pieces), piece) for index, piece in enumerate(pieces))


class Reassembly:
    """Puts the fragments of one message at a time together; holds at most 16 KiB.

    Fragments come in order. The first fragment of another message drops what was there. A repeated one changes
    nothing; a repeated last one gives the message again, and who executes it must know that it has done so.
    """

    def __init__(self) -> None:
        self._fragments: list[Fragment] = []

    def take(self, fragment: Fragment) -> bytes | None:
        """Return the message when this fragment completes it, else None; raises `BadField` for one out of order."""
        held = self._fragments
        if held and (fragment.ci, fragment.message_number, fragment.count) == (
            held[0].ci,
            held[0].message_number,
            held[0].count,
        ):
            if fragment.index < len(held):
                if held[fragment.index] == fragment:
                    return self._message() if fragment.is_last else None
                # Another message under the same number: a tool that was started again.
                held.clear()
        else:
            held.clear()
        if fragment.index != len(held):
            self.drop()
            message = f"fragment {fragment.index} of {fragment.count} came out of order"
            raise BadField(message, layer=LAYER, offset=2)
        held.append(fragment)
        return self._message() if fragment.is_last else None

    def drop(self) -> None:
        """Forget what is there."""
        self._fragments.clear()

    def _message(self) -> bytes:
        return b"".join(one.payload for one in self._fragments)
