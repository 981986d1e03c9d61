"""What may be done right now: the certificate in use, judged by chain, dates, revocation and clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keystore.certificates.clock import judge_clock
from keystore.certificates.errors import CertificateRejected, NotPermitted, RejectReason
from keystore.certificates.grant import Grant
from keystore.certificates.levels import Action, Capability, level_table, level_title
from keystore.certificates.library_check import check_with_library
from keystore.certificates.revocation import RevocationList
from keystore.certificates.verification import VerifiedChain, verify_chain
from keystore.certificates.wallet import Credential, Wallet
from protocols.plural import counted

_DAY: Final = timedelta(days=1)
CONSUMER: Final = Grant(Capability.READ)


@dataclass(frozen=True, slots=True)
class Standing:
    """The level in use, and why it is no higher.

    `reasons` say what keeps the level down, `warnings` what will; `chain` is None for a consumer. In `days_left`
    a day that has begun counts.
    """

    grant: Grant
    credential: Credential | None = None
    chain: VerifiedChain | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    days_left: int | None = None

    @property
    def title(self) -> str:
        """The name of the level: `Service`."""
        return level_title(self.grant.capabilities)

    def why_not(self, action: Action, manufacturer: str | None, family: str | None, number: str) -> str:
        """Return why an action with a meter is not allowed, in words; an empty string when it is.

        `family` is the name of the meter's profile, `number` its eight digits. Reading is always allowed.
        """
        if action.needs == Capability.READ:
            return ""
        if action.needs not in self.grant.capabilities:
            levels = " or ".join(level.title for level in level_table().levels_allowing(action))
            why = f": {'; '.join(self.reasons)}" if self.reasons else ""
            return f"level {levels} is needed to {action.text}; the level in use is {self.title}{why}"
        return self.grant.scope.why_not(manufacturer, family, number)

    def require(self, action: Action, manufacturer: str | None, family: str | None, number: str) -> None:
        """Raise `NotPermitted` unless the action with this meter is allowed."""
        why = self.why_not(action, manufacturer, family, number)
        if why:
            raise NotPermitted(why, "see: fieldtool certs show")


def standing_of(wallet: Wallet, now: datetime) -> Standing:
    """Return what the wallet's certificate in use allows at `now` (aware UTC); never less than reading."""
    credential = wallet.active_credential
    if credential is None:
        return Standing(CONSUMER, reasons=("no certificate is in use",))
    clock = judge_clock(wallet.latest_seen, now)
    if not clock.is_trusted:
        return Standing(CONSUMER, credential, reasons=(clock.reason,))
    try:
        chain = judge(wallet, credential, now)
    except CertificateRejected as error:
        return Standing(CONSUMER, credential, reasons=(error.message,))
    return _within_lists(wallet, Standing(chain.grant, credential, chain, warnings=_warnings(chain, now)), now)


def judge(wallet: Wallet, credential: Credential, now: datetime) -> VerifiedChain:
    """Verify a certificate's chain and that its key is here; `CertificateRejected` with the reason."""
    known = [issuer for one in (credential, *wallet.credentials) for issuer in one.issuers]
    chain = verify_chain(credential.certificate, known, wallet.anchors, now, wallet.lists)
    check_with_library(chain, now)
    if not credential.key.is_key_of(credential.certificate.public_key):
        raise CertificateRejected(RejectReason.NO_REQUEST, "the certificate's key is not in this store")
    return chain


def days_until(end: datetime, now: datetime) -> int:
    """Return the days that are left; one that has begun counts, the end of the last is 0."""
    return -((now - end) // _DAY)


def overdue_lists(wallet: Wallet, chain: VerifiedChain, now: datetime) -> list[RevocationList]:
    """Return the lists of the chain's issuers whose successor is due."""
    by_issuers = [one for one in wallet.lists if any(one.is_signed_by(issuer) for issuer in chain.issuers)]
    return [one for one in by_issuers if now > one.next_update]


def _within_lists(wallet: Wallet, standing: Standing, now: datetime) -> Standing:
    """Lower the level when a list is overdue beyond its grace; reading stays."""
    table = level_table()
    days_left = None if standing.chain is None else days_until(standing.chain.leaf.not_after, now)
    standing = replace(standing, days_left=days_left)
    overdue = [] if standing.chain is None else overdue_lists(wallet, standing.chain, now)
    if not overdue:
        return standing
    end = min(one.next_update for one in overdue) + table.policy.revocation_grace
    if now <= end:
        warning = f"a revocation list is overdue: import the next one by {end:%Y-%m-%d}"
        return replace(standing, warnings=(*standing.warnings, warning))
    most = table.levels[table.policy.overdue_level]
    kept = standing.grant.capabilities & most.capabilities
    reason = f"the revocation list was due on {min(one.next_update for one in overdue):%Y-%m-%d}: at most {most.title}"
    grant = replace(standing.grant, capabilities=kept) if kept else CONSUMER
    return replace(standing, grant=grant, reasons=(*standing.reasons, reason))


def _warnings(chain: VerifiedChain, now: datetime) -> tuple[str, ...]:
    first = min(chain.certificates, key=lambda certificate: certificate.not_after)
    left = first.not_after - now
    if left > level_table().policy.warn_before:
        return ()
    whose = "the certificate" if first is chain.leaf else f"its issuer {first.common_name}"
    when = "today" if left < _DAY else f"in {counted(days_until(first.not_after, now), 'day')}"
    return (f"{whose} expires {when}",)
