"""A technician with a real certificate and a simulated meter's lock, for tests of the field link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from keystore.certificates.grant import Grant, Scope
from keystore.certificates.levels import level_named
from keystore.certificates.request import build_request
from protocols.actions.commands import Command, build_command
from protocols.actions.messages import Challenge, Hello, Proof, Result, parse_message, signed_bytes
from protocols.actions.parameters import Argument
from protocols.mbus.records import parse_records
from protocols.model import Address, Record
from simulators.certificate_desk.desk import CertificateDesk
from simulators.certificate_desk.issuing import new_key
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.meter import factory_state, make_meter
from simulators.field_meter.state_file import StateFile
from tests.keystore.certificates.desks import ORGANISATION, START, make_desk

NOW = START + timedelta(hours=1)
LONG_HEADER = 13
"""CI field and the long transport header."""


@dataclass(frozen=True, slots=True)
class Technician:
    """A certificate with its key, and the issuer's certificate."""

    key: ec.EllipticCurvePrivateKey
    certificates: tuple[bytes, ...]
    serial: str

    def prove(
        self,
        challenge: Challenge,
        command: bytes,
        *,
        nonce: bytes = bytes(16),
        lists: Sequence[bytes] = (),
    ) -> Proof:
        signature = self.key.sign(signed_bytes(nonce, challenge, command), ec.ECDSA(SHA256()))
        return Proof(challenge.session_id, command, self.certificates, tuple(lists), signature)


def hire(
    desk: CertificateDesk,
    level: str,
    *,
    tag: str = "anna",
    seed: int = 7,
    at: datetime = START,
    scope: Scope | None = None,
) -> Technician:
    """Order, request and sign a certificate, all as it is done for people."""
    capabilities = level_named(level)
    assert capabilities is not None
    _, (token,) = desk.order(Grant(capabilities, scope or Scope(ORGANISATION)), 1, at)
    key = new_key(Random(f"{seed}/{level}/{tag}").randbytes)
    answer = desk.answer(build_request(key, ORGANISATION, tag, token.secret), at)
    return Technician(key, (answer.certificate.data, answer.issuer.data), answer.certificate.serial_text)


def make_lock(
    desk: CertificateDesk | None = None,
    *,
    number: str = "10002345",
    seed: int = 1,
    now: datetime = NOW,
    state_file: StateFile | None = None,
    family: str | None = None,
) -> MeterLock:
    meter = make_meter(number, now=now, seed=seed, family=family)
    anchors = [(desk or make_desk()).anchor.certificate]
    state = (state_file.load() if state_file is not None else None) or factory_state(meter, now)
    return MeterLock(meter, state, anchors, Random(f"lock {seed}").randbytes, state_file=state_file)


def greet(lock: MeterLock, now: datetime = NOW, nonce: bytes = bytes(16)) -> Challenge:
    answer = parse_message(lock.receive(Hello(nonce).to_bytes(), now))
    assert isinstance(answer, Challenge)
    return answer


def send(lock: MeterLock, proof: Proof, now: datetime = NOW) -> Result:
    answer = parse_message(lock.receive(proof.to_bytes(), now))
    assert isinstance(answer, Result)
    return answer


def do(
    lock: MeterLock,
    who: Technician,
    action: str,
    *,
    now: datetime = NOW,
    lists: Sequence[bytes] = (),
    **arguments: Argument,
) -> Result:
    """Do the same with a command that is still to be built."""
    return do_command(lock, who, build_command(action, **arguments), now=now, lists=lists)


def do_command(
    lock: MeterLock, who: Technician, command: Command, *, now: datetime = NOW, lists: Sequence[bytes] = ()
) -> Result:
    """Open a session and send a command with its proof."""
    return send(lock, who.prove(greet(lock, now), command.application, lists=lists), now)


def records_of(lock: MeterLock, now: datetime = NOW) -> dict[bytes, Record]:
    """Return the read-out by record header."""
    found: dict[bytes, Record] = {}
    for part in lock.read_out(now):
        parsed = parse_records(part, LONG_HEADER, len(part))
        assert parsed.problem is None
        found |= {record.header: record for record in parsed.records}
    return found


def reads_back(lock: MeterLock, command: Command, now: datetime = NOW) -> bool:
    """Tell whether the read-out shows what the command wrote."""
    wanted = command.read_back
    assert wanted is not None
    return wanted.fits(records_of(lock, now)[wanted.header].value)


def elsewhere(challenge: Challenge, meter: Address) -> Challenge:
    """Return the challenge as if another meter had sent it."""
    return replace(challenge, meter=meter)


DESK = make_desk()
LEVELS = ("installer", "commissioner", "service", "test")
STAFF = {level: hire(DESK, level) for level in LEVELS}
NEW_KEY = bytes(range(100, 116))
SECOND = timedelta(seconds=1)
