"""The host side of an iM871A that also sends: the same session, with send requests and the way back to what was set."""

from __future__ import annotations

from protocols.model import Address
from protocols.receivers.events import HostEvent
from protocols.receivers.im871a.envelope import Envelope
from protocols.receivers.im871a.management import GetConfigResponse, SetConfigRequest, SetConfigResponse
from protocols.receivers.im871a.message import Message
from protocols.receivers.im871a.messages import OtherMessage
from protocols.receivers.im871a.radio import SendMessageRequest, SendMessageResponse
from protocols.receivers.im871a.session import HostSession
from protocols.receivers.im871a.settings import Config

TWO_WAY_MODES = ("c2", "s2", "t2")
"""Modes in which a meter can be answered."""


class TwoWaySession(HostSession):
    """A session in a two-way mode; `ValueError` for another mode.

    `confirmed` and `refused` count the stick's answers to send requests.
    """

    def __init__(self, mode: str) -> None:
        super().__init__(mode)
        if self.mode not in TWO_WAY_MODES:
            raise ValueError(f"no meter can be answered in mode {mode!r}; known: {', '.join(TWO_WAY_MODES)}")
        self.confirmed = 0
        self.refused = 0
        self.restored = False
        self._found: Config | None = None
        self._was_ready = False
        self._restoring = False

    @property
    def was_ready(self) -> bool:
        """Whether the stick was identified and obeyed; it may have failed since."""
        return self._was_ready

    @property
    def address(self) -> Address:
        """The address that is set in the stick; zeros where it told none."""
        found = self._found or Config()
        number = (found.device_id or 0).to_bytes(4, "big").hex()
        return Address(found.manufacturer_code or 0, number, found.version or 0, found.device_type or 0)

    @staticmethod
    def send(frame: bytes) -> bytes:
        """Return the request that sends a frame, given with its L field and without CRCs."""
        return SendMessageRequest(frame[1:]).to_bytes()

    def restore(self) -> bytes:
        """Return the request that sets what the session changed to what it found; empty when it changed nothing.

        `restored` is true once the stick has confirmed it.
        """
        found = self._found
        if found is None:
            return b""
        self._restoring = True
        return SetConfigRequest(
            Config(
                device_mode=found.device_mode,
                link_mode=found.link_mode,
                auto_power_saving=found.auto_power_saving,
                attach_rssi=found.attach_rssi,
                attach_timestamp=found.attach_timestamp,
            )
        ).to_bytes()

    def _advance(self, message: Message | OtherMessage) -> list[HostEvent]:
        if self._found is None and isinstance(message, GetConfigResponse):
            self._found = message.config
        events = super()._advance(message)
        self._was_ready = self._was_ready or self.listening
        return events

    def _listen(self, message: Message | OtherMessage, envelope: Envelope, events: list[HostEvent]) -> None:
        if isinstance(message, SendMessageResponse):
            self.confirmed += message.ok
            self.refused += not message.ok
        elif isinstance(message, SetConfigResponse) and self._restoring:
            self.restored = True
        else:
            super()._listen(message, envelope, events)
