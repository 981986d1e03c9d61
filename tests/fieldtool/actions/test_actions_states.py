"""Any order of actions, levels, faults and frauds: the meter obeys nobody without a valid certificate, no key is lost.

The model knows what the real desk issued and which lists it published; it does not look into certificates. What the
meter did is read from the meter's own state and log. Tool and meter have clocks of their own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fieldtool.actions.action_log import ActionLog
from fieldtool.actions.session import Evidence
from fieldtool.errors import FieldToolError
from keystore.certificates import enrolment
from keystore.certificates.errors import CertificateRejected, NotPermitted
from keystore.certificates.levels import Capability, level_named, level_table
from keystore.certificates.wallet import Credential
from keystore.errors import KeystoreError
from keystore.key_change import KeyChange
from keystore.vault import Vault, VaultSettings
from protocols.actions.event_log import EventKind
from protocols.actions.parameters import Argument
from protocols.actions.table import FORMS
from simulators.certificate_desk.desk import CertificateDesk
from simulators.field_meter.state import MeterState
from tests.fieldtool.actions.action_bench import PASSPHRASE, Bench, Clock, bench_around, make_bench, make_vault
from tests.keystore.certificates.desks import DAY, START, make_desk

PROOF = 3
LEVELS = st.sampled_from(["installer", "commissioner", "service", "service", "test", "service+test"])
ACTIONS = st.integers(0, 2**16).map(lambda number: sorted(FORMS)[Random(number).randrange(len(FORMS))])
"""Spread evenly: hypothesis likes the first ones of a list."""
STEPS = st.sampled_from([timedelta(seconds=20), timedelta(minutes=5), timedelta(hours=7), 20 * DAY, 60 * DAY])
OFFSETS = st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=-5), -4 * DAY, 30 * DAY, 200 * DAY])
FAULTS = st.sampled_from(["received", "applied", "question", "answer", "question", "answer"])


@dataclass
class Issued:
    """What the model knows of a certificate of the real desk."""

    capabilities: Capability
    not_before: datetime
    not_after: datetime


@dataclass
class Model:
    issued: dict[int, Issued] = field(default_factory=dict)
    revoked: frozenset[int] = frozenset()
    published: dict[bytes, frozenset[int]] = field(default_factory=dict)


class ToolClock(Clock):
    """The tool's clock: the true time and what it is wrong by."""

    def __init__(self, true: Clock) -> None:
        self.true = true
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return self.true() + self.offset


def hurry(vault: Vault) -> None:
    """Do not wait for the disk: no power fails here, and the store's own tests see to that."""
    vault._file.connection.execute("PRAGMA synchronous = OFF")


class Start:
    """Where every run starts: a store with a certificate of each level, its desk, and what the model knows of them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "start.vault"
        self.issued: dict[int, Issued] = {}
        clock = Clock(START)
        with make_vault(self.path, clock) as vault:
            hurry(vault)
            bench = make_bench(vault, clock, make_desk())
            for level in ("commissioner", "test", "service", "installer", "service+test"):
                bench.enrol(level)
                self.note(level, bench.wallet.credentials[-1])
            self.desk = bench.desk
        with make_vault(folder / "forged.vault", clock) as vault:
            false = make_bench(vault, clock, make_desk(2))
            false.enrol("service+test")
            self.forged = false.wallet.credentials[-1]

    def note(self, level: str, credential: Credential) -> None:
        capabilities = level_named(level)
        assert capabilities is not None
        certificate = credential.certificate
        self.issued[certificate.serial] = Issued(capabilities, certificate.not_before, certificate.not_after)

    def desk_again(self) -> CertificateDesk:
        return CertificateDesk(self.desk.anchor, self.desk.issuers, self.desk.books, Random(9).randbytes)


class ActionSessions(RuleBasedStateMachine):
    start: ClassVar[Start]
    granted: ClassVar[Counter[str]] = Counter()
    """Over all runs: a machine in which nothing is ever granted would prove nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.true = Clock(START)
        self.tool = ToolClock(self.true)
        self.model = Model(dict(self.start.issued))
        self.path = Path(self.folder.name) / "keys.vault"
        shutil.copy(self.start.path, self.path)
        self.bench: Bench = bench_around(self.opened(), self.tool, self.start.desk_again())
        self.bench.link.clock = self.true
        self.count = 0
        self.proofs: dict[bytes, tuple[str, Credential]] = {}
        """Every proof that was sent, and what it was for."""
        self.used: set[bytes] = set()

    def opened(self) -> Vault:
        vault = Vault.open(self.path, settings=VaultSettings(actor="anna", now=self.tool))
        vault.unlock(PASSPHRASE)
        hurry(vault)
        return vault

    def teardown(self) -> None:
        self.bench.vault.close()
        self.folder.cleanup()

    @property
    def state(self) -> MeterState:
        return self.bench.lock.state

    @property
    def open_change(self) -> KeyChange | None:
        return self.bench.vault.key_changes.pending_for(self.bench.meter.address)

    @rule(level=LEVELS)
    def enrol(self, level: str) -> None:
        with suppress(CertificateRejected):
            self.bench.enrol(level)
            capabilities = level_named(level)
            assert capabilities is not None
            certificate = self.bench.wallet.credentials[-1].certificate
            self.model.issued[certificate.serial] = Issued(capabilities, certificate.not_before, certificate.not_after)

    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        names = ["consumer", *(one.name for one in self.bench.wallet.credentials)]
        name = data.draw(st.sampled_from(names))
        with suppress(CertificateRejected):
            self.bench.change_wallet(lambda wallet: enrolment.use(wallet, name, self.tool()))

    @rule(step=STEPS)
    def time_passes(self, step: timedelta) -> None:
        self.true.pass_by(step)

    @rule(offset=OFFSETS)
    def the_tools_clock_is_set(self, offset: timedelta) -> None:
        self.tool.offset = offset

    @precondition(lambda self: self.model.issued)
    @rule(data=st.data(), told=st.sampled_from(["nobody", "the tool", "the meter"]))
    def revoke(self, data: st.DataObject, told: str) -> None:
        serial = data.draw(st.sampled_from(sorted(self.model.issued)))
        desk = self.bench.desk
        desk.revoke(f"{serial:016x}", self.true())
        self.model.revoked |= {serial}
        revocations = desk.revocation_list(self.true())
        self.model.published[revocations] = self.model.revoked
        if told == "the tool":
            with suppress(CertificateRejected):
                self.bench.change_wallet(lambda w: enrolment.import_list(w, revocations, self.tool())[0])
        elif told == "the meter":
            self.bench.lock.take_lists([revocations], [desk.issuer.certificate], self.true())

    @rule(action=ACTIONS)
    def act(self, action: str) -> None:
        """As people do it: plan, check, execute."""
        active = self.bench.wallet.active_credential
        self.attempt(action, active, lambda: self.bench.do(action, **self.arguments(action)), honest=True)

    @rule(fault=FAULTS, action=ACTIONS, late=st.booleans())
    def act_while_something_breaks(self, fault: str, action: str, late: bool) -> None:
        """The cable is pulled, or a message lost, in the very moment of the proof; it may arrive late, or again."""

        def break_it(message: bytes) -> None:
            if message[0] != PROOF:
                return
            if fault in ("received", "applied"):
                self.bench.lock.faults.cut_after = fault
            elif fault != "none":
                setattr(self.bench.link, f"lost_{fault}s", 1)

        self.bench.link.before = break_it
        self.act(action)
        self.bench.link.before = lambda _: None
        self.bench.lock.faults.cut_after = ""
        if late and self.proofs:
            self.deliver(list(self.proofs)[-1])

    @rule(fault=FAULTS | st.just("none"), late=st.booleans())
    def change_the_key(self, fault: str, late: bool) -> None:
        self.bench.link.unplugged = False
        self.act_while_something_breaks(fault, "change-key", late)

    @rule(action=ACTIONS, index=st.integers(0, 2**16))
    def act_with_another_certificate(self, action: str, index: int) -> None:
        credentials = self.bench.wallet.credentials
        name = credentials[Random(index).randrange(len(credentials))].name
        with suppress(CertificateRejected):
            self.bench.change_wallet(lambda wallet: enrolment.use(wallet, name, self.tool()))
        self.bench.link.unplugged = False
        self.act(action)

    @precondition(lambda self: self.bench.link.unplugged)
    @rule()
    def plug_in_again(self) -> None:
        self.bench.link.unplugged = False

    @rule(action=ACTIONS, index=st.integers(0, 2**16))
    def act_with_a_patched_tool(self, action: str, index: int) -> None:
        """The tool's own check is taken out; any certificate of the store is used, the lists are kept back."""
        credentials = self.bench.wallet.credentials
        self.unchecked(action, credentials[Random(index).randrange(len(credentials))])

    @rule(action=ACTIONS)
    def act_with_a_forged_certificate(self, action: str) -> None:
        self.unchecked(action, self.start.forged)

    @rule(index=st.integers(0, 2**16))
    def replay(self, index: int) -> None:
        """Somebody who listened sends a proof again, or for the first time when it was lost."""
        proofs = list(self.proofs)
        if proofs:
            self.deliver(proofs[Random(index).randrange(len(proofs))])

    @rule()
    def power_fails_in_the_meter(self) -> None:
        self.bench.lock.power_cycle()

    @rule()
    def the_program_is_started_again(self) -> None:
        self.bench.vault.close()
        self.bench.vault = self.opened()

    @rule()
    def recover(self) -> None:
        try:
            self.bench.service.recover(self.bench.choice)
        except FieldToolError:
            assert (
                self.bench.link.unplugged
                or self.bench.link.lost_questions
                or self.bench.link.lost_answers
                or (self.state.locked_until > self.true().timestamp())
            )
        else:
            assert self.open_change is None
            assert self.bench.vault.keys_for(self.bench.meter.address)[0].value == self.state.key

    @invariant()
    def the_keys_agree_or_the_journal_says_so(self) -> None:
        keys = [key.value for key in self.bench.vault.keys_for(self.bench.meter.address)]
        change = self.open_change
        if change is None:
            assert keys[0] == self.state.key
        else:
            assert self.state.key in (change.old_key, change.new_key)
            assert {change.old_key, change.new_key} <= set(keys)

    def attempt(self, action: str, credential: Credential | None, do: Callable[[], object], *, honest: bool) -> None:
        """Do something, and hold what the meter did against what the model knows."""
        before, heard = self.state, len(self.bench.link.heard)
        try:
            do()
        except NotPermitted:
            assert not any(one[0] == PROOF for one in self.bench.link.heard[heard:])
        except (FieldToolError, KeystoreError):
            pass
        grants = self.new_grants(before.events)
        if self.settings_of(self.state) != self.settings_of(before):
            assert grants, "the meter changed without a grant"
        proofs = [one for one in self.bench.link.heard[heard:] if one[0] == PROOF]
        if credential is not None:
            self.proofs |= dict.fromkeys(proofs, (action, credential))
        if grants:
            assert credential is not None
            assert self.is_allowed(credential, action, before), "the meter obeyed"
            self.granted[action] += 1
            self.used |= set(proofs)
        if honest and proofs:
            assert self.bench.became[-1] != "begun", "an attempt without an end"

    def deliver(self, proof: bytes) -> None:
        """Bring a recorded proof to the meter: it may be good for once, if it never was."""
        before = self.state
        self.bench.lock.receive(proof, self.true())
        if self.new_grants(before.events):
            action, credential = self.proofs[proof]
            assert proof not in self.used, "a proof was good twice"
            assert self.is_allowed(credential, action, before), "the meter obeyed"
            self.used.add(proof)

    def unchecked(self, action: str, credential: Credential) -> None:
        def do() -> None:
            service = self.bench.service
            plan = service.plan(action, self.bench.choice, self.arguments(action))
            evidence = Evidence(credential, tuple(one.data for one in credential.issuers))
            service._perform(plan, evidence, ActionLog(self.bench.vault, action, plan.meter, plan.standing))

        self.attempt(action, credential, do, honest=False)

    def is_allowed(self, credential: Credential, action: str, before: MeterState) -> bool:
        """Whether the model knows a certificate that allows it, by the meter's clock and the lists that it holds."""
        serial = credential.certificate.serial
        issued = self.model.issued.get(serial)
        if issued is None or level_table().actions[action].needs not in issued.capabilities:
            return False
        seen = max(before.latest_seen, int(before.meter_clock(self.true()).timestamp()))
        held = [self.model.published[one] for one in self.state.lists]
        return issued.not_before <= datetime.fromtimestamp(seen, UTC) <= issued.not_after and not any(
            serial in revoked for revoked in held
        )

    def new_grants(self, before: tuple[object, ...]) -> list[object]:
        new = self.state.events[: len(self.state.events) - len(before)] if len(self.state.events) < 64 else ()
        if len(self.state.events) >= 64:
            last = before[0] if before else None
            new = tuple(self.state.events[: self.state.events.index(last)] if last in self.state.events else ())
        return [event for event in new if event.kind is EventKind.GRANTED]

    def arguments(self, action: str) -> dict[str, Argument]:
        """Other values each time, so that whatever is written shows."""
        self.count += 1
        number = self.count
        given: dict[str, dict[str, Argument]] = {
            "customer-number": {"number": f"C{number}"},
            "primary-address": {"address": number % 250 + 1},
            "pulse-value": {"litres": number % 10_000 + 1},
            "due-date": {"date": date(2027, number % 12 + 1, 1)},
            "radio-interval": {"seconds": number + 100},
            "radio-profile": {"profile": ("drive-by", "fixed-network", "walk-by")[number % 3]},
            "test-mode": {"minutes": number % 15 + 1},
        }
        return given.get(action, {})

    @staticmethod
    def settings_of(state: MeterState) -> MeterState:
        """What only a command may change; a test mode ends by itself."""
        return replace(state, latest_seen=0, failures=0, locked_until=0, lists=(), events=(), test_byte=0, test_until=0)


def test_no_order_of_events_lets_an_action_through_or_loses_a_key(tmp_path: Path) -> None:
    ActionSessions.granted.clear()
    ActionSessions.start = Start(tmp_path)
    run_state_machine_as_test(
        ActionSessions,
        settings=settings(
            max_examples=32, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert sum(ActionSessions.granted.values()) > 20
    assert ActionSessions.granted["change-key"]
