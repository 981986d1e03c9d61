"""Enrolment, step by step: each takes a wallet and a moment, and returns the wallet that follows, or refuses.

Nothing here reads a clock, a file or the vault; `keystore.certificates.certificate_store` keeps what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keystore.certificates import der
from keystore.certificates.certificate import MOST_CERTIFICATES, FieldCertificate, read_certificate
from keystore.certificates.clock import judge_clock
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.levels import Capability, level_table, level_title
from keystore.certificates.request import build_request, check_tag
from keystore.certificates.revocation import RevocationList, check_list, check_newer, read_list
from keystore.certificates.standing import judge, standing_of
from keystore.certificates.token import Token
from keystore.certificates.verification import VerifiedChain, check_anchor, verify_authority
from keystore.certificates.wallet import Credential, PendingRequest, SigningKey, Wallet

Step = Callable[[Wallet], Wallet]
"""A change of the wallet."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A certificate that passed every check, and what is to be asked before it is kept.

    `lower_than` is the title of the level in use when the new one allows less, `new_issuer` the issuer's name when the
    certificate in use has another one; both are empty when there is nothing to ask.
    """

    credential: Credential
    chain: VerifiedChain
    answers: PendingRequest
    lower_than: str = ""
    new_issuer: str = ""

    @property
    def questions(self) -> tuple[str, ...]:
        """What somebody has to say yes to, a sentence each."""
        asked = []
        if self.new_issuer:
            asked.append(f"the certificate comes from a new issuer, {self.new_issuer}")
        if self.lower_than:
            asked.append(f"its level is {self.chain.grant.title}, lower than {self.lower_than}, which is in use")
        return tuple(asked)


def make_request(wallet: Wallet, token: Token, tag: str, now: datetime) -> tuple[Wallet, PendingRequest]:
    """Make a key and a request for a token; a token that has a request already gets that one again.

    Raises `CertificateRejected`: the token expired or was used, the tag is none or taken.
    """
    tag = check_tag(tag)
    for pending in wallet.requests:
        if pending.token.identity == token.identity:
            return wallet, pending
    if any(one.token_identity == token.identity for one in wallet.credentials):
        raise CertificateRejected(RejectReason.TOKEN_USED, "this token's certificate is already in the store")
    if now > token.expires_at:
        raise CertificateRejected(
            RejectReason.TOKEN_EXPIRED, f"the token of order {token.order} expired on {token.expires_at:%Y-%m-%d}"
        )
    taken = [one.tag.casefold() for one in wallet.requests] + [one.tag.casefold() for one in wallet.credentials]
    if tag.casefold() in taken:
        raise CertificateRejected(RejectReason.DECLINED, f"the tag {tag!r} is in use", "choose another tag")
    key = SigningKey.generate()
    request = build_request(key.open(), token.organisation, tag, token.secret)
    pending = PendingRequest(token, tag, key, request, now)
    return replace(wallet, requests=(*wallet.requests, pending)), pending


def plan_import(wallet: Wallet, data: bytes, now: datetime) -> ImportPlan:
    """Check a certificate, with its issuers in any order, against everything; `data` is one DER after the other.

    Raises `CertificateRejected` with the reason.
    """
    leaf, issuers = _split(data)
    check_clock(wallet, now)
    if any(one.certificate == leaf for one in wallet.credentials):
        raise CertificateRejected(RejectReason.ALREADY_INSTALLED, "this certificate is in the store already")
    answers = next((one for one in wallet.requests if one.key.is_key_of(leaf.public_key)), None)
    if answers is None:
        raise CertificateRejected(RejectReason.NO_REQUEST, "no request of this store is waiting for this certificate")
    token = answers.token
    credential = Credential(leaf, issuers, answers.key, answers.tag, token.capabilities, token.identity, now)
    chain = judge(wallet, credential, now)
    credential = replace(credential, issuers=chain.issuers)
    _check_order(leaf, token)
    in_use = standing_of(wallet, now)
    lower = in_use.grant.capabilities & ~chain.grant.capabilities & ~Capability.READ
    return ImportPlan(
        credential,
        chain,
        answers,
        lower_than=in_use.title if lower else "",
        new_issuer=chain.issuers[0].common_name if _is_new_issuer(wallet, chain) else "",
    )


def apply_import(wallet: Wallet, plan: ImportPlan, *, activate: bool = True) -> Wallet:
    """Keep a planned certificate and end its request; `activate` makes it the one in use."""
    if plan.answers not in wallet.requests:
        raise CertificateRejected(RejectReason.NO_REQUEST, "the request was removed meanwhile")
    return replace(
        wallet,
        requests=tuple(one for one in wallet.requests if one != plan.answers),
        credentials=(*wallet.credentials, plan.credential),
        active=plan.credential.certificate.fingerprint if activate else wallet.active,
    )


def use(wallet: Wallet, name: str, now: datetime) -> Wallet:
    """Make a certificate the one in use; `consumer` uses none. Raises `CertificateRejected` when it does not hold."""
    if name.casefold() == level_table().consumer.name:
        return replace(wallet, active="")
    credential = find(wallet, name)
    check_clock(wallet, now)
    judge(wallet, credential, now)
    return replace(wallet, active=credential.certificate.fingerprint)


def find(wallet: Wallet, name: str) -> Credential:
    """Return the certificate with this tag, or whose serial number begins so; `CertificateRejected` without one."""
    word = name.strip().casefold()
    by_tag = [one for one in wallet.credentials if one.tag.casefold() == word]
    found = by_tag or [one for one in wallet.credentials if word and one.name.startswith(word)]
    if len(found) != 1:
        what = "more than one certificate is" if found else "no certificate is"
        raise CertificateRejected(
            RejectReason.NO_REQUEST, f"{what} called {name.strip()!r}", "see: fieldtool certs list"
        )
    return found[0]


def remove(wallet: Wallet, name: str) -> Wallet:
    """Forget a certificate with its key, or a request with this tag; there is no way back."""
    kept = tuple(one for one in wallet.requests if one.tag.casefold() != name.strip().casefold())
    if len(kept) < len(wallet.requests):
        return replace(wallet, requests=kept)
    credential = find(wallet, name)
    active = "" if credential.certificate.fingerprint == wallet.active else wallet.active
    return replace(wallet, credentials=tuple(one for one in wallet.credentials if one != credential), active=active)


def install_anchor(wallet: Wallet, data: bytes, fingerprint: str, now: datetime) -> tuple[Wallet, FieldCertificate]:
    """Trust an authority from now on; `fingerprint` is its SHA-256 in any spelling, as heard from the desk.

    Raises `CertificateRejected`: another fingerprint, no authority that signed itself, expired, already there.
    """
    anchor = read_anchor(data)
    if normal_fingerprint(fingerprint) != anchor.fingerprint:
        raise CertificateRejected(
            RejectReason.WRONG_FINGERPRINT, "the trust anchor does not have the fingerprint that was given"
        )
    verify_authority(anchor, (), (anchor,), now)
    if anchor in wallet.anchors:
        raise CertificateRejected(RejectReason.ALREADY_INSTALLED, "this trust anchor is installed already", "")
    return replace(wallet, anchors=(*wallet.anchors, anchor)), anchor


def read_anchor(data: bytes) -> FieldCertificate:
    """Return the one trust anchor in `data`; `CertificateRejected` when it is none."""
    if len(_parts(data)) != 1:
        raise CertificateRejected(RejectReason.WRONG_KIND, "a trust anchor is one certificate, not several")
    anchor = read_certificate(data)
    check_anchor(anchor)
    return anchor


def remove_anchor(wallet: Wallet, fingerprint: str) -> Wallet:
    """Trust an authority no longer; certificates under it stay, and allow nothing."""
    word = normal_fingerprint(fingerprint)
    kept = tuple(one for one in wallet.anchors if not (word and one.fingerprint.startswith(word)))
    if len(kept) != len(wallet.anchors) - 1:
        raise CertificateRejected(
            RejectReason.WRONG_FINGERPRINT,
            "there is not exactly one trust anchor with this fingerprint",
            "see: fieldtool certs trust",
        )
    return replace(wallet, anchors=kept)


def normal_fingerprint(text: str) -> str:
    """Return a fingerprint as lower-case hex without separators."""
    return "".join(character for character in text.lower() if character not in " :-.\t\n")


def import_list(wallet: Wallet, data: bytes, now: datetime) -> tuple[Wallet, RevocationList]:
    """Take in a revocation list; one that is there already changes nothing.

    Raises `CertificateRejected`: an unknown issuer, a wrong signature, a date in the future, or older than what is
    there.
    """
    check_clock(wallet, now)
    revocations = read_list(data)
    issuer = _issuer_of(wallet, revocations, now)
    check_list(revocations, issuer)
    if revocations.this_update > now + level_table().policy.clock_back:
        raise CertificateRejected(
            RejectReason.NOT_YET, f"the revocation list is dated {revocations.this_update:%Y-%m-%d %H:%M} UTC"
        )
    kept = []
    for installed in wallet.lists:
        if not installed.is_signed_by(issuer):
            kept.append(installed)
        elif not check_newer(revocations, installed):
            return wallet, installed
    return replace(wallet, lists=(*kept, revocations)), revocations


def check_clock(wallet: Wallet, now: datetime) -> None:
    """Raise `CertificateRejected` (`clock`) unless dates can be compared with this clock."""
    clock = judge_clock(wallet.latest_seen, now)
    if not clock.is_trusted:
        raise CertificateRejected(RejectReason.CLOCK, clock.reason, "see: fieldtool certs clock --help")


def confirm_clock(wallet: Wallet, now: datetime) -> Wallet:
    """Believe a clock that is far ahead, because somebody looked; the memory moves on to it."""
    return wallet.seen(now)


def correct_clock(wallet: Wallet, now: datetime) -> Wallet:
    """Let the memory go back to `now`, because a wrong clock had been believed.

    It never goes back behind what the installed certificates and lists prove to have been: they were made then.
    """
    proven = [one.certificate.not_before for one in wallet.credentials] + [one.this_update for one in wallet.lists]
    return replace(wallet, latest_seen=max([now, *proven]))


def _split(data: bytes) -> tuple[FieldCertificate, tuple[FieldCertificate, ...]]:
    """Return the one certificate that is no authority's, and all others."""
    certificates = [read_certificate(part) for part in _parts(data)]
    leaves = [one for one in certificates if not one.is_ca]
    if len(leaves) > 1:
        raise CertificateRejected(
            RejectReason.WRONG_KIND, f"it holds {len(leaves)} certificates", "import one certificate at a time"
        )
    leaf = leaves[0] if leaves else certificates[0]
    return leaf, tuple(one for one in certificates if one is not leaf)


def _parts(data: bytes) -> Sequence[bytes]:
    try:
        return der.split_sequences(data, MOST_CERTIFICATES)
    except der.DerError:
        raise CertificateRejected(RejectReason.MALFORMED, "this is not a well-formed X.509 certificate") from None


def _check_order(leaf: FieldCertificate, token: Token) -> None:
    if leaf.grant is None:
        raise CertificateRejected(RejectReason.NO_LEVEL, "the certificate holds no level")
    if leaf.grant.capabilities & ~token.capabilities & ~Capability.READ:
        raise CertificateRejected(
            RejectReason.ABOVE_ORDER,
            f"the certificate is for level {leaf.grant.title}, "
            f"but the order is for level {level_title(token.capabilities)}",
        )
    if leaf.grant.scope.organisation != token.organisation:
        raise CertificateRejected(
            RejectReason.WRONG_ORGANISATION,
            f"the certificate is for {leaf.grant.scope.organisation or 'any organisation'}, "
            f"but it was ordered by {token.organisation}",
        )


def _is_new_issuer(wallet: Wallet, chain: VerifiedChain) -> bool:
    known = {one.issuers[0].key_bytes for one in wallet.credentials if one.issuers}
    return bool(known) and chain.issuers[0].key_bytes not in known


def _issuer_of(wallet: Wallet, revocations: RevocationList, now: datetime) -> FieldCertificate:
    known = list(dict.fromkeys([*wallet.anchors, *(issuer for one in wallet.credentials for issuer in one.issuers)]))
    issuers = [one for one in known if revocations.is_signed_by(one)]
    issuers = issuers or [one for one in known if revocations.is_by(one)]
    if not issuers:
        raise CertificateRejected(
            RejectReason.UNTRUSTED,
            "the revocation list is from an issuer that this store does not know",
            "import a certificate of that issuer, or install its trust anchor, first",
        )
    for last, issuer in enumerate(issuers, 1 - len(issuers)):
        try:
            verify_authority(issuer, known, wallet.anchors, now, wallet.lists)
        except CertificateRejected:
            if not last:
                raise
        else:
            return issuer
    return issuers[0]
