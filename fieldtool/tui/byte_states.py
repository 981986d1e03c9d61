"""Which bytes of a telegram were encrypted on the air, and whether they could be decrypted."""

from __future__ import annotations

from enum import StrEnum

from protocols.model import Telegram


class ByteState(StrEnum):
    """How one byte came; the value is the name of its style."""

    CLEAR = "plain"
    DECRYPTED = "decrypted"
    ENCRYPTED = "encrypted"


BYTE_GLYPHS: dict[ByteState, str] = {ByteState.CLEAR: " ", ByteState.DECRYPTED: "·", ByteState.ENCRYPTED: "~"}
"""Stands behind the byte, so that its state is seen without colours too."""

_ENCRYPTED_LAYER = "encrypted"


def byte_states(telegram: Telegram) -> tuple[ByteState, ...]:
    """Return the state of each byte of `Telegram.data`.

    Decrypted is from the first to the last byte that decryption changed, out to the borders of their fields: single
    bytes in between may be the same by chance.
    """
    size = len(telegram.data)
    states = [ByteState.CLEAR] * size
    spans = telegram.spans
    pairs = zip(telegram.data, telegram.plain, strict=False)
    changed = [offset for offset, (sent, plain) in enumerate(pairs) if sent != plain]
    if changed:
        start = next((span.start for span in spans if span.start <= changed[0] < span.end), changed[0])
        end = next((span.end for span in spans if span.start <= changed[-1] < span.end), changed[-1] + 1)
        states[start:end] = [ByteState.DECRYPTED] * (min(end, size) - start)
    for span in spans:
        if span.layer == _ENCRYPTED_LAYER:
            states[span.start : span.end] = [ByteState.ENCRYPTED] * (min(span.end, size) - span.start)
    return tuple(states)
