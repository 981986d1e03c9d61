"""A decoder that follows LoRaWAN devices from frame to frame; the state is a value that its owner may keep."""

from __future__ import annotations

from protocols.lorawan.counter import USUAL_HALVES
from protocols.lorawan.decoder import NO_KEYS, NO_SESSIONS, decode_lorawan, no_mbus_keys
from protocols.lorawan.keys import LorawanKeys
from protocols.lorawan.sessions import Sessions
from protocols.model import KeyLookup, RawFrame, Telegram


class LorawanFollower:
    """Decodes one frame after the other and goes on with `sessions`; belongs to one thread."""

    def __init__(
        self,
        keys: LorawanKeys = NO_KEYS,
        sessions: Sessions = NO_SESSIONS,
        *,
        halves: int = USUAL_HALVES,
    ) -> None:
        self.keys = keys
        self.sessions = sessions
        self._halves = halves

    def decode(self, frame: RawFrame, mbus_keys: KeyLookup = no_mbus_keys) -> Telegram:
        """Decode a frame and learn from it."""
        heard = decode_lorawan(frame, self.keys, self.sessions, mbus_keys=mbus_keys, halves=self._halves)
        self.sessions = heard.sessions
        return heard.telegram
