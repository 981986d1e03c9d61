"""From a credential to the root key of a store."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from keystore.errors import WrongPassphrase
from keystore.vault import primitives, recovery
from keystore.vault.header import Header
from keystore.vault.session import Clerk, Session, StoreFile
from keystore.vault.slots import Credential, Slot, SlotKind


@dataclass(frozen=True, slots=True)
class Opened:
    """A header, the slot that opened, and the root key; to be kept no longer than one operation takes."""

    header: Header
    slot: Slot
    root: bytes = field(repr=False)

    def session(self, file: StoreFile, clerk: Clerk) -> Session:
        """Return a session of the store."""
        store_id = self.header.store_id
        return Session(file, store_id, primitives.derive_subkeys(self.root, store_id), clerk)


def open_root(header: Header, credential: str | Credential, path: Path) -> Opened:
    """Open the first slot that the credential fits; a text may be a passphrase or a printed recovery key.

    Raises `WrongPassphrase` when none opens; a text that can only be a recovery key raises `RecoveryKeyMistyped` when
    it was mistyped and the store has such a slot.
    """
    for one in _meant(header, credential) if isinstance(credential, str) else (credential,):
        for slot in header.known_slots:
            root = slot.open(one, header.store_id)
            if root is not None:
                return Opened(header, slot, root)
    if isinstance(credential, str) or credential.kind is SlotKind.PASSPHRASE:
        raise WrongPassphrase(f"the passphrase does not open keystore {path}", "check the passphrase and try again")
    raise WrongPassphrase(f"the {credential.kind} key does not open keystore {path}", "use the passphrase")


def _meant(header: Header, text: str) -> tuple[Credential, ...]:
    """Return what a typed text may be: the recovery key first, since trying it costs nothing."""
    has_recovery = any(slot.kind is SlotKind.RECOVERY for slot in header.known_slots)
    if has_recovery and recovery.is_recovery_key(text):
        return Credential.recovery_key(text), Credential.passphrase(text)
    return (Credential.passphrase(text),)
