"""Fragmented messages: pieces of one transport-layer message in several frames (EN 13757-7, 6; OMS Vol. 2, 7.2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from protocols.errors import BadField
from protocols.model import Telegram
from protocols.wmbus.afl import (
    AFL_BODY,
    AFL_HEADER,
    KI_PRESENT,
    MAC_PRESENT,
    MCL_PRESENT,
    MCR_PRESENT,
    ML_PRESENT,
    AuthenticationLayer,
)

MAX_MESSAGE = 16 * 1024
"""Longest message that the length field of the AFL allows by OMS Vol. 2, 7.2.5."""

MAX_SENDERS = 256
"""Senders with an unfinished message that are remembered; beyond it the oldest is forgotten."""


LATE = timedelta(seconds=10)
"""How long after its followers fragment 1 may be handed over; the next message of a meter comes later."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """Fragments that wait for the rest of their messages, by the sender's address as transmitted."""

    waiting: Mapping[bytes, tuple[Telegram, ...]]

    @classmethod
    def none(cls) -> Fragments:
        """Nothing is waiting."""
        return cls({})

    def add(self, telegram: Telegram) -> tuple[Fragments, tuple[Telegram, ...]]:
        """Take a telegram; returns what waits now and, when it completed a message, all its fragments in order.

        Fragment 1 starts a new message and drops an unfinished one of the same sender, unless it is the one that was
        missing (`_was_missing`); then it waits for others all the same, as those may be of an earlier message. The same
        fragment heard twice counts once.
        """
        afl = fragment_of(telegram)
        if afl is None or telegram.meter is None:
            return self, ()
        sender = telegram.data[2:10]
        kept = self.waiting.get(sender, ())
        rest = {address: waiting for address, waiting in self.waiting.items() if address != sender}
        if afl.fragment == 1:
            late = (telegram, *kept)
            if kept and _number(kept[0]) != 1 and _was_missing(afl, late):
                return Fragments({**rest, sender: (telegram,)}), late
            kept = ()
        others = [piece for piece in kept if _number(piece) != afl.fragment]
        pieces = tuple(sorted((*others, telegram), key=_number))
        if _complete(pieces):
            return Fragments(rest), pieces
        if sum(len(piece.data) for piece in pieces) > MAX_MESSAGE:
            return Fragments(rest), ()
        if len(rest) >= MAX_SENDERS:
            del rest[next(iter(rest))]
        return Fragments({**rest, sender: pieces}), ()


def fragment_of(telegram: Telegram) -> AuthenticationLayer | None:
    """The authentication layer of a telegram that is one piece of a message, None for all others."""
    for layer in telegram.layers:
        if isinstance(layer, AuthenticationLayer) and layer.fragment:
            return layer
    return None


def _number(telegram: Telegram) -> int:
    afl = fragment_of(telegram)
    return 0 if afl is None else afl.fragment


def _complete(pieces: tuple[Telegram, ...]) -> bool:
    last = fragment_of(pieces[-1])
    numbers = [_number(piece) for piece in pieces]
    return last is not None and not last.more_fragments and numbers == list(range(1, len(pieces) + 1))


def _was_missing(first: AuthenticationLayer, pieces: tuple[Telegram, ...]) -> bool:
    """Whether fragment 1, heard last, completes what waits: in length, and in time or by a MAC that will tell."""
    if not _complete(pieces) or first.ml not in (None, sum(map(_message_size, pieces))):
        return False
    times = [piece.frame.at for piece in pieces]
    known = [at for at in times if at is not None]
    if len(known) == len(times):
        return max(known) - min(known) <= LATE
    last = fragment_of(pieces[-1])
    return not known and last is not None and bool(last.mac)


def _message_size(piece: Telegram) -> int:
    afl = fragment_of(piece)
    return 0 if afl is None else _end(piece) - afl.end


def joined(pieces: tuple[Telegram, ...]) -> tuple[bytes, int]:
    """One frame's bytes as if the message had been sent in one piece, and where its authentication layer begins.

    The first fragment's layers up to its AFL, one AFL with the fields of all fragments, then the message. Raises
    `BadField` when the message is not as long as the AFL says.
    """
    layers = [afl for piece in pieces if (afl := fragment_of(piece)) is not None]
    first, last = layers[0], layers[-1]
    message = b"".join(piece.plain[afl.end : _end(piece)] for piece, afl in zip(pieces, layers, strict=True))
    if first.ml is not None and first.ml != len(message):
        difference = f"the fragments hold {len(message)} bytes, the first one announced {first.ml}"
        raise BadField(difference, layer="afl", offset=first.start)
    whole = replace(first, mac=last.mac)
    return pieces[0].plain[: first.start] + _header(whole) + message, first.start


def _end(piece: Telegram) -> int:
    """Where the frame proper ends, bytes after it not counted."""
    return min(len(piece.data), piece.data[0] + 1)


def _header(afl: AuthenticationLayer) -> bytes:
    present = {
        MCL_PRESENT: afl.mcl is not None,
        KI_PRESENT: afl.ki is not None,
        MCR_PRESENT: afl.mcr is not None,
        MAC_PRESENT: bool(afl.mac),
        ML_PRESENT: afl.ml is not None,
    }
    body = AFL_BODY.build(
        {"mcl": afl.mcl, "ki": afl.ki, "mcr": afl.mcr, "mac": afl.mac or b"", "ml": afl.ml},
        mcl_present=present[MCL_PRESENT],
        ki_present=present[KI_PRESENT],
        mcr_present=present[MCR_PRESENT],
        ml_present=present[ML_PRESENT],
        mac_length=len(afl.mac or b""),
    )
    control = sum(bit for bit, there in present.items() if there)
    return bytes(AFL_HEADER.build({"ci": 0x90, "length": 2 + len(body), "fragmentation_control": control})) + bytes(
        body
    )
