"""Sessions of LoRaWAN devices: what was heard of each, as a value handed in and handed back.

A session begins with fixed keys (ABP, multicast) or with a join that was heard from request to accept. It remembers the
frame counters, so that the upper halves of later ones are known and old frames are noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar
from zlib import crc32

from protocols.lorawan.bridges import PayloadState
from protocols.lorawan.keys import RootKeys, SessionKeys
from protocols.lorawan.mic import JOIN_REQUEST_TYPE

MAX_PENDING: Final = 64
"""Join requests that wait for their accept; each costs one decryption a join accept."""

MAX_NONCES: Final = 1024
"""DevNonces remembered a device."""

SESSIONS_A_DEVICE: Final = 2
"""The one in use, and the one before, until the new one was heard."""

SAME_TRANSMISSION: Final = timedelta(seconds=3)
"""Within this time an identical frame was heard by a second gateway, or is a repetition."""

NO_STATE: Final = PayloadState()
_BUCKETS: Final = 256
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Session:
    """One session. Counters are those last heard and verified; None before the first.

    `fcnt_down` counts all downlinks of LoRaWAN 1.0, and those of the network in 1.1, where `a_fcnt_down` counts those
    of the application. `confirmed_up` and `confirmed_down` are the counters of the last confirmed message each way: the
    acknowledgement's MIC covers them. `last_up` is the MIC of the last uplink, `joined` says that a join was followed.
    `payload_state` is what the payloads so far mean for the next one, where the DevEUI is not known. `heard_at` is when
    the last message came, or the join accept. `earlier` says that all this was heard by an earlier run of the program.
    """

    keys: SessionKeys
    fcnt_up: int | None = None
    fcnt_down: int | None = None
    a_fcnt_down: int | None = None
    confirmed_up: int | None = None
    confirmed_down: int | None = None
    last_up: bytes = b""
    joined: bool = False
    payload_state: PayloadState = NO_STATE
    heard_at: datetime | None = None
    earlier: bool = False

    def as_of(self, at: datetime | None) -> Session:
        """The session as a message of that time finds it.

        What an earlier run heard counts only for what is known to have come later: a capture may be replayed again.
        """
        if not self.earlier or _is_later(at, self.heard_at):
            return self
        return Session(self.keys, joined=self.joined, payload_state=self.payload_state)

    def last(self, *, uplink: bool, fport: int | None) -> int | None:
        """The counter last heard that a message with this direction and port goes on from."""
        if uplink:
            return self.fcnt_up
        return self.a_fcnt_down if self.counts_apart(fport) else self.fcnt_down

    def counts_apart(self, fport: int | None) -> bool:
        """Whether a downlink counts with AFCntDown (LoRaWAN L2 1.1, 4.3.1.5)."""
        return self.keys.version != "1.0" and bool(fport)

    def heard(
        self, *, uplink: bool, fport: int | None, fcnt: int, confirmed: bool, mic: bytes, at: datetime | None = None
    ) -> Session:
        """Go on after a message."""
        session = replace(self, heard_at=at, earlier=False)
        if uplink:
            return replace(session, fcnt_up=fcnt, last_up=mic, confirmed_up=fcnt if confirmed else self.confirmed_up)
        confirmed_down = fcnt if confirmed else self.confirmed_down
        if self.counts_apart(fport):
            return replace(session, a_fcnt_down=fcnt, confirmed_down=confirmed_down)
        return replace(session, fcnt_down=fcnt, confirmed_down=confirmed_down)


@dataclass(frozen=True, slots=True)
class PendingJoin:
    """A join or rejoin request that waits for its accept: whose, its nonce or RJcount, and the keys of the device.

    One that was answered waits on, for the same accept heard again.
    """

    dev_eui: str
    join_eui: str | None
    dev_nonce: int
    roots: RootKeys
    request_type: int = JOIN_REQUEST_TYPE
    at: datetime | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """What was heard of a device beside its sessions: DevNonces oldest first, DevAddrs newest first, JoinEUI.

    `payload_state` is what its payloads so far mean for the next one. `earlier` says that the nonces were heard by an
    earlier run of the program.
    """

    dev_eui: str
    dev_nonces: tuple[int, ...] = ()
    dev_addrs: tuple[str, ...] = ()
    join_eui: str | None = None
    last_request_at: datetime | None = None
    payload_state: PayloadState = NO_STATE
    earlier: bool = False

    def as_of(self, at: datetime | None) -> Device:
        """The device as a request of that time finds it, as `Session.as_of`."""
        if not self.earlier or _is_later(at, self.last_request_at):
            return self
        return replace(self, dev_nonces=(), last_request_at=None, earlier=False)

    def asked(self, dev_nonce: int, join_eui: str, at: datetime | None) -> Device:
        """Go on after a join request."""
        nonces = self.dev_nonces
        if dev_nonce not in nonces:
            nonces = (*nonces, dev_nonce)[-MAX_NONCES:]
        return replace(self, dev_nonces=nonces, join_eui=join_eui, last_request_at=at, earlier=False)


def _is_later(at: datetime | None, than: datetime | None) -> bool:
    return at is not None and than is not None and at > than


def _bucket(key: str) -> int:
    # Not hash(): tables go from process to process, and each has a hash of its own.
    return crc32(key.encode()) % _BUCKETS


@dataclass(frozen=True, slots=True)
class _Table(Generic[_V]):
    """A mapping that is never changed: a changed copy shares all but one of its buckets."""

    buckets: tuple[Mapping[str, _V], ...] = ({},) * _BUCKETS

    def get(self, key: str) -> _V | None:
        return self.buckets[_bucket(key)].get(key)

    def put(self, key: str, value: _V) -> _Table[_V]:
        at = _bucket(key)
        return _Table((*self.buckets[:at], {**self.buckets[at], key: value}, *self.buckets[at + 1 :]))

    def __iter__(self) -> Iterator[_V]:
        for bucket in self.buckets:
            yield from bucket.values()


@dataclass(frozen=True, slots=True)
class Sessions:
    """All sessions and devices that were heard, and the joins under way; a value: changes come back as a new one."""

    _by_addr: _Table[tuple[Session, ...]] = field(default_factory=_Table, repr=False)
    _devices: _Table[Device] = field(default_factory=_Table, repr=False)
    pending: tuple[PendingJoin, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, sessions: Iterable[Session], devices: Iterable[Device] = ()) -> Sessions:
        """Take up sessions and devices that were kept before."""
        table = cls()
        for device in devices:
            table = table.with_device(device)
        for session in sessions:
            table = table.with_session(session)
        return table

    def at(self, dev_addr: str) -> tuple[Session, ...]:
        """The sessions that have an address, newest first."""
        return self._by_addr.get(dev_addr) or ()

    def device(self, dev_eui: str) -> Device:
        """What was heard of a device."""
        return self._devices.get(dev_eui) or Device(dev_eui)

    def of_device(self, dev_eui: str) -> tuple[Session, ...]:
        """The sessions of a device that joined, newest first."""
        return tuple(
            session
            for dev_addr in self.device(dev_eui).dev_addrs
            for session in self.at(dev_addr)
            if session.keys.dev_eui == dev_eui
        )

    @property
    def sessions(self) -> Iterator[Session]:
        """All sessions, for whoever keeps them."""
        for sessions in self._by_addr:
            yield from sessions

    @property
    def devices(self) -> Iterator[Device]:
        """All devices, for whoever keeps them."""
        return iter(self._devices)

    def with_session(self, session: Session) -> Sessions:
        """Put a session in the place of the one with the same keys, or before the others of its address."""
        dev_addr = session.keys.dev_addr
        others = self.at(dev_addr)
        if any(other.keys == session.keys for other in others):
            sessions = tuple(session if other.keys == session.keys else other for other in others)
        else:
            sessions = (session, *others)
        return Sessions(self._by_addr.put(dev_addr, sessions), self._devices, self.pending)

    def with_device(self, device: Device) -> Sessions:
        """Put what was heard of a device in its place."""
        return Sessions(self._by_addr, self._devices.put(device.dev_eui, device), self.pending)

    def with_request(self, join: PendingJoin) -> Sessions:
        """Wait for the accept of a request; it takes the place of an earlier one of the device."""
        others = tuple(other for other in self.pending if other.dev_eui != join.dev_eui)
        return Sessions(self._by_addr, self._devices, (join, *others)[:MAX_PENDING])

    def with_answer(self, join: PendingJoin) -> Sessions:
        """Remember that the accept of a request was heard."""
        pending = tuple(replace(other, answered=True) if other == join else other for other in self.pending)
        return Sessions(self._by_addr, self._devices, pending)

    def with_join(self, session: Session) -> Sessions:
        """Take up the session of a join accept; the same accept heard again changes nothing."""
        keys = session.keys
        if any(other.keys == keys for other in self.at(keys.dev_addr)):
            return self
        device = self.device(keys.dev_eui)
        old = tuple(addr for addr in device.dev_addrs if addr != keys.dev_addr)
        kept = old[: SESSIONS_A_DEVICE - 1]
        table = self.with_session(session).with_device(replace(device, dev_addrs=(keys.dev_addr, *kept)))
        for addr in old[SESSIONS_A_DEVICE - 1 :]:
            table = table._without(addr, keys.dev_eui)
        return table

    def in_use(self, session: Session) -> Sessions:
        """Drop the earlier sessions of a device whose new one was heard in use."""
        keys = session.keys
        device = self.device(keys.dev_eui)
        if device.dev_addrs[:1] != (keys.dev_addr,):
            return self
        table = self
        for addr in device.dev_addrs[1:]:
            table = table._without(addr, keys.dev_eui)
        same = tuple(s for s in table.at(keys.dev_addr) if s.keys.dev_eui != keys.dev_eui or s.keys == keys)
        table = Sessions(table._by_addr.put(keys.dev_addr, same), table._devices, table.pending)
        return table.with_device(replace(device, dev_addrs=(keys.dev_addr,)))

    def _without(self, dev_addr: str, dev_eui: str) -> Sessions:
        kept = tuple(session for session in self.at(dev_addr) if session.keys.dev_eui != dev_eui)
        return Sessions(self._by_addr.put(dev_addr, kept), self._devices, self.pending)
