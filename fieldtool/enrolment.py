"""Enrolment for the command line and the screens: files in and out, the store in between, everything audited."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fieldtool.errors import InputError, OutputError
from keystore.certificates import enrolment
from keystore.certificates.certificate import FieldCertificate
from keystore.certificates.certificate_store import CertificateEvent, CertificateStore, Note
from keystore.certificates.clock import ClockJudgement
from keystore.certificates.enrolment import ImportPlan
from keystore.certificates.errors import CertificateRejected
from keystore.certificates.file_names import file_stem
from keystore.certificates.intake import read_anything
from keystore.certificates.levels import level_title
from keystore.certificates.payload import PayloadKind, is_payload, write_payload
from keystore.certificates.picture import LONGEST_PICTURE, write_picture
from keystore.certificates.revocation import RevocationList, read_list
from keystore.certificates.standing import CONSUMER, Standing, standing_of
from keystore.certificates.token import decode_token
from keystore.certificates.wallet import PendingRequest, Wallet
from keystore.vault import Vault
from protocols.text import safe_text

PRIVATE_MODE: Final = 0o600
STANDARD_INPUT: Final = "-"


def now() -> datetime:
    """Return the computer's time, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Source:
    """What a user handed over, and a name for it that is safe to show."""

    name: str
    data: bytes


def read_source(text: str) -> Source:
    """Read what was named: a file, standard input for `-`, or a pasted code; raises `InputError`."""
    if is_payload(text.strip()):
        return Source("pasted text", text.strip().encode())
    if text == STANDARD_INPUT:
        return Source("standard input", sys.stdin.buffer.read(LONGEST_PICTURE + 1))
    path = Path(text).expanduser()
    try:
        with path.open("rb") as file:
            return Source(safe_text(path.name), file.read(LONGEST_PICTURE + 1))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such name"
        raise InputError(f"{safe_text(text)}: {reason}", "name a file, or paste the code") from error


@dataclass(frozen=True, slots=True)
class RequestFiles:
    """What is to be sent: the request, an e-mail draft that carries it, and its QR code."""

    request: Path
    mail: Path
    picture: Path


class Enrolment:
    """The certificates of an unlocked vault at one moment; every change is in the audit log."""

    def __init__(self, vault: Vault, at: datetime | None = None) -> None:
        self._vault = vault
        self._store = CertificateStore(vault.documents)
        self.at = now() if at is None else at

    @property
    def wallet(self) -> Wallet:
        """All certificates, requests, lists and anchors."""
        return self._store.load()

    def standing(self) -> Standing:
        """What may be done now."""
        return self._held(self.wallet)

    def attend_clock(self) -> ClockJudgement:
        """Judge the clock and remember it, when it can be trusted."""
        return self._store.attend_clock(self.at)

    def confirm_clock(self) -> None:
        """Believe a clock that is far ahead."""
        note = Note(CertificateEvent.CLOCK_CONFIRMED, f"{self.at:%Y-%m-%d %H:%M} UTC")
        self._store.change(lambda wallet: (enrolment.confirm_clock(wallet, self.at), None, (note,)))

    def correct_clock(self) -> datetime:
        """Go back to the clock, as far as certificates and lists allow; return the time remembered from now on."""

        def step(wallet: Wallet) -> tuple[Wallet, datetime, tuple[Note, ...]]:
            after = enrolment.correct_clock(wallet, self.at)
            latest = after.latest_seen or self.at
            before = "" if wallet.latest_seen is None else wallet.latest_seen.isoformat()
            return after, latest, (Note(CertificateEvent.CLOCK_CORRECTED, latest.isoformat(), {"before": before}),)

        return self._store.change(step)

    def request(self, source: Source, tag: str) -> PendingRequest:
        """Make a request for a token, or return the one that it has already; raises `CertificateRejected`."""
        token = decode_token(read_anything(source.data, PayloadKind.TOKEN).data)

        def step(wallet: Wallet) -> tuple[Wallet, PendingRequest, tuple[Note, ...]]:
            after, pending = enrolment.make_request(wallet, token, tag, self.at)
            detail = {
                "organisation": token.organisation,
                "level": level_title(token.capabilities),
                "order": token.order,
            }
            notes = () if after is wallet else (Note(CertificateEvent.REQUESTED, pending.tag, detail),)
            return after, pending, notes

        return self._store.change(step)

    def tag_of(self, source: Source) -> str | None:
        """Return the tag of the request that a token has already; None when it has none."""
        identity = decode_token(read_anything(source.data, PayloadKind.TOKEN).data).identity
        return next((one.tag for one in self.wallet.requests if one.token.identity == identity), None)

    def plan(self, source: Source) -> ImportPlan:
        """Check a certificate; a refusal is in the audit log. Raises `CertificateRejected`."""
        try:
            payload = read_anything(source.data, PayloadKind.CERTIFICATE)
            return enrolment.plan_import(self.wallet, payload.data, self.at)
        except CertificateRejected as error:
            self._refused(source, error)
            raise

    def keep(self, plan: ImportPlan, *, activate: bool) -> Standing:
        """Keep a planned certificate; `activate` makes it the one in use. Returns what may be done from now on."""
        certificate = plan.credential.certificate
        detail = {
            "serial": certificate.serial_text,
            "level": plan.chain.grant.title,
            "organisation": plan.chain.grant.scope.organisation or "",
            "fingerprint": certificate.fingerprint,
        }
        note = Note(CertificateEvent.IMPORTED, plan.credential.tag, detail)
        return self._change_level(lambda wallet: enrolment.apply_import(wallet, plan, activate=activate), note)

    def use(self, name: str) -> Standing:
        """Make a certificate the one in use, or none for `consumer`; raises `CertificateRejected`."""
        return self._change_level(lambda wallet: enrolment.use(wallet, name, self.at))

    def remove(self, name: str) -> Standing:
        """Forget a certificate with its key, or a request; raises `CertificateRejected`."""
        note = Note(CertificateEvent.REMOVED, safe_text(name))
        return self._change_level(lambda wallet: enrolment.remove(wallet, name), note)

    def trust(self, source: Source, fingerprint: str) -> FieldCertificate:
        """Install a trust anchor; raises `CertificateRejected`."""
        try:
            payload = read_anything(source.data, PayloadKind.ANCHOR)

            def step(wallet: Wallet) -> tuple[Wallet, FieldCertificate, tuple[Note, ...]]:
                after, anchor = enrolment.install_anchor(wallet, payload.data, fingerprint, self.at)
                detail = {"fingerprint": anchor.fingerprint}
                return after, anchor, (Note(CertificateEvent.ANCHOR_INSTALLED, anchor.common_name, detail),)

            return self._store.change(step)
        except CertificateRejected as error:
            self._refused(source, error)
            raise

    def distrust(self, fingerprint: str) -> Standing:
        """Remove a trust anchor; raises `CertificateRejected`."""
        note = Note(CertificateEvent.ANCHOR_REMOVED, safe_text(fingerprint))
        return self._change_level(lambda wallet: enrolment.remove_anchor(wallet, fingerprint), note)

    def import_list(self, source: Source) -> tuple[RevocationList, Standing]:
        """Take in a revocation list; raises `CertificateRejected`."""
        taken: list[RevocationList] = []
        try:
            payload = read_anything(source.data, PayloadKind.REVOCATIONS)

            def step(wallet: Wallet) -> Wallet:
                after, revocations = enrolment.import_list(wallet, payload.data, self.at)
                taken.append(revocations)
                return after

            number = str(read_list(payload.data).number)
            note = Note(CertificateEvent.REVOCATIONS_IMPORTED, source.name, {"number": number})
            standing = self._change_level(step, note)
        except CertificateRejected as error:
            self._refused(source, error)
            raise
        return taken[0], standing

    def _held(self, wallet: Wallet) -> Standing:
        return standing_in(self._vault, wallet, self.at)

    def _change_level(self, change: enrolment.Step, *notes: Note) -> Standing:
        """Change the wallet and write down when the level is another one afterwards."""

        def step(wallet: Wallet) -> tuple[Wallet, Standing, tuple[Note, ...]]:
            before = self._held(wallet)
            changed = change(wallet)
            after = self._held(changed)
            if changed is wallet:
                return wallet, after, ()
            if (before.title, before.credential) == (after.title, after.credential):
                return changed, after, notes
            serial = "" if after.credential is None else after.credential.certificate.serial_text
            told = {"before": before.title, "serial": serial, "reason": "; ".join(after.reasons)}
            detail = {name: text for name, text in told.items() if text}
            return changed, after, (*notes, Note(CertificateEvent.LEVEL_CHANGED, after.title, detail))

        return self._store.change(step)

    def _refused(self, source: Source, error: CertificateRejected) -> None:
        detail = {"reason": str(error.reason), "message": error.message}
        self._store.note(Note(CertificateEvent.REFUSED, source.name, detail))


def standing_in(vault: Vault, wallet: Wallet, at: datetime) -> Standing:
    """Return what a vault's wallet allows; with an older copy of a store, which may lack a revocation, only reading."""
    if vault.history is None:
        return standing_of(wallet, at)
    reason = f"the keystore is not the one that was last used here: {vault.history.text}"
    return Standing(CONSUMER, wallet.active_credential, reasons=(reason,))


def write_request(pending: PendingRequest, folder: Path) -> RequestFiles:
    """Write request, e-mail draft and QR code into a folder, readable for the user alone; raises `OutputError`."""
    token, stem = pending.token, file_stem(pending.token.organisation, pending.tag)
    pem = x509.load_der_x509_csr(pending.request).public_bytes(Encoding.PEM)
    picture = write_picture(write_payload(PayloadKind.REQUEST, pending.request))
    mail = EmailMessage(policy=SMTP)
    mail["To"] = token.address
    mail["Subject"] = f"Certificate request: {token.organisation}, {level_title(token.capabilities)}, {pending.tag}"
    mail["X-Unsent"] = "1"
    mail.set_content(
        f"The certificate request of order {token.order} is attached.\n\n"
        f"Organisation: {token.organisation}\nLevel ordered: {level_title(token.capabilities)}\nTag: {pending.tag}\n"
    )
    mail.add_attachment(pem, maintype="application", subtype="pkcs10", filename=f"{stem}.csr")
    mail.add_attachment(picture, maintype="image", subtype="jpeg", filename=f"{stem}.jpg")
    files = RequestFiles(folder / f"{stem}.csr", folder / f"{stem}.eml", folder / f"{stem}.jpg")
    for path, data in ((files.request, pem), (files.mail, mail.as_bytes()), (files.picture, picture)):
        write_private(path, data)
    return files


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only the user can read; raises `OutputError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags, PRIVATE_MODE), "wb") as file:
            file.write(data)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}", "choose another folder with --out") from error
