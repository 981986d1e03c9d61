"""The unlock slots of a vault: list, add, change, remove; the data is never touched."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keystore.audit import AuditAction
from keystore.errors import Damaged, KeychainUnavailable, KeystoreError, LastSlot, NotFound, PassphraseRefused
from keystore.passphrase_policy import PassphrasePolicy, judge
from keystore.vault import kdf, keychain, primitives, recovery
from keystore.vault.audit_trail import UseSession
from keystore.vault.header import MAX_SLOTS, Header, check_header, with_slots
from keystore.vault.kdf import KdfParameters
from keystore.vault.keychain import Keychain
from keystore.vault.opening import Opened, open_root
from keystore.vault.session import Clerk, Session, StoreFile, read_header
from keystore.vault.slots import AnySlot, Credential, Slot, SlotKind

_NEVER_LOST: Final = (SlotKind.PASSPHRASE, SlotKind.RECOVERY)
"""Kinds of which one must stay: a keychain is gone with its computer."""


@dataclass(frozen=True, slots=True)
class SlotInfo:
    """What is shown of a slot: its number, what opens it, and what opening costs."""

    slot_id: int
    kind: str
    label: str
    created_at: datetime | None
    cost: str


class SlotDesk:
    """Adds, changes and removes the slots of one vault.

    What wraps the root key anew needs a credential that opens the store now, even when the vault is unlocked: an
    unlocked vault does not hold the root key.
    """

    def __init__(self, file: StoreFile, clerk: Clerk, use: UseSession, written: Callable[[], None]) -> None:
        self._file = file
        self._clerk = clerk
        self._use = use
        self._written = written

    @property
    def header(self) -> Header:
        """The header as it stands in the file; proven only by an unlock."""
        body, checksum, _ = read_header(self._file)
        return check_header(body, checksum)

    @property
    def policy(self) -> PassphrasePolicy:
        """What the store demands of a new passphrase."""
        return self.header.policy

    def list(self) -> tuple[SlotInfo, ...]:
        """Return all slots; works on a locked vault."""
        return tuple(_info(slot) for slot in self.header.slots)

    def add_passphrase(
        self, credential: str | Credential, passphrase: str, parameters: KdfParameters | None = None, *, label: str = ""
    ) -> int:
        """Add a passphrase; return the slot's number. Raises `WrongPassphrase`, `PassphraseRefused`."""
        check_passphrase(passphrase, self.policy)
        opened = self._open(credential)
        new = Credential.passphrase(passphrase)
        return self._add(opened, new, parameters or kdf.calibrate(), label)

    def change_passphrase(
        self, credential: str | Credential, passphrase: str, parameters: KdfParameters | None = None
    ) -> int:
        """Replace the passphrase that `credential` is, or, when it is a recovery key, the first passphrase there is.

        Whoever has an older copy of the file and the old passphrase can still open that copy. Return the slot's number.
        """
        check_passphrase(passphrase, self.policy)
        opened = self._open(credential)
        slot = opened.slot
        if slot.kind is not SlotKind.PASSPHRASE:
            found = [one for one in opened.header.known_slots if one.kind is SlotKind.PASSPHRASE]
            if not found:
                return self._add(opened, Credential.passphrase(passphrase), parameters or kdf.calibrate(), "")
            slot = found[0]
        new = Slot.seal(
            Credential.passphrase(passphrase),
            opened.root,
            opened.header.store_id,
            slot_id=slot.slot_id,
            parameters=parameters or kdf.calibrate(),
            label=slot.label,
            created_at=self._clerk.now(),
        )
        slots = tuple(new if one.slot_id == slot.slot_id else one for one in opened.header.slots)
        self._write(opened.session(self._file, self._clerk), opened.header, slots, AuditAction.SLOT_CHANGED, slot)
        return slot.slot_id

    def add_recovery(self, credential: str | Credential, *, label: str = "") -> str:
        """Add a recovery key and return it as printed: it can never be shown again."""
        opened = self._open(credential)
        key = secrets.token_bytes(recovery.KEY_BYTES)
        self._add(opened, Credential(SlotKind.RECOVERY, key), None, label)
        return recovery.format_recovery_key(key)

    def add_keychain(self, credential: str | Credential, chain: Keychain, *, label: str = "") -> int:
        """Add a slot whose key the system's keychain keeps; return its number. Raises `KeychainUnavailable`."""
        opened = self._open(credential)
        slot_id = opened.header.next_slot_id
        key = secrets.token_bytes(primitives.KEY_BYTES)
        name = keychain.slot_name(opened.header.store_id, slot_id)
        chain.write(name, key)
        try:
            return self._add(opened, Credential.keychain_key(key), None, label)
        except KeystoreError:
            chain.remove(name)
            raise

    def remove(self, slot_id: int, chain: Keychain | None = None) -> None:
        """Remove a slot of an unlocked vault.

        Raises `NotFound`, and `LastSlot` when neither a passphrase nor a recovery key would be left. A keychain slot's
        key is taken out of `chain` too, as far as that can be reached.
        """
        with self._use() as session:
            header = self.header
            slot = next((one for one in header.slots if one.slot_id == slot_id), None)
            if slot is None:
                raise NotFound(f"there is no slot {slot_id}", "see: fieldtool store slots")
            left = tuple(one for one in header.slots if one.slot_id != slot_id)
            if not any(one.kind in _NEVER_LOST for one in left):
                raise LastSlot(
                    f"slot {slot_id} is the last passphrase or recovery key", "add another one before this is removed"
                )
            self._write(session, header, left, AuditAction.SLOT_REMOVED, slot)
        if chain is not None and slot.kind == SlotKind.KEYCHAIN:
            try:
                chain.remove(keychain.slot_name(header.store_id, slot_id))
            except KeychainUnavailable:
                return  # the slot is gone: what the keychain still holds opens nothing

    def _open(self, credential: str | Credential) -> Opened:
        return open_root(self.header, credential, self._file.path)

    def _add(self, opened: Opened, credential: Credential, parameters: KdfParameters | None, label: str) -> int:
        header = opened.header
        slot = _new_slot(header, opened.root, credential, parameters, label, self._clerk)
        session = opened.session(self._file, self._clerk)
        self._write(session, header, (*header.slots, slot), AuditAction.SLOT_ADDED, slot)
        return slot.slot_id

    def _write(
        self, session: Session, header: Header, slots: tuple[AnySlot, ...], action: AuditAction, slot: AnySlot
    ) -> None:
        _write_slots(session, header, slots, action, slot)
        self._written()


def add_passphrase_with_root(
    file: StoreFile, clerk: Clerk, root: bytes, passphrase: str, parameters: KdfParameters | None = None
) -> None:
    """Add a passphrase to a store whose root key is at hand, as it is while a backup is restored."""
    body, checksum, _ = read_header(file)
    header = check_header(body, checksum)
    check_passphrase(passphrase, header.policy)
    credential = Credential.passphrase(passphrase)
    slot = _new_slot(header, root, credential, parameters or kdf.calibrate(), "after restore", clerk)
    session = Session(file, header.store_id, primitives.derive_subkeys(root, header.store_id), clerk)
    _write_slots(session, header, (*header.slots, slot), AuditAction.SLOT_ADDED, slot)


def _new_slot(
    header: Header, root: bytes, credential: Credential, parameters: KdfParameters | None, label: str, clerk: Clerk
) -> Slot:
    if len(header.slots) >= MAX_SLOTS:
        raise KeystoreError(f"the store has {MAX_SLOTS} slots already", "remove one that is no longer used")
    return Slot.seal(
        credential,
        root,
        header.store_id,
        slot_id=header.next_slot_id,
        parameters=parameters,
        label=label,
        created_at=clerk.now(),
    )


def _write_slots(
    session: Session, header: Header, slots: tuple[AnySlot, ...], action: AuditAction, slot: AnySlot
) -> None:
    """Write a header with other slots; the one that was read must still be there, and proven."""
    path = session.file.path
    with session.writing() as writer:
        body, checksum, mac = read_header(session.file)
        if not primitives.same_bytes(primitives.header_mac(session.keys, body), mac):
            raise Damaged(f"keystore {path}: the header was altered", "restore the store from a backup")
        if check_header(body, checksum).slots != header.slots:
            raise KeystoreError(f"keystore {path}: its slots were changed by another process", "try again")
        writer.replace_header(with_slots(body, slots))
        writer.note(action, f"slot {slot.slot_id}", kind=str(slot.kind), label=slot.label)


def check_passphrase(passphrase: str, policy: PassphrasePolicy) -> None:
    """Raise `PassphraseRefused` unless the policy allows a new passphrase."""
    if not passphrase:
        raise PassphraseRefused("the passphrase is empty", "choose four words that do not belong together")
    judgement = judge(passphrase, policy)
    if not judgement.ok:
        raise PassphraseRefused(
            f"the passphrase still needs {', '.join(judgement.missing)}", f"the store asks for {policy.text}"
        )


def _info(slot: AnySlot) -> SlotInfo:
    parameters = slot.parameters if isinstance(slot, Slot) else None
    cost = "" if parameters is None else f"Argon2id {parameters.memory_kib // 1024} MiB x {parameters.iterations}"
    return SlotInfo(slot.slot_id, str(slot.kind), slot.label, slot.created_at if isinstance(slot, Slot) else None, cost)
