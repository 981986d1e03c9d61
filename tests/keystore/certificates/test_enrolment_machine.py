"""Any order of steps, honest and not: no path leads to a level without a valid certificate.

The model knows what the real desk issued and to whom; it does not look into certificates. The clock that the program
sees may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from keystore.certificates import enrolment
from keystore.certificates.clock import judge_clock
from keystore.certificates.errors import CertificateRejected
from keystore.certificates.levels import Capability, level_table
from keystore.certificates.revocation import read_list
from keystore.certificates.standing import standing_of
from keystore.certificates.token import Token
from keystore.certificates.wallet import PendingRequest, Wallet, decode_wallet, encode_wallet
from simulators.certificate_desk.desk import CertificateDesk
from simulators.certificate_desk.issuing import Authority, issue_certificate
from tests.keystore.certificates.desks import DAY, START, bytes_of, grant_of, make_desk, trusting

LEVELS = st.sampled_from(["installer", "commissioner", "service", "test", "service+test"])
TAGS = st.sampled_from([f"tag {number}" for number in range(12)])


@dataclass
class Issued:
    """What the model knows of one certificate that the real desk made for a request of this store."""

    ordered: Capability
    not_before: datetime
    not_after: datetime
    tag: str
    imported: bool = False
    revoked: bool = False
    """On a list that this store has taken in."""


@dataclass
class Model:
    issued: dict[int, Issued] = field(default_factory=dict)
    list_number: int = 0
    list_due: datetime | None = None
    latest_seen: datetime = START


class Enrolment(RuleBasedStateMachine):
    tokens = Bundle("tokens")
    requests = Bundle("requests")
    answers = Bundle("answers")
    lists = Bundle("lists")

    def __init__(self) -> None:
        super().__init__()
        self.desk: CertificateDesk = make_desk()
        self.impostor: CertificateDesk = make_desk(2)
        self.wallet: Wallet = trusting(self.desk)
        self.model = Model()
        self.true_time = START
        self.offset = timedelta(0)
        self.random = Random(5)

    @property
    def now(self) -> datetime:
        """What the computer's clock says."""
        return self.true_time + self.offset

    def attempt(self, step: Callable[[], Wallet]) -> bool:
        try:
            after = step()
        except CertificateRejected:
            return False
        self.wallet = decode_wallet(encode_wallet(after))
        return True

    @initialize(target=answers, level=LEVELS)
    def begin(self, level: str) -> object:
        """Most runs begin with a certificate in use: what can go wrong then is the question."""
        return self.enrol(level, "tag 0", activate=True)

    @rule(target=answers, level=LEVELS, tag=TAGS, activate=st.booleans())
    def enrol(self, level: str, tag: str, activate: bool) -> object:
        """All steps in a row, as most people do it."""
        pending = self.request(self.order(level), tag)
        if not isinstance(pending, PendingRequest):
            return multiple()
        answer = self.answer(pending)
        if isinstance(answer, bytes):
            self.import_it(answer, activate)
            return answer
        return multiple()

    @rule(target=tokens, level=LEVELS)
    def order(self, level: str) -> Token:
        _, (token,) = self.desk.order(grant_of(level), 1, self.true_time)
        return token

    @rule(target=requests, token=tokens, tag=TAGS)
    def request(self, token: Token, tag: str) -> object:
        made: list[PendingRequest] = []

        def step() -> Wallet:
            wallet, pending = enrolment.make_request(self.wallet, token, tag, self.now)
            made.append(pending)
            return wallet

        return made[0] if self.attempt(step) else multiple()

    @rule(target=answers, pending=requests)
    def answer(self, pending: PendingRequest) -> object:
        try:
            signed = self.desk.answer(pending.request, self.true_time)
        except CertificateRejected:
            return multiple()
        certificate = signed.certificate
        self.model.issued[certificate.serial] = Issued(
            pending.token.capabilities, certificate.not_before, certificate.not_after, pending.tag
        )
        return bytes_of(signed)

    @rule(level=LEVELS, tag=TAGS)
    def answered_by_an_impostor(self, level: str, tag: str) -> None:
        """A desk of the same names, which sends its issuer and its anchor along, or claims to be the real issuer."""
        pending = self.request(self.order(level), tag)
        if isinstance(pending, PendingRequest):
            key, grant = pending.key.open().public_key(), grant_of(level)
            real, false = self.desk.issuer.certificate, self.impostor.issuer
            claimed = Authority(real, false.key)
            for issuer, issuers in (
                (false, false.certificate.data + self.impostor.anchor.certificate.data),
                (claimed, real.data),
            ):
                made = issue_certificate(key, "x", grant, self.true_time, 80 * DAY, issuer, self.random.randbytes)
                self.import_it(made.data + issuers, activate=True)

    @rule(tag=TAGS)
    def answered_above_the_order(self, tag: str) -> None:
        """The desk itself signs more than was ordered."""
        pending = self.request(self.order("installer"), tag)
        if isinstance(pending, PendingRequest):
            key, grant, issuer = pending.key.open().public_key(), grant_of("service"), self.desk.issuer
            made = issue_certificate(key, "x", grant, self.true_time, 80 * DAY, issuer, self.random.randbytes)
            self.import_it(made.data + issuer.certificate.data, activate=True)

    @rule(answer=answers, place=st.integers(0, 400), value=st.integers(1, 255))
    def altered_on_the_way(self, answer: bytes, place: int, value: int) -> None:
        self.import_it(answer[:place] + bytes((answer[place] ^ value,)) + answer[place + 1 :], activate=True)

    @rule(answer=answers, activate=st.booleans())
    def import_it(self, answer: bytes, activate: bool) -> None:
        serials: list[int] = []

        def step() -> Wallet:
            plan = enrolment.plan_import(self.wallet, answer, self.now)
            serials.append(plan.chain.leaf.serial)
            return enrolment.apply_import(self.wallet, plan, activate=activate)

        if self.attempt(step):
            assert serials[0] in self.model.issued, "only what the desk issued to this store is imported"
            assert not self.model.issued[serials[0]].revoked
            self.model.issued[serials[0]].imported = True

    @rule(tag=TAGS)
    def use(self, tag: str) -> None:
        self.attempt(lambda: enrolment.use(self.wallet, tag, self.now))

    @rule()
    def use_none(self) -> None:
        assert self.attempt(lambda: enrolment.use(self.wallet, "consumer", self.now))

    @rule(tag=TAGS)
    def remove(self, tag: str) -> None:
        held = {one.certificate.serial for one in self.wallet.credentials if one.tag == tag}
        if self.attempt(lambda: enrolment.remove(self.wallet, tag)):
            left = {one.certificate.serial for one in self.wallet.credentials}
            for serial in held - left:
                self.model.issued[serial].imported = False

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        if self.model.issued:
            serial = data.draw(st.sampled_from(sorted(self.model.issued)))
            self.desk.revoke(f"{serial:016x}", self.true_time)
            if data.draw(st.booleans()):
                self.take_list(self.publish())

    @rule(target=lists)
    def publish(self) -> bytes:
        return self.desk.revocation_list(self.true_time)

    @rule(data=lists)
    def take_list(self, data: bytes) -> None:
        before = self.wallet.lists
        if self.attempt(lambda: enrolment.import_list(self.wallet, data, self.now)[0]) and self.wallet.lists != before:
            taken = read_list(data)
            assert taken.number > self.model.list_number, "lists never go back"
            self.model.list_number, self.model.list_due = taken.number, taken.next_update
            for serial, issued in self.model.issued.items():
                issued.revoked = serial in taken.serials

    @rule(days=st.sampled_from([1, 20, 40, 80, 80, 200]))
    def time_passes(self, days: int) -> None:
        """The program is used once a day or so, with the right clock."""
        self.true_time += days * DAY
        self.offset = timedelta(0)
        self.the_program_is_used()

    @rule()
    def no_list_comes_for_long(self) -> None:
        self.take_list(self.publish())
        self.time_passes(50)

    @rule(days=st.sampled_from([-1000, -30, -2, 0, 2, 30, 1000]))
    def the_clock_is_set(self, days: int) -> None:
        self.offset = days * DAY

    @rule()
    def the_program_is_used(self) -> None:
        """Every use looks at the clock, and remembers it when it can be trusted."""
        if judge_clock(self.wallet.latest_seen, self.now).is_trusted:
            self.wallet = self.wallet.seen(self.now)
            self.model.latest_seen = max(self.model.latest_seen, self.now)

    @rule()
    def the_clock_is_confirmed(self) -> None:
        self.wallet = enrolment.confirm_clock(self.wallet, self.now)
        self.model.latest_seen = max(self.model.latest_seen, self.now)

    @rule()
    def the_clock_is_corrected(self) -> None:
        self.wallet = enrolment.correct_clock(self.wallet, self.now)
        assert self.wallet.latest_seen is not None
        assert self.wallet.latest_seen >= self.now
        self.model.latest_seen = self.wallet.latest_seen

    @rule()
    def somebody_else_is_trusted_no_longer(self) -> None:
        """Without its anchor nothing holds; it is put back, and nothing else has changed."""
        bare = replace(self.wallet, anchors=())
        assert standing_of(bare, self.now).title == "Consumer"

    @invariant()
    def the_level_is_no_higher_than_a_valid_certificate(self) -> None:
        standing = standing_of(self.wallet, self.now)
        assert standing.why_not(level_table().actions["read-out"], None, None, "") == "", "reading is never locked out"
        higher = standing.grant.capabilities & ~Capability.READ
        if not higher:
            return
        credential = standing.credential
        assert credential is not None
        issued = self.model.issued[credential.certificate.serial]
        assert issued.imported
        assert not issued.revoked
        assert not higher & ~issued.ordered
        assert issued.not_before <= self.now <= issued.not_after
        assert self.now >= self.model.latest_seen - level_table().policy.clock_back
        assert self.now <= self.model.latest_seen + level_table().policy.clock_ahead
        if self.model.list_due is not None and self.now > self.model.list_due + level_table().policy.revocation_grace:
            assert not higher & ~grant_of("installer").capabilities

    @invariant()
    def what_should_hold_does(self) -> None:
        """The other direction: a good certificate in use is not refused for nothing."""
        credential = self.wallet.active_credential
        if credential is None:
            return
        issued = self.model.issued[credential.certificate.serial]
        assert issued.imported
        latest = self.model.latest_seen
        in_time = latest - timedelta(hours=24) <= self.now <= latest + 90 * DAY
        overdue = self.model.list_due is not None and self.now > self.model.list_due
        if in_time and not overdue and not issued.revoked and issued.not_before <= self.now <= issued.not_after:
            assert standing_of(self.wallet, self.now).grant.capabilities == issued.ordered | Capability.READ

    @invariant()
    def every_key_belongs_to_its_certificate(self) -> None:
        for credential in self.wallet.credentials:
            assert credential.key.is_key_of(credential.certificate.public_key)


TestEnrolment = Enrolment.TestCase
TestEnrolment.settings = settings(max_examples=100, stateful_step_count=30)
