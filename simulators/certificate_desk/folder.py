"""A desk in a folder: its books as JSON, its certificates and, in clear, its keys as PEM.

The keys protect nothing but simulated meters: a real desk keeps them in hardware.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from keystore.certificates.certificate import read_certificate
from keystore.certificates.errors import CertificateRejected
from keystore.certificates.grant import decode_grant, encode_grant
from keystore.time_text import time_of, time_text
from simulators.certificate_desk.books import DeskBooks, IssuedEntry, Order, TokenEntry, TokenState
from simulators.certificate_desk.desk import CertificateDesk
from simulators.certificate_desk.issuing import Authority, RandomBytes
from simulators.errors import SimulatorError

BOOKS: Final = "desk.json"
BOOKS_VERSION: Final = 1


def create_folder(folder: Path, desk: CertificateDesk) -> None:
    """Put a new desk into a folder; `SimulatorError` when one is there already, or it cannot be written."""
    if (folder / BOOKS).exists():
        raise SimulatorError(f"there is a certificate desk in {folder} already", "choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SimulatorError(f"folder {folder} cannot be made: {error.strerror}", "choose another folder") from error
    save_desk(folder, desk)


def save_desk(folder: Path, desk: CertificateDesk) -> None:
    """Write everything of a desk; the books last, so that they never name what is not there."""
    try:
        _save_authority(folder / "anchor", desk.anchor)
        for number, issuer in enumerate(desk.issuers, 1):
            _save_authority(folder / f"issuer-{number}", issuer)
        text = json.dumps(_books_document(desk), indent=1, ensure_ascii=False)
        _write(folder / BOOKS, text.encode())
    except OSError as error:
        raise SimulatorError(f"the desk in {folder} cannot be written: {error.strerror}", "check the folder") from error


def load_desk(folder: Path, random_bytes: RandomBytes) -> CertificateDesk:
    """Read a desk; `SimulatorError` when there is none, or it cannot be read."""
    try:
        document = json.loads((folder / BOOKS).read_bytes())
        if document["version"] != BOOKS_VERSION:
            raise SimulatorError(f"the desk in {folder} was written by a newer version", "update the program")
        anchor = _load_authority(folder / "anchor")
        issuers = [_load_authority(folder / f"issuer-{number}") for number in range(1, document["issuers"] + 1)]
        return CertificateDesk(anchor, issuers, _books(document), random_bytes)
    except FileNotFoundError:
        raise SimulatorError(
            f"there is no certificate desk in {folder}", "make one with: fieldtool simulate desk create"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, CertificateRejected):
        raise SimulatorError(f"the desk in {folder} cannot be read", "delete the folder and make a new one") from None


def _save_authority(stem: Path, authority: Authority) -> None:
    certificate, key = stem.with_suffix(".pem"), stem.with_suffix(".key")
    if key.exists():
        return
    pem = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(certificate, authority.certificate.x509.public_bytes(Encoding.PEM))
    _write(key, pem)


def _load_authority(stem: Path) -> Authority:
    key = load_pem_private_key(stem.with_suffix(".key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a P-256 key")
    from cryptography import x509

    pem = x509.load_pem_x509_certificate(stem.with_suffix(".pem").read_bytes())
    return Authority(read_certificate(pem.public_bytes(Encoding.DER)), key)


def _write(path: Path, data: bytes) -> None:
    """Write a file for its owner alone, whole or not at all."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _books_document(desk: CertificateDesk) -> dict[str, object]:
    books = desk.books
    return {
        "version": BOOKS_VERSION,
        "address": books.address,
        "issuers": len(desk.issuers),
        "orders": [
            {
                "number": order.number,
                "grant": encode_grant(order.grant).hex(),
                "ordered_at": time_text(order.ordered_at),
                "expires_at": time_text(order.expires_at),
                "tokens": [
                    {"identity": one.identity, "state": str(one.state), "serial": one.serial} for one in order.tokens
                ],
            }
            for order in books.orders
        ],
        "issued": [
            {
                "serial": one.serial,
                "order": one.order,
                "organisation": one.organisation,
                "tag": one.tag,
                "level": one.level,
                "key": one.key,
                "issuer": one.issuer,
                "not_after": time_text(one.not_after),
                "revoked_at": None if one.revoked_at is None else time_text(one.revoked_at),
            }
            for one in books.issued
        ],
        "list_numbers": dict(books.list_numbers),
    }


def _books(document: dict[str, Any]) -> DeskBooks:
    orders = tuple(
        Order(
            entry["number"],
            decode_grant(bytes.fromhex(entry["grant"])),
            time_of(entry["ordered_at"]),
            time_of(entry["expires_at"]),
            tuple(TokenEntry(one["identity"], TokenState(one["state"]), one["serial"]) for one in entry["tokens"]),
        )
        for entry in document["orders"]
    )
    issued = tuple(
        IssuedEntry(
            **{
                **entry,
                "not_after": time_of(entry["not_after"]),
                "revoked_at": None if entry["revoked_at"] is None else time_of(entry["revoked_at"]),
            }
        )
        for entry in document["issued"]
    )
    return DeskBooks(document["address"], orders, issued, tuple(document["list_numbers"].items()))
