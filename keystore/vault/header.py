"""The header of a store: format version, store id, passphrase policy and the unlock slots, as JSON bytes.

Each slot wraps the same random 32-byte root key, so that a slot can be added, changed or removed without touching the
data. The exact bytes are stored, checksummed (damage is told from a wrong passphrase) and MACed under the root key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keystore.errors import Damaged, NewerFormat
from keystore.passphrase_policy import POLICIES, PassphrasePolicy, PolicyName
from keystore.time_text import time_of, time_text
from keystore.vault import kdf
from keystore.vault.kdf import KdfParameters
from keystore.vault.primitives import DIGEST_BYTES, FORMAT_VERSION, NONCE_BYTES, STORE_ID_BYTES
from keystore.vault.slots import SALT_BYTES, WRAPPED_BYTES, AnySlot, ForeignSlot, Slot, SlotKind

MAX_HEADER_BYTES: Final = 64 * 1024
MAX_SLOTS: Final = 32
_KINDS: Final = frozenset(SlotKind)


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a store that is in clear.

    `documents` says which generation last wrote each document, by the document's blind look-up word in hex: as the
    header has a MAC, nobody can put an older row of a document back unnoticed.
    """

    store_id: bytes
    created_at: datetime
    slots: tuple[AnySlot, ...]
    policy_name: str = PolicyName.LENGTH
    documents: tuple[tuple[str, int], ...] = ()

    @property
    def policy(self) -> PassphrasePolicy:
        """The policy of new passphrases; one that this version does not know becomes the strictest that it does."""
        known = self.policy_name in set(PolicyName)
        return POLICIES[PolicyName(self.policy_name) if known else PolicyName.FOUR_CLASSES_12]

    @property
    def known_slots(self) -> tuple[Slot, ...]:
        """The slots that this version can open."""
        return tuple(slot for slot in self.slots if isinstance(slot, Slot))

    def written_at(self, term: bytes) -> int | None:
        """The generation that last wrote the document of a look-up word, None when that was never noted."""
        return dict(self.documents).get(term.hex())

    @property
    def next_slot_id(self) -> int:
        """An id that no slot has; ids of removed slots may come again, with other salts."""
        return max(slot.slot_id for slot in self.slots) + 1


def header_checksum(body: bytes) -> bytes:
    """Return SHA-256 of the header's bytes: tells a damaged header from a wrong passphrase, proves nothing."""
    return hashlib.sha256(body).digest()


def encode_header(header: Header) -> bytes:
    """Return the bytes of a new store's header: JSON in UTF-8."""
    return _json(
        {
            "format": FORMAT_VERSION,
            "store_id": header.store_id.hex(),
            "created_at": time_text(header.created_at, "seconds"),
            "policy": header.policy_name,
            "slots": [_slot_document(slot) for slot in header.slots],
        }
    )


def with_slots(body: bytes, slots: Iterable[AnySlot]) -> bytes:
    """Return the bytes of a proven header with other slots; what it holds besides stays, known or not."""
    return _json({**json.loads(body), "slots": [_slot_document(slot) for slot in slots]})


def with_documents(body: bytes, written: Mapping[str, int]) -> bytes:
    """Return the bytes of a proven header in which these documents were written, by look-up word and generation."""
    document = json.loads(body)
    return _json({**document, "documents": {**document.get("documents", {}), **written}})


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
        header = Header(
            bytes.fromhex(document["store_id"]),
            time_of(document["created_at"]),
            tuple(_slot(fields) for fields in document["slots"]),
            _text(document, "policy"),
            _documents(document.get("documents", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged() from None
    identifiers = {slot.slot_id for slot in header.slots}
    if version != FORMAT_VERSION or len(header.store_id) != STORE_ID_BYTES:
        raise _damaged()
    if not 1 <= len(header.slots) <= MAX_SLOTS or len(identifiers) != len(header.slots):
        raise _damaged()
    for slot in header.known_slots:
        if slot.parameters is not None:
            slot.parameters.check()
    return header


def check_header(body: bytes, checksum: bytes) -> Header:
    """Return the header after its checksum was found right; else `Damaged`."""
    if len(checksum) != DIGEST_BYTES or header_checksum(body) != checksum:
        raise _damaged()
    return decode_header(body)


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _slot_document(slot: AnySlot) -> dict[str, object]:
    if isinstance(slot, ForeignSlot):
        return {"id": slot.slot_id, "kind": slot.kind, **slot.fields}
    document: dict[str, object] = {"id": slot.slot_id, "kind": str(slot.kind), "label": slot.label}
    if slot.created_at is not None:
        document["created_at"] = time_text(slot.created_at, "seconds")
    if slot.parameters is not None:
        document |= {
            "kdf": kdf.KDF_NAME,
            "memory_kib": slot.parameters.memory_kib,
            "iterations": slot.parameters.iterations,
            "lanes": slot.parameters.lanes,
        }
    return document | {"salt": slot.salt.hex(), "nonce": slot.nonce.hex(), "wrapped": slot.wrapped.hex()}


def _slot(fields: dict[str, object]) -> AnySlot:
    slot_id, kind = _integer(fields, "id"), _text(fields, "kind")
    stretched = kind == SlotKind.PASSPHRASE
    if kind not in _KINDS or (stretched and fields["kdf"] != kdf.KDF_NAME):
        return ForeignSlot(slot_id, kind, {k: v for k, v in fields.items() if k not in {"id", "kind"}})
    salt, nonce, wrapped = (bytes.fromhex(_text(fields, name)) for name in ("salt", "nonce", "wrapped"))
    if (len(salt), len(nonce), len(wrapped)) != (SALT_BYTES, NONCE_BYTES, WRAPPED_BYTES):
        raise ValueError("slot field lengths")
    cost = [_integer(fields, name) for name in ("memory_kib", "iterations", "lanes")] if stretched else []
    return Slot(
        slot_id,
        SlotKind(kind),
        salt,
        nonce,
        wrapped,
        KdfParameters(*cost) if cost else None,
        _text(fields, "label"),
        time_of(_text(fields, "created_at")) if "created_at" in fields else None,
    )


def _documents(fields: dict[str, object]) -> tuple[tuple[str, int], ...]:
    found = []
    for term, generation in fields.items():
        if type(generation) is not int or not 0 <= generation < 1 << 63:
            raise ValueError("documents")
        found.append((bytes.fromhex(term).hex(), generation))
    return tuple(sorted(found))


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
