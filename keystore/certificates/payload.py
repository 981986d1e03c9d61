"""What stands in a QR code or a pasted text: a prefix that says what it is, then Base45 of the deflated bytes.

The zlib stream makes the code smaller and carries a checksum, so that a text that lost a character on its way through
an e-mail is told from a bad certificate. Several DER structures (a certificate and its issuer's) stand one behind the
other.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from keystore.certificates import base45
from keystore.certificates.errors import CertificateRejected, RejectReason

LONGEST_PAYLOAD: Final = 16 * 1024
"""Bytes after inflating: ten times the largest code; a deflated bomb ends here."""
LONGEST_TEXT: Final = 32 * 1024
"""Characters: what can hold the longest payload."""


class PayloadKind(StrEnum):
    """What a payload holds; the value is its prefix."""

    CERTIFICATE = "MTC1:"
    TOKEN = "MTT1:"  # noqa: S105 - a prefix, not a token
    REQUEST = "MTR1:"
    REVOCATIONS = "MTL1:"
    ANCHOR = "MTA1:"

    @property
    def text(self) -> str:
        """What it is, in words."""
        return _TEXTS[self]


_TEXTS: Final = {
    PayloadKind.CERTIFICATE: "a certificate",
    PayloadKind.TOKEN: "a token for a request",
    PayloadKind.REQUEST: "a certificate request",
    PayloadKind.REVOCATIONS: "a revocation list",
    PayloadKind.ANCHOR: "a trust anchor",
}
_FIRST: Final = re.compile("|".join(re.escape(kind) for kind in PayloadKind))


@dataclass(frozen=True, slots=True)
class Payload:
    """What was read from a code or a text; the bytes may be a token, and do not show."""

    kind: PayloadKind
    data: bytes = field(repr=False)


def write_payload(kind: PayloadKind, data: bytes) -> str:
    """Return the text of a payload, for a QR code's alphanumeric mode."""
    return kind + base45.encode(zlib.compress(data, 9))


def is_payload(text: str) -> bool:
    """True when a text begins as one of ours."""
    return _FIRST.match(text) is not None


def find_payload(text: str) -> Payload | None:
    """Return the one payload in a pasted text, wherever it begins and however its lines were wrapped; None without one.

    Raises `CertificateRejected`: two codes, or what follows the prefix cannot be read.
    """
    starts = list(_FIRST.finditer(text))
    if not starts:
        return None
    # An empty line ends the code; a line's end within it was put there by a mail program.
    body = re.split(r"\n\s*\n", text[starts[0].start() :].replace("\r", ""))[0].replace("\n", "")
    try:
        return read_payload(body)
    except CertificateRejected:
        # The prefix's characters may also come up by chance within a code: that one reads well.
        if len(starts) > 1:
            message = "the text holds more than one code"
            raise CertificateRejected(RejectReason.TWO_CODES, message, "paste one at a time") from None
        raise


def read_payload(text: str) -> Payload:
    """Return the payload of a text that begins with a known prefix; `CertificateRejected` (`unreadable`) if damaged."""
    start = _FIRST.match(text)
    if start is None:
        raise CertificateRejected(RejectReason.FOREIGN_CODE, "the code is not from a certificate desk")
    kind = PayloadKind(start[0])
    if len(text) > LONGEST_TEXT:
        raise CertificateRejected(RejectReason.TOO_LARGE, f"the code has more than {LONGEST_TEXT} characters")
    try:
        packed = base45.decode(text[start.end() :].rstrip("\r\n\t"))
        inflater = zlib.decompressobj()
        data = inflater.decompress(packed, LONGEST_PAYLOAD + 1)
    except (ValueError, zlib.error):
        raise _damaged(kind) from None
    if len(data) > LONGEST_PAYLOAD:
        raise CertificateRejected(RejectReason.TOO_LARGE, f"the code holds more than {LONGEST_PAYLOAD} bytes")
    if not inflater.eof or inflater.unused_data or not data:
        raise _damaged(kind)
    return Payload(kind, data)


def _damaged(kind: PayloadKind) -> CertificateRejected:
    return CertificateRejected(
        RejectReason.UNREADABLE,
        f"the text of {kind.text} is damaged or not complete",
        "copy all of it, or use the picture or the file",
    )
