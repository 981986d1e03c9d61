"""The header of a store: format version, store id and the unlock slots, as JSON bytes.

Each slot wraps the same random 32-byte root key, so that a slot can be added, changed or removed without touching the
data. The exact bytes are stored, checksummed (damage is told from a wrong passphrase) and MACed under the root key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from keystore.errors import Damaged, NewerFormat
from keystore.vault import kdf
from keystore.vault.kdf import KdfParameters
from keystore.vault.primitives import (
    DIGEST_BYTES,
    FORMAT_VERSION,
    KEY_BYTES,
    NONCE_BYTES,
    STORE_ID_BYTES,
    unwrap_root,
    wrap_root,
)

MAX_HEADER_BYTES: Final = 64 * 1024
MAX_SLOTS: Final = 32
WRAPPED_BYTES: Final = KEY_BYTES + 16


@dataclass(frozen=True, slots=True)
class PassphraseSlot:
    """A slot that opens with a passphrase: Argon2id parameters, salt, and the root key wrapped under the result."""

    slot_id: int
    parameters: KdfParameters
    salt: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    label: str = ""

    @classmethod
    def seal(
        cls,
        passphrase: str,
        parameters: KdfParameters,
        root: bytes,
        store_id: bytes,
        *,
        slot_id: int,
        random_bytes: Callable[[int], bytes],
        label: str = "",
    ) -> PassphraseSlot:
        """Wrap the root key under a passphrase with a new salt and nonce."""
        salt, nonce = random_bytes(kdf.SALT_BYTES), random_bytes(NONCE_BYTES)
        wrapped = wrap_root(kdf.derive(passphrase, salt, parameters), root, store_id, slot_id, nonce)
        return cls(slot_id, parameters, salt, nonce, wrapped, label)

    def open(self, passphrase: str, store_id: bytes) -> bytes | None:
        """Return the root key, or None when the passphrase is not this slot's."""
        kek = kdf.derive(passphrase, self.salt, self.parameters)
        return unwrap_root(kek, self.wrapped, store_id, self.slot_id, self.nonce)


@dataclass(frozen=True, slots=True)
class ForeignSlot:
    """A slot of a kind this version does not open; kept as it is."""

    slot_id: int
    kind: str
    fields: Mapping[str, object] = field(repr=False)


Slot = PassphraseSlot | ForeignSlot


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in clear in a store."""

    store_id: bytes
    created_at: datetime
    slots: tuple[Slot, ...]

    @property
    def passphrase_slots(self) -> tuple[PassphraseSlot, ...]:
        """The slots that a passphrase can open."""
        return tuple(slot for slot in self.slots if isinstance(slot, PassphraseSlot))


def header_checksum(body: bytes) -> bytes:
    """Return SHA-256 of the header's bytes: tells a damaged header from a wrong passphrase, proves nothing."""
    return hashlib.sha256(body).digest()


def encode_header(header: Header) -> bytes:
    """Return the header's bytes: JSON in UTF-8."""
    document = {
        "format": FORMAT_VERSION,
        "store_id": header.store_id.hex(),
        "created_at": header.created_at.astimezone(UTC).isoformat(timespec="seconds"),
        "slots": [_slot_document(slot) for slot in header.slots],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def decode_header(body: bytes) -> Header:
    """Return the header of its bytes.

    Raises `NewerFormat` for a later format version, `WorkFactorTooHigh` for a hostile slot, `Damaged` for anything
    else that was not written by `encode_header`.
    """
    if len(body) > MAX_HEADER_BYTES:
        raise _damaged()
    try:
        document = json.loads(body)
        version = document["format"]
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise NewerFormat(
                f"the store has format {version}, this version reads up to {FORMAT_VERSION}", "update the program"
            )
        slots = tuple(_slot(fields) for fields in document["slots"])
        header = Header(bytes.fromhex(document["store_id"]), datetime.fromisoformat(document["created_at"]), slots)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged() from None
    identifiers = {slot.slot_id for slot in header.slots}
    if version != FORMAT_VERSION or len(header.store_id) != STORE_ID_BYTES or header.created_at.tzinfo is None:
        raise _damaged()
    if not 1 <= len(header.slots) <= MAX_SLOTS or len(identifiers) != len(header.slots):
        raise _damaged()
    for slot in header.passphrase_slots:
        slot.parameters.check()
    return header


def check_header(body: bytes, checksum: bytes) -> Header:
    """Return the header after its checksum was found right; else `Damaged`."""
    if len(checksum) != DIGEST_BYTES or header_checksum(body) != checksum:
        raise _damaged()
    return decode_header(body)


def _slot_document(slot: Slot) -> dict[str, object]:
    if isinstance(slot, ForeignSlot):
        return {"id": slot.slot_id, "kind": slot.kind, **slot.fields}
    return {
        "id": slot.slot_id,
        "kind": "passphrase",
        "label": slot.label,
        "kdf": kdf.KDF_NAME,
        "memory_kib": slot.parameters.memory_kib,
        "iterations": slot.parameters.iterations,
        "lanes": slot.parameters.lanes,
        "salt": slot.salt.hex(),
        "nonce": slot.nonce.hex(),
        "wrapped": slot.wrapped.hex(),
    }


def _slot(fields: dict[str, object]) -> Slot:
    slot_id, kind = _integer(fields, "id"), _text(fields, "kind")
    if kind != "passphrase" or fields["kdf"] != kdf.KDF_NAME:
        return ForeignSlot(slot_id, kind, {k: v for k, v in fields.items() if k not in {"id", "kind"}})
    parameters = KdfParameters(
        _integer(fields, "memory_kib"), _integer(fields, "iterations"), _integer(fields, "lanes")
    )
    salt, nonce, wrapped = (bytes.fromhex(_text(fields, name)) for name in ("salt", "nonce", "wrapped"))
    if (len(salt), len(nonce), len(wrapped)) != (kdf.SALT_BYTES, NONCE_BYTES, WRAPPED_BYTES):
        raise ValueError("slot field lengths")
    return PassphraseSlot(slot_id, parameters, salt, nonce, wrapped, _text(fields, "label"))


def _integer(fields: dict[str, object], name: str) -> int:
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 32:
        raise ValueError(name)
    return value


def _text(fields: dict[str, object], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _damaged() -> Damaged:
    return Damaged("the store's header is damaged", "restore the store from a backup")
