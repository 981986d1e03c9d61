"""Certificates and levels as lines and as JSON; no key and no token is ever in either."""

from __future__ import annotations

from datetime import datetime

from keystore.certificates.certificate import FieldCertificate
from keystore.certificates.errors import CertificateRejected
from keystore.certificates.grant import Grant
from keystore.certificates.levels import level_table
from keystore.certificates.revocation import RevocationList
from keystore.certificates.standing import Standing, days_until, judge
from keystore.certificates.wallet import Credential, PendingRequest, Wallet
from protocols.plural import counted
from protocols.text import safe_text


def standing_line(standing: Standing) -> str:
    """Return the level in use in one line."""
    if standing.credential is None:
        return f"level {standing.title}"
    parts = [f"level {standing.title}", f"certificate {safe_text(standing.credential.tag)}"]
    if standing.days_left is not None:
        parts.append(f"{counted(standing.days_left, 'day')} left")
    return ", ".join(parts)


def certificate_line(credential: Credential, wallet: Wallet, at: datetime) -> str:
    """Return one certificate in one line, the one in use with a star."""
    facts = certificate_facts(credential, wallet, at)
    days = days_until(credential.certificate.not_after, at)
    cells = (
        "*" if facts["active"] else " ",
        f"{facts['level']:13}",
        f"{safe_text(str(facts['organisation'])):24}",
        f"{safe_text(credential.tag):20}",
        credential.name,
        f"{counted(days, 'day'):>9}" if facts["problem"] is None else str(facts["problem"]),
        safe_text(str(facts["scope"])),
    )
    return "  ".join(cells).rstrip()


def certificate_facts(credential: Credential, wallet: Wallet, at: datetime) -> dict[str, object]:
    """Return one certificate as JSON; `problem` is None when it holds now."""
    certificate = credential.certificate
    try:
        grant, problem = judge(wallet, credential, at).grant, None
    except CertificateRejected as error:
        grant, problem = certificate.grant or Grant(level_table().consumer.capabilities), error.message
    return {
        "serial": credential.name,
        "tag": credential.tag,
        "level": grant.title,
        "organisation": grant.scope.organisation,
        "scope": grant.scope.text,
        "issuer": certificate.issuer_name,
        "not_before": _time(certificate.not_before),
        "not_after": _time(certificate.not_after),
        "days_left": days_until(certificate.not_after, at),
        "expires_soon": at + level_table().policy.warn_before >= certificate.not_after,
        "active": certificate.fingerprint == wallet.active,
        "fingerprint": certificate.fingerprint,
        "problem": problem,
    }


def request_line(pending: PendingRequest) -> str:
    """Return one request that waits for its answer in one line."""
    token = pending.token
    return (
        f"  waiting for an answer: {safe_text(pending.tag)}, {Grant(token.capabilities).title} for "
        f"{safe_text(token.organisation)}, order {safe_text(token.order)}, of {pending.made_at:%Y-%m-%d}"
    )


def request_facts(pending: PendingRequest) -> dict[str, object]:
    """Return one request as JSON."""
    token = pending.token
    return {
        "tag": pending.tag,
        "level": Grant(token.capabilities).title,
        "organisation": token.organisation,
        "order": token.order,
        "made_at": _time(pending.made_at),
        "waiting": True,
    }


def standing_facts(standing: Standing) -> dict[str, object]:
    """Return what may be done now as JSON."""
    scope = standing.grant.scope
    return {
        "level": standing.title,
        "actions": [
            action.name
            for action in level_table().actions.values()
            if action.needs in standing.grant.capabilities or action.needs in level_table().consumer.capabilities
        ],
        "organisation": scope.organisation,
        "scope": scope.text,
        "days_left": standing.days_left,
        "reasons": list(standing.reasons),
        "warnings": list(standing.warnings),
    }


def anchor_line(anchor: FieldCertificate) -> str:
    """Return one trust anchor in one line."""
    return f"{anchor.fingerprint}  {anchor.common_name}, until {anchor.not_after:%Y-%m-%d}"


def issuer_name(wallet: Wallet, revocations: RevocationList) -> str:
    """Return who signed a revocation list, as its certificate says."""
    known: list[FieldCertificate] = [*wallet.anchors]
    for credential in wallet.credentials:
        known += credential.issuers
    return next((issuer.common_name for issuer in known if revocations.is_signed_by(issuer)), "unknown issuer")


def list_line(revocations: RevocationList, issuer: str, at: datetime) -> str:
    """Return one revocation list in one line."""
    overdue = "  overdue" if at > revocations.next_update else ""
    count = len(revocations.serials)
    return (
        f"{issuer}: list {revocations.number} of {revocations.this_update:%Y-%m-%d}, {count} revoked, "
        f"next due {revocations.next_update:%Y-%m-%d}{overdue}"
    )


def list_facts(revocations: RevocationList, issuer: str, at: datetime) -> dict[str, object]:
    """Return one revocation list as JSON."""
    return {
        "issuer": issuer,
        "number": revocations.number,
        "this_update": _time(revocations.this_update),
        "next_update": _time(revocations.next_update),
        "revoked": sorted(f"{serial:016x}" for serial in revocations.serials),
        "overdue": at > revocations.next_update,
    }


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
