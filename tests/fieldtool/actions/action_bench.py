"""A vault, a desk, a meter with its lock, and a link between them in this process: for tests of actions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from fieldtool.actions.errors import LinkLost, LinkSilent
from fieldtool.actions.links import MeterChoice
from fieldtool.actions.plan import ActionOutcome
from fieldtool.actions.service import ActionService
from keystore.audit import AuditAction
from keystore.certificates import enrolment
from keystore.certificates.certificate_store import CertificateStore
from keystore.certificates.grant import Grant, Scope
from keystore.certificates.levels import level_named
from keystore.certificates.wallet import Wallet
from keystore.model import KeyRecord, KeyStatus, Provenance
from keystore.vault import KdfParameters, Vault, VaultSettings
from protocols.actions.event_log import EventKind
from protocols.actions.fragments import MOST_FRAGMENTS, RADIO_PAYLOAD
from protocols.actions.parameters import Argument
from protocols.mbus.wired import RSP_UD, LongFrame
from simulators.air import Air
from simulators.certificate_desk.desk import CertificateDesk
from simulators.field_meter.lock import CableCut, MeterLock
from simulators.field_meter.meter import FieldMeter, factory_state, make_meter
from simulators.field_meter.shared_lock import SharedLock
from simulators.field_meter.state import MeterState
from simulators.scenario import Faults, Scenario
from tests.keystore.certificates.desks import ORGANISATION, START, bytes_of, make_desk, trusting

PASSPHRASE = "four words and a number 4"


@dataclass
class Clock:
    """What both sides take for the time; each can be put wrong on its own."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


@dataclass
class RunningClock(Clock):
    """A time that passes as it really does, from the moment on when the desk was set up."""

    began_s: float = field(default_factory=time.monotonic)

    def __call__(self) -> datetime:
        return self.now + timedelta(seconds=time.monotonic() - self.began_s)


class LockLink:
    """A field link without a line: messages go straight to the lock; faults of the line on demand."""

    def __init__(self, lock: MeterLock, clock: Clock) -> None:
        self.lock = lock
        self.clock = clock
        self.longest_message = MOST_FRAGMENTS * RADIO_PAYLOAD
        self.unplugged = False
        self.lost_questions = 0
        self.lost_answers = 0
        self.heard: list[bytes] = []
        self.tamper: Callable[[bytes], bytes] = lambda message: message
        self.before: Callable[[bytes], None] = lambda _: None

    def exchange(self, message: bytes) -> bytes:
        self.before(message)
        self._plugged()
        self.heard.append(message)
        if self.lost_questions:
            self.lost_questions -= 1
            raise LinkSilent("the meter does not answer")
        try:
            answer = self.lock.receive(self.tamper(message), self.clock())
        except CableCut as error:
            self.unplugged = True
            raise LinkLost("the cable was pulled") from error
        if self.lost_answers:
            self.lost_answers -= 1
            raise LinkSilent("the meter does not answer")
        return answer

    def read_out(self) -> list[bytes]:
        self._plugged()
        return [LongFrame(RSP_UD, 0, part[0], part[1:]).to_bytes() for part in self.lock.read_out(self.clock())]

    def cancel(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""

    def _plugged(self) -> None:
        if self.unplugged:
            raise LinkLost("the connection was lost")


@dataclass
class Bench:
    """Everything around one meter."""

    vault: Vault
    lock: MeterLock
    clock: Clock
    link: LockLink
    desk: CertificateDesk
    random: Random = field(default_factory=lambda: Random(7))

    @property
    def service(self) -> ActionService:
        return ActionService(self.vault, self.link, self.clock, self.random.randbytes)

    @property
    def choice(self) -> MeterChoice:
        return MeterChoice(self.meter.address.number)

    @property
    def meter(self) -> FieldMeter:
        return self.lock.meter

    @property
    def wallet(self) -> Wallet:
        return CertificateStore(self.vault.documents).load()

    def change_wallet(self, step: Callable[[Wallet], Wallet]) -> None:
        CertificateStore(self.vault.documents).change(lambda wallet: (step(wallet), None, ()))

    def enrol(self, level: str, scope: Scope | None = None) -> str:
        """Order, request, sign and import a certificate; it is the one in use then. Returns its tag."""
        capabilities = level_named(level)
        assert capabilities is not None
        grant = Grant(capabilities, scope or Scope(ORGANISATION))
        tag = f"{level} {len(self.wallet.credentials)}"
        _, (token,) = self.desk.order(grant, 1, self.clock())

        def step(wallet: Wallet) -> Wallet:
            wallet, pending = enrolment.make_request(wallet, token, tag, self.clock())
            plan = enrolment.plan_import(
                wallet, bytes_of(self.desk.answer(pending.request, self.clock())), self.clock()
            )
            return enrolment.apply_import(wallet, plan)

        self.change_wallet(step)
        return tag

    def do(self, action: str, **arguments: Argument) -> ActionOutcome:
        """Plan and execute."""
        return self.service.execute(self.service.plan(action, self.choice, arguments))

    def change_key(self, new_key: bytes | None = None) -> ActionOutcome:
        return self.service.execute(self.service.plan("change-key", self.choice, {}, new_key))

    @property
    def keys(self) -> dict[bytes, KeyStatus]:
        return {record.value: record.status for record in self.vault.find(self.meter.address.number)}

    @property
    def log(self) -> list[dict[str, str]]:
        """What the audit log says of actions."""
        return [dict(one.detail) for one in self.vault.audit.entries() if one.action == AuditAction.METER_ACTION]

    @property
    def became(self) -> list[str]:
        return [one["became"] for one in self.log]

    @property
    def fates(self) -> list[EventKind]:
        """What the meter's own log says, the newest first."""
        return [event.kind for event in self.lock.state.events]


def make_vault(path: Path, clock: Clock) -> Vault:
    settings = VaultSettings(actor="anna", now=clock)
    return Vault.create(path, PASSPHRASE, KdfParameters(64, 1, 1), settings=settings)


def bench_around(vault: Vault, clock: Clock, desk: CertificateDesk) -> Bench:
    """A new meter that trusts the desk, and a vault as it is."""
    meter = make_meter(now=clock())
    state = replace(factory_state(meter, clock()), clock_offset_s=0, latest_seen=int(clock().timestamp()))
    lock = MeterLock(meter, state, [desk.anchor.certificate], Random(3).randbytes)
    return Bench(vault, lock, clock, LockLink(lock, clock), desk)


def make_bench(vault: Vault, clock: Clock, desk: CertificateDesk | None = None, *, with_key: bool = True) -> Bench:
    """A vault that trusts the desk and has the meter's key, and a meter that trusts it too."""
    desk = desk or make_desk()
    bench = bench_around(vault, clock, desk)
    meter, state = bench.meter, bench.lock.state
    bench.change_wallet(lambda _: trusting(desk, clock()))
    if with_key and state.key is not None:
        record = KeyRecord(
            number=meter.address.number, manufacturer="SIM", value=state.key, source=Provenance("test", "meters.csv")
        )
        vault.put([record])
    return bench


@contextmanager
def open_bench(path: Path, clock: Clock | None = None, *, with_key: bool = True) -> Iterator[Bench]:
    """A new vault at that path, and a meter that trusts the same desk; the vault is closed afterwards."""
    clock = clock or Clock()
    with make_vault(path, clock) as vault:
        yield make_bench(vault, clock, with_key=with_key)


def sending(bench: Bench, *, installed: bool = True) -> MeterState:
    """The meter's state with its radio on."""
    return replace(bench.lock.state, radio_on=True, transport_mode=False, installed=installed)


def share_lock(bench: Bench, interval_s: int) -> SharedLock:
    """Give the bench's meter, which sends then, a lock that threads may share."""
    state = replace(sending(bench), radio_interval_s=interval_s)
    bench.lock = lock = SharedLock(bench.meter, state, bench.lock.anchors, Random(3).randbytes)
    return lock


def one_meter_air(starts: datetime, *, seed: int = 1, faults: Faults | None = None) -> Air:
    """An air on which nobody sends yet."""
    return Air(Scenario("one meter", "test", seed, starts, faults or Faults(), ()), starts)
