"""A store with certificates of a seeded desk, as the screens are given it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from fieldtool.enrolment import Enrolment, Source
from fieldtool.tui.certificate_access import CertificateAccess
from fieldtool.tui.session import Session
from keystore.certificates.grant import Grant, Scope
from keystore.certificates.levels import level_named
from keystore.certificates.wallet import PendingRequest
from keystore.vault import KdfParameters, Vault
from simulators.certificate_desk.answers import answer_text, token_text
from simulators.certificate_desk.desk import CertificateDesk
from tests.fieldtool.tui.tui_scenes import session_of, some_meters

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ORGANISATION = "Stadtwerke Nord"
PASSPHRASE = "four words and a number 4"
CHEAP = KdfParameters(64, 1, 1)


@dataclass
class Office:
    """A store that trusts a desk; `now` is the time of both."""

    folder: Path
    vault: Vault
    now: datetime = START
    desk: CertificateDesk = field(
        default_factory=lambda: CertificateDesk.create("Desk", "certs@desk.example", START, Random(1).randbytes)
    )

    @classmethod
    def create(cls, folder: Path, set_clock: Callable[[Callable[[], datetime]], None]) -> Office:
        """Make store and desk; `set_clock` makes the program look at the office's clock."""
        office = cls(folder, Vault.create(folder / "keys.vault", PASSPHRASE, CHEAP))
        set_clock(lambda: office.now)
        office.certificates.attend_clock()
        anchor = office.desk.anchor.certificate
        office.certificates.trust(Source("anchor", anchor.data), anchor.fingerprint)
        return office

    @property
    def certificates(self) -> Enrolment:
        return Enrolment(self.vault, self.now)

    def request(self, level: str, tag: str) -> PendingRequest:
        """Order a certificate and make the request for it."""
        capabilities = level_named(level)
        assert capabilities is not None
        _, (token,) = self.desk.order(Grant(capabilities, Scope(ORGANISATION)), 1, self.now)
        return self.certificates.request(Source("token", token_text(token).encode()), tag)

    def answer(self, level: str, tag: str) -> str:
        """Order, request and sign; return the text of the answer's code."""
        return answer_text(self.desk.answer(self.request(level, tag).request, self.now))

    def enrol(self, level: str, tag: str) -> None:
        """Have one more certificate, in use."""
        plan = self.certificates.plan(Source("answer", self.answer(level, tag).encode()))
        self.certificates.keep(plan, activate=True)

    def session(self) -> Session:
        """Some meters, and this store."""
        return replace(
            session_of(some_meters()),
            lock_keystore=self.vault.lock,
            unlock_keystore=self.vault.unlock,
            keystore=lambda: "locked" if self.vault.is_locked else "unlocked",
            keystore_is_locked=lambda: self.vault.is_locked,
            certificates=CertificateAccess(lambda: self.vault),
        )

    def events(self) -> list[str]:
        """The actions in the audit log."""
        return [str(entry.action) for entry in self.vault.audit.entries()]
