"""Which LoRaWAN frames belong together, and which ones all processes of a replay must hear.

A device has a new address after each join, and a join accept does not say whom it is for. So the process that deals out
the lines follows joins itself, with the same keys as all others: it decodes join traffic, and the uplinks of a session
until one proves that the session is in use. All processes hear those, one of them shows them. All other messages are
heard by the process of their device alone, which keeps its counters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.identifiers import printed
from protocols.lorawan.keys import LorawanKeys, RootKeys, SessionKeys
from protocols.lorawan.phy import DATA, MHDR_SIZE, MType
from protocols.lorawan.sessions import Device, Session, Sessions
from protocols.model import Link, RawFrame

ADDRESSES: Final = 100_000
"""Addresses of which it is remembered whose they are; one heard later is a sender of its own."""

NOBODY: Final = "lorawan"
"""The sender of what has no address."""

_JOINING: Final = frozenset({MType.JOIN_REQUEST, MType.JOIN_ACCEPT, MType.REJOIN_REQUEST})
_ADDRESS: Final = slice(MHDR_SIZE, MHDR_SIZE + 4)


class LorawanDealing:
    """Names the sender of LoRaWAN frames, one after the other; belongs to one thread.

    `make_follower` gives the follower that has the keys, and the sessions that all processes begin with.
    """

    def __init__(self, make_follower: Callable[[], LorawanFollower] | None = None) -> None:
        self._follower = LorawanFollower() if make_follower is None else make_follower()
        self.keys: LorawanKeys = self._follower.keys
        self.begins_with: Sessions = self._follower.sessions
        self._senders: dict[str, str] = {}
        self._unproven = {s.keys.dev_addr for s in self.begins_with.sessions if s.joined and not _in_use(s)}
        for device in self.begins_with.devices:
            for dev_addr in device.dev_addrs:
                self._bind(dev_addr, device.dev_eui)

    def sender(self, frame: RawFrame) -> tuple[str, bool]:
        """Whose frame it is, and whether all processes must hear it."""
        if frame.link is Link.LORAWAN_PAYLOAD:
            lora = frame.lora
            return (NOBODY if lora is None else lora.dev_eui or lora.dev_addr or NOBODY), False
        mtype = MType(frame.data[0] >> 5) if frame.data else None
        if mtype in _JOINING:
            return self._joining(frame), True
        if mtype not in DATA or len(frame.data) < _ADDRESS.stop:
            return NOBODY, False
        dev_addr = printed(frame.data[_ADDRESS])
        sender = self._sender_at(dev_addr)
        if dev_addr not in self._unproven:
            return sender, False
        self._follower.decode(frame)
        if all(_in_use(session) for session in self._follower.sessions.at(dev_addr) if session.joined):
            self._unproven.discard(dev_addr)
        return sender, True

    def gather(self, heard: Sequence[Sessions | None], owner_of: Callable[[str], int]) -> None:
        """Let the follower know what the processes have heard: of each sender, what its own process knows."""
        sessions: list[Session] = []
        devices: list[Device] = []
        for number, of_one in enumerate(heard):
            if of_one is not None:
                sessions += [one for one in of_one.sessions if owner_of(self._whose(one.keys.dev_addr)) == number]
                devices += [one for one in of_one.devices if owner_of(one.dev_eui) == number]
        # The newest session of an address comes first, and is to be put last.
        self._follower.resume(Sessions.of(reversed(sessions), devices))

    def _whose(self, dev_addr: str) -> str:
        """The sender that an address was dealt as."""
        return self._senders.get(dev_addr, dev_addr)

    def _joining(self, frame: RawFrame) -> str:
        facts = self._follower.decode(frame).lorawan
        if facts is None or not facts.dev_eui:
            return NOBODY
        dev_addr = facts.dev_addr
        if dev_addr is not None and not all(_in_use(s) for s in self._follower.sessions.at(dev_addr) if s.joined):
            self._bind(dev_addr, facts.dev_eui)
            self._unproven.add(dev_addr)
        return facts.dev_eui

    def _sender_at(self, dev_addr: str) -> str:
        """Whose an address is: of the device that joined to it, or that its keys are filed for, else its own."""
        sender = self._senders.get(dev_addr)
        if sender is None:
            filed = self.keys.session_keys(dev_addr)
            sender = next((keys.dev_eui for keys in filed if keys.dev_eui), dev_addr)
            self._bind(dev_addr, sender)
        return sender

    def _bind(self, dev_addr: str, sender: str) -> None:
        """Remember whose an address is; of several, the first one's process has all of its messages."""
        if len(self._senders) < ADDRESSES:
            self._senders.setdefault(dev_addr, sender)


def _in_use(session: Session) -> bool:
    """Whether an uplink of this replay has proven a session."""
    return session.fcnt_up is not None and not session.earlier


class OtherKeys(LorawanKeys, Protocol):
    """The keys that another process has."""

    def revoked(self, identifier: str) -> Sequence[str]:
        """The check values of the keys under a DevEUI or DevAddr that are revoked."""


class RememberedKeys:
    """The keys that another process has, asked once for each identifier.

    `unavailable` says why none can be looked up, `how_to_unlock` what to do then.
    """

    def __init__(self, keys: OtherKeys, unavailable: str = "", how_to_unlock: str = "") -> None:
        self._keys = keys
        self.unavailable = unavailable
        self.how_to_unlock = how_to_unlock
        self.revoked = keys.revoked
        self._roots: dict[str, tuple[RootKeys, ...]] = {}
        self._sessions: dict[str, tuple[SessionKeys, ...]] = {}

    def root_keys(self, dev_eui: str) -> tuple[RootKeys, ...]:
        """The root keys filed for a device, best first."""
        if dev_eui not in self._roots:
            if len(self._roots) >= ADDRESSES:
                self._roots.clear()
            self._roots[dev_eui] = tuple(self._keys.root_keys(dev_eui))
        return self._roots[dev_eui]

    def session_keys(self, dev_addr: str) -> tuple[SessionKeys, ...]:
        """The session keys filed for an address."""
        if dev_addr not in self._sessions:
            if len(self._sessions) >= ADDRESSES:
                self._sessions.clear()
            self._sessions[dev_addr] = tuple(self._keys.session_keys(dev_addr))
        return self._sessions[dev_addr]
