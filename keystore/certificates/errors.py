"""Errors of certificates and levels.

KeystoreError
├─ CertificateRejected(reason)   a certificate, request, token, list or picture is not accepted; one reason in one word
├─ ConfirmationNeeded(question)  nothing is wrong, but somebody has to say yes first
└─ NotPermitted                  the level in use does not allow the action

Messages never hold keys or the secrets of tokens.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from keystore.errors import KeystoreError


class RejectReason(StrEnum):
    """Why something was not accepted."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    NO_CODE = "no_code"
    FOREIGN_CODE = "foreign_code"
    TWO_CODES = "two_codes"
    WRONG_KIND = "wrong_kind"
    MALFORMED = "malformed"
    WRONG_KEY_TYPE = "wrong_key_type"
    WRONG_ALGORITHM = "wrong_algorithm"
    DUPLICATE_EXTENSION = "duplicate_extension"
    UNKNOWN_CRITICAL = "unknown_critical"
    NO_LEVEL = "no_level"
    BAD_LEVEL = "bad_level"
    WRONG_USAGE = "wrong_usage"
    NOT_A_LEAF = "not_a_leaf"
    NOT_A_CA = "not_a_ca"
    PATH_TOO_LONG = "path_too_long"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    UNTRUSTED = "untrusted"
    BAD_SIGNATURE = "bad_signature"
    REVOKED = "revoked"
    GRANTS_NOTHING = "grants_nothing"
    OTHER_CHECK = "other_check"
    NO_REQUEST = "no_request"
    ALREADY_INSTALLED = "already_installed"
    ABOVE_ORDER = "above_order"
    WRONG_ORGANISATION = "wrong_organisation"
    TOKEN_UNKNOWN = "token_unknown"  # noqa: S105 - a reason, not a token
    TOKEN_USED = "token_used"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    NO_PROOF = "no_proof"
    KEY_REUSED = "key_reused"
    OLDER_LIST = "older_list"
    WRONG_FINGERPRINT = "wrong_fingerprint"
    CLOCK = "clock"
    DECLINED = "declined"


_ASK_DESK: Final = "ask the certificate desk for a new one"
_HINTS: Final[dict[RejectReason, str]] = {
    RejectReason.UNREADABLE: "send the file itself, or a sharper picture",
    RejectReason.TOO_LARGE: "send the code alone, as JPEG or PNG",
    RejectReason.NO_CODE: "fill most of the picture with the code, without glare, or use the file instead",
    RejectReason.FOREIGN_CODE: "use the picture that the certificate desk sent",
    RejectReason.TWO_CODES: "one code at a time: cut the picture",
    RejectReason.WRONG_KIND: "see `fieldtool certs --help`",
    RejectReason.MALFORMED: _ASK_DESK,
    RejectReason.WRONG_KEY_TYPE: _ASK_DESK,
    RejectReason.WRONG_ALGORITHM: _ASK_DESK,
    RejectReason.DUPLICATE_EXTENSION: _ASK_DESK,
    RejectReason.UNKNOWN_CRITICAL: "update the program, or ask the certificate desk for one that it knows",
    RejectReason.NO_LEVEL: "this is not a field certificate: use the one from the certificate desk",
    RejectReason.BAD_LEVEL: "update the program, or ask the certificate desk for one that it knows",
    RejectReason.WRONG_USAGE: _ASK_DESK,
    RejectReason.NOT_A_LEAF: "import the certificate that was made for your request",
    RejectReason.NOT_A_CA: _ASK_DESK,
    RejectReason.PATH_TOO_LONG: _ASK_DESK,
    RejectReason.NOT_YET: "check this computer's clock, or wait",
    RejectReason.EXPIRED: "check this computer's clock, or ask for a new certificate",
    RejectReason.UNTRUSTED: "install its trust anchor: fieldtool certs trust FILE --fingerprint SHA256",
    RejectReason.BAD_SIGNATURE: _ASK_DESK,
    RejectReason.REVOKED: _ASK_DESK,
    RejectReason.GRANTS_NOTHING: _ASK_DESK,
    RejectReason.OTHER_CHECK: _ASK_DESK,
    RejectReason.NO_REQUEST: "import it into the store that made the request, or request a new one",
    RejectReason.ALREADY_INSTALLED: "choose it with: fieldtool certs use NAME",
    RejectReason.ABOVE_ORDER: "tell the certificate desk: it granted more than was ordered",
    RejectReason.WRONG_ORGANISATION: "tell the certificate desk which organisation ordered it",
    RejectReason.TOKEN_UNKNOWN: "order a token from the certificate desk",
    RejectReason.TOKEN_USED: "a token is good for one certificate: order another",
    RejectReason.TOKEN_EXPIRED: "order a new token",
    RejectReason.NO_PROOF: "make the request again: fieldtool certs request",
    RejectReason.KEY_REUSED: "make a new request: each certificate has a key of its own",
    RejectReason.OLDER_LIST: "use the latest list of the certificate desk",
    RejectReason.WRONG_FINGERPRINT: "compare the fingerprint with what the certificate desk says on the phone",
    RejectReason.CLOCK: "set this computer's clock",
    RejectReason.DECLINED: "",
}


class CertificateRejected(KeystoreError):
    """Something is not accepted; `reason` says why in one word, and the hint follows from it."""

    def __init__(self, reason: RejectReason, message: str, hint: str | None = None) -> None:
        super().__init__(message, _HINTS[reason] if hint is None else hint)
        self.reason = reason


class ConfirmationNeeded(KeystoreError):
    """Nothing is wrong, but somebody has to say yes first; `message` is what they should know."""


class NotPermitted(KeystoreError):
    """The level in use does not allow the action."""
