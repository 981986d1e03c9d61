"""Tokens: what the certificate desk sends for each certificate that was ordered, and what a request must prove.

    RequestToken ::= SEQUENCE {
        version       INTEGER (1),
        secret        OCTET STRING (SIZE (16)),
        organisation  UTF8String (SIZE (1..64)),
        capabilities  BIT STRING,                  -- as in FieldGrant: the level that was ordered
        order         UTF8String (SIZE (1..40)),
        expires       GeneralizedTime,
        address       UTF8String (SIZE (3..254))   -- the e-mail address that requests go to
    }

The secret makes a token good for one request; until then, whoever has the token can use it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from keystore.certificates import der
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.grant import ORGANISATION_LENGTH
from keystore.certificates.levels import NOTHING, Capability

TOKEN_VERSION: Final = 1
SECRET_BYTES: Final = 16
ORDER_LENGTH: Final = 40
ADDRESS_LENGTH: Final = 254
_ADDRESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9][A-Za-z0-9.-]*")


@dataclass(frozen=True, slots=True)
class Token:
    """One token; raises `ValueError` for what no desk may send. Does not show its secret."""

    secret: bytes = field(repr=False)
    organisation: str
    capabilities: Capability
    order: str
    expires_at: datetime
    address: str

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET_BYTES:
            raise ValueError(f"a token's secret has {SECRET_BYTES} bytes")
        if not self.capabilities:
            raise ValueError("a token orders a level")
        for text, longest in ((self.organisation, ORGANISATION_LENGTH), (self.order, ORDER_LENGTH)):
            if not 1 <= len(text) <= longest or not text.isprintable():
                raise ValueError(f"organisation and order have 1 to {longest} printable characters")
        if len(self.address) > ADDRESS_LENGTH or not _ADDRESS.fullmatch(self.address):
            raise ValueError("a token says which e-mail address its request goes to")

    @property
    def identity(self) -> str:
        """What tells tokens apart without giving one away: SHA-256 of the secret, in hex."""
        return token_identity(self.secret)


def token_identity(secret: bytes) -> str:
    """Return SHA-256 of a token's secret, in hex."""
    return hashlib.sha256(b"fieldtool token\0" + secret).hexdigest()


def encode_token(token: Token) -> bytes:
    """Return a token's bytes."""
    return der.write(
        der.SEQUENCE,
        der.write_integer(TOKEN_VERSION),
        der.write(der.OCTET_STRING, token.secret),
        der.write(der.UTF8_STRING, token.organisation.encode()),
        der.write_bits(one.value.bit_length() - 1 for one in token.capabilities),
        der.write(der.UTF8_STRING, token.order.encode()),
        der.write_time(token.expires_at),
        der.write(der.UTF8_STRING, token.address.encode()),
    )


def decode_token(data: bytes) -> Token:
    """Return the token of its bytes; `CertificateRejected` (`malformed`) for anything else."""
    try:
        reader = der.read_one(der.SEQUENCE, data)
        version = der.read_integer(reader.read(der.INTEGER))
        if version != TOKEN_VERSION:
            raise der.DerError(f"version {version} is not known")
        secret = reader.read(der.OCTET_STRING)
        organisation = der.read_utf8(reader.read(der.UTF8_STRING), ORGANISATION_LENGTH)
        capabilities = NOTHING
        for bit in der.read_bits(reader.read(der.BIT_STRING)):
            capabilities |= Capability(1 << bit)
        order = der.read_utf8(reader.read(der.UTF8_STRING), ORDER_LENGTH)
        expires_at = der.read_time(reader.read(der.GENERALIZED_TIME))
        address = der.read_utf8(reader.read(der.UTF8_STRING), ADDRESS_LENGTH)
        reader.end()
        return Token(secret, organisation, capabilities, order, expires_at, address)
    except ValueError as error:
        raise CertificateRejected(RejectReason.MALFORMED, f"the token cannot be read: {error}") from None
