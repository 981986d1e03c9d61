"""A seeded certificate desk and a store in memory, for tests of enrolment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from keystore.certificates import enrolment
from keystore.certificates.certificate import FieldCertificate, read_certificate
from keystore.certificates.certificate_store import Note
from keystore.certificates.grant import Grant, Scope, encode_grant
from keystore.certificates.levels import Capability, level_named
from keystore.certificates.oids import FIELD_GRANT
from keystore.certificates.token import Token
from keystore.certificates.wallet import PendingRequest, Wallet
from simulators.certificate_desk.desk import CertificateDesk, SignedAnswer
from simulators.certificate_desk.issuing import Authority, new_key

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ORGANISATION = "Stadtwerke Nord"


def make_desk(seed: int = 1, now: datetime = START) -> CertificateDesk:
    return CertificateDesk.create("Desk", "certs@desk.example", now, Random(seed).randbytes)


def impostor_of(issuer: FieldCertificate, now: datetime = START) -> Authority:
    """An anchor of somebody else who calls himself what an issuer is called, key identifier included."""
    key = new_key(Random(41).randbytes)
    uses = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    grant = encode_grant(Grant(Capability.READ | Capability.INSTALL))
    builder = (
        x509.CertificateBuilder(issuer.x509.subject, issuer.x509.subject, key.public_key(), 41)
        .not_valid_before(now)
        .not_valid_after(now + 900 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(uses, critical=True)
        .add_extension(x509.SubjectKeyIdentifier(issuer.subject_key_id or b""), critical=False)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(FIELD_GRANT), grant), critical=True)
    )
    return Authority(read_certificate(builder.sign(key, SHA256()).public_bytes(Encoding.DER)), key)


def grant_of(level: str, organisation: str = ORGANISATION) -> Grant:
    capabilities = level_named(level)
    assert capabilities is not None
    return Grant(capabilities, Scope(organisation))


def token_of(desk: CertificateDesk, level: str = "installer", now: datetime = START) -> Token:
    _, (token,) = desk.order(grant_of(level), 1, now)
    return token


def trusting(desk: CertificateDesk, now: datetime = START) -> Wallet:
    anchor = desk.anchor.certificate
    wallet, _ = enrolment.install_anchor(Wallet(latest_seen=now), anchor.data, anchor.fingerprint, now)
    return wallet


def requested(
    desk: CertificateDesk, wallet: Wallet, level: str = "installer", tag: str = "anna", now: datetime = START
) -> tuple[Wallet, PendingRequest]:
    return enrolment.make_request(wallet, token_of(desk, level, now), tag, now)


def bytes_of(answer: SignedAnswer) -> bytes:
    return answer.certificate.data + answer.issuer.data


def enrolled(
    desk: CertificateDesk, wallet: Wallet, level: str = "installer", tag: str = "anna", now: datetime = START
) -> Wallet:
    """A wallet with one more certificate, in use."""
    wallet, pending = requested(desk, wallet, level, tag, now)
    plan = enrolment.plan_import(wallet, bytes_of(desk.answer(pending.request, now)), now)
    return enrolment.apply_import(wallet, plan)


class DocumentsInMemory:
    """What a vault does with documents, without a vault."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.notes: list[Note] = []

    def read(self, name: str) -> bytes | None:
        return self.documents.get(name)

    def change(self, name: str, step: Callable[[bytes | None], tuple[bytes, tuple[Note, ...]]]) -> None:
        data, notes = step(self.documents.get(name))
        self.documents[name] = data
        self.notes += notes
