"""Everything about certificates that a store holds, as one value: anchors, requests, certificates, lists, the clock.

A wallet is sealed in the vault as one JSON document; keys and tokens are in it, so that it never leaves the vault and
its parts do not show.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from keystore.certificates.certificate import FieldCertificate, read_certificate
from keystore.certificates.levels import Capability
from keystore.certificates.revocation import RevocationList, read_list
from keystore.certificates.token import Token
from keystore.errors import Damaged, NewerFormat
from keystore.time_text import time_of, time_text

WALLET_VERSION: Final = 1
CERTIFICATES_KEPT: Final = 256
"""Certificates that are kept as read, the latest ones used; about 15 KiB each."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; it signs, and does not show itself. The bytes are PKCS #8, for the vault alone."""

    pkcs8: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new P-256 key from the system's randomness."""
        return cls.of(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def of(cls, key: ec.EllipticCurvePrivateKey) -> SigningKey:
        """Keep a key."""
        return cls(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))

    def open(self) -> ec.EllipticCurvePrivateKey:
        """Return the key as the library's; `Damaged` when it is none."""
        try:
            key = load_der_private_key(self.pkcs8, None)
        except (ValueError, TypeError):
            raise _damaged() from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _damaged()
        return key

    def sign(self, message: bytes) -> bytes:
        """Return the ECDSA signature with SHA-256, DER."""
        return self.open().sign(message, ec.ECDSA(SHA256()))

    def is_key_of(self, public_key: ec.EllipticCurvePublicKey) -> bool:
        """True when a public key belongs to this one."""
        return self.open().public_key().public_numbers() == public_key.public_numbers()


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that was made and not answered yet: its token, its tag, its key, and the request as it was sent."""

    token: Token
    tag: str
    key: SigningKey
    request: bytes = field(repr=False)
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate with its key, the issuers that came with it, and what was ordered."""

    certificate: FieldCertificate
    issuers: tuple[FieldCertificate, ...]
    key: SigningKey
    tag: str
    ordered: Capability
    token_identity: str
    imported_at: datetime

    @property
    def name(self) -> str:
        """What it is called on the command line: its serial number in hex."""
        return self.certificate.serial_text


@dataclass(frozen=True, slots=True)
class Wallet:
    """All there is; `active` is the fingerprint of the certificate in use, `latest_seen` the clock guard's memory."""

    anchors: tuple[FieldCertificate, ...] = ()
    requests: tuple[PendingRequest, ...] = ()
    credentials: tuple[Credential, ...] = ()
    lists: tuple[RevocationList, ...] = ()
    active: str = ""
    latest_seen: datetime | None = None

    @property
    def active_credential(self) -> Credential | None:
        """The certificate in use; None for a consumer."""
        return next((one for one in self.credentials if one.certificate.fingerprint == self.active), None)

    def seen(self, now: datetime) -> Wallet:
        """Remember a moment that the clock was trusted at; the memory never goes back."""
        if self.latest_seen is not None and now <= self.latest_seen:
            return self
        return replace(self, latest_seen=now)


def encode_wallet(wallet: Wallet) -> bytes:
    """Return the document that is sealed in the vault."""
    document = {
        "version": WALLET_VERSION,
        "anchors": [_text(anchor.data) for anchor in wallet.anchors],
        "requests": [
            {
                "secret": _text(one.token.secret),
                "organisation": one.token.organisation,
                "capabilities": one.token.capabilities.value,
                "order": one.token.order,
                "expires_at": time_text(one.token.expires_at),
                "address": one.token.address,
                "tag": one.tag,
                "key": _text(one.key.pkcs8),
                "request": _text(one.request),
                "made_at": time_text(one.made_at),
            }
            for one in wallet.requests
        ],
        "credentials": [
            {
                "certificate": _text(one.certificate.data),
                "issuers": [_text(issuer.data) for issuer in one.issuers],
                "key": _text(one.key.pkcs8),
                "tag": one.tag,
                "ordered": one.ordered.value,
                "token_identity": one.token_identity,
                "imported_at": time_text(one.imported_at),
            }
            for one in wallet.credentials
        ],
        "lists": [_text(one.data) for one in wallet.lists],
        "active": wallet.active,
        "latest_seen": None if wallet.latest_seen is None else time_text(wallet.latest_seen),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def decode_wallet(data: bytes) -> Wallet:
    """Return the wallet of a document; `Damaged` when it is none, `NewerFormat` for a later version."""
    try:
        document = json.loads(data)
        version = document.pop("version")
        if version > WALLET_VERSION:
            raise NewerFormat("the store's certificates were written by a newer version", "update the program")
        latest = document.pop("latest_seen")
        return Wallet(
            anchors=tuple(_certificate(text) for text in document.pop("anchors")),
            requests=_all(_request, document.pop("requests")),
            credentials=_all(_credential, document.pop("credentials")),
            lists=tuple(read_list(_bytes(text)) for text in document.pop("lists")),
            active=document.pop("active"),
            latest_seen=None if latest is None else time_of(latest),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged() from None


_Entry = Callable[[dict[str, Any]], Any]


def _all(read: _Entry, entries: list[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(read(entry) for entry in entries)


def _request(entry: dict[str, Any]) -> PendingRequest:
    token = Token(
        secret=_bytes(entry["secret"]),
        organisation=entry["organisation"],
        capabilities=Capability(entry["capabilities"]),
        order=entry["order"],
        expires_at=time_of(entry["expires_at"]),
        address=entry["address"],
    )
    key = SigningKey(_bytes(entry["key"]))
    return PendingRequest(token, entry["tag"], key, _bytes(entry["request"]), time_of(entry["made_at"]))


def _credential(entry: dict[str, Any]) -> Credential:
    return Credential(
        certificate=_certificate(entry["certificate"]),
        issuers=tuple(_certificate(text) for text in entry["issuers"]),
        key=SigningKey(_bytes(entry["key"])),
        tag=entry["tag"],
        ordered=Capability(entry["ordered"]),
        token_identity=entry["token_identity"],
        imported_at=time_of(entry["imported_at"]),
    )


@lru_cache(maxsize=CERTIFICATES_KEPT)
def _read_certificate(data: bytes) -> FieldCertificate:
    # The wallet is read anew for every question about a level; what its certificates say depends on their bytes alone.
    return read_certificate(data)


def _certificate(text: str) -> FieldCertificate:
    return _read_certificate(_bytes(text))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _damaged() -> Damaged:
    return Damaged("the certificates in the store cannot be read", "run: fieldtool store verify")
