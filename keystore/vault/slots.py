"""The ways to the root key: passphrase, printed recovery key, the system's keychain; one kind of slot each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from keystore.vault import kdf, recovery
from keystore.vault.kdf import KdfParameters
from keystore.vault.primitives import (
    KEY_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    hkdf,
    new_nonce,
    slot_aad,
    unwrap_root,
    wrap_root,
)

SALT_BYTES: Final = kdf.SALT_BYTES
WRAPPED_BYTES: Final = KEY_BYTES + TAG_BYTES
MAX_LABEL: Final = 60


class SlotKind(StrEnum):
    """What opens a slot."""

    PASSPHRASE = "passphrase"  # noqa: S105 - a kind of slot
    RECOVERY = "recovery"
    KEYCHAIN = "keychain"


@dataclass(frozen=True, slots=True)
class Credential:
    """Something that may open a slot: its kind and its secret, which is never shown."""

    kind: SlotKind
    secret: bytes = field(repr=False)

    @classmethod
    def passphrase(cls, text: str) -> Credential:
        """A passphrase as typed."""
        return cls(SlotKind.PASSPHRASE, kdf.passphrase_bytes(text))

    @classmethod
    def recovery_key(cls, text: str) -> Credential:
        """A recovery key as printed; raises `RecoveryKeyMistyped`."""
        return cls(SlotKind.RECOVERY, recovery.parse_recovery_key(text))

    @classmethod
    def keychain_key(cls, wrapping_key: bytes) -> Credential:
        """The 32 bytes that a keychain keeps for a slot."""
        return cls(SlotKind.KEYCHAIN, wrapping_key)


@dataclass(frozen=True, slots=True)
class Slot:
    """The root key, wrapped under what a secret becomes; `parameters` only where the secret is a passphrase.

    A passphrase is stretched with Argon2id. Recovery keys and keychain keys are random and long: HKDF is enough.
    """

    slot_id: int
    kind: SlotKind
    salt: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    parameters: KdfParameters | None = None
    label: str = ""
    created_at: datetime | None = None

    @classmethod
    def seal(
        cls,
        credential: Credential,
        root: bytes,
        store_id: bytes,
        *,
        slot_id: int,
        parameters: KdfParameters | None = None,
        label: str = "",
        created_at: datetime | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Slot:
        """Wrap the root key under a credential with a new salt and nonce."""
        salt = random_bytes(SALT_BYTES)
        nonce = new_nonce() if random_bytes is secrets.token_bytes else random_bytes(NONCE_BYTES)
        kek = slot_key(credential, salt, parameters)
        wrapped = wrap_root(kek, root, slot_aad(store_id, slot_id, credential.kind), nonce)
        return cls(slot_id, credential.kind, salt, nonce, wrapped, parameters, label[:MAX_LABEL], created_at)

    def open(self, credential: Credential, store_id: bytes) -> bytes | None:
        """Return the root key, or None when the credential is not this slot's."""
        if credential.kind is not self.kind:
            return None
        kek = slot_key(credential, self.salt, self.parameters)
        return unwrap_root(kek, self.wrapped, slot_aad(store_id, self.slot_id, self.kind), self.nonce)


@dataclass(frozen=True, slots=True)
class ForeignSlot:
    """A slot of a kind this version does not open; kept as it is."""

    slot_id: int
    kind: str
    fields: Mapping[str, object] = field(repr=False)

    @property
    def label(self) -> str:
        """Nothing is known of it."""
        return ""


AnySlot = Slot | ForeignSlot


def slot_key(credential: Credential, salt: bytes, parameters: KdfParameters | None) -> bytes:
    """Return the key that wraps the root key: Argon2id of a passphrase, HKDF of everything else."""
    if credential.kind is SlotKind.PASSPHRASE:
        if parameters is None:
            raise ValueError("a passphrase slot needs parameters")
        return kdf.derive_bytes(credential.secret, salt, parameters)
    return hkdf(credential.secret, salt, f"slot {credential.kind}")
