"""Errors of the keystore.

KeystoreError(message, hint)   something about a store, a key file or a key; the message says what, the hint what to do
├─ WrongPassphrase             no slot of the store opens with this passphrase; the only one that means "try again"
├─ PassphraseRefused           a new passphrase is not what the store's policy wants
├─ RecoveryKeyMistyped         a recovery key's check characters do not fit; the message names the groups
├─ KeychainUnavailable         the system's keychain is missing, locked, or does not keep what it is given
├─ LastSlot                    the slot is the last way into the store
├─ Damaged                     the store or one of its rows is not what was written; carries no content
├─ NotAKeystore                the file is something else
├─ NewerFormat                 written by a newer version of the program
├─ WorkFactorTooHigh           the file asks for more memory or time to unlock than any honest store does
├─ Locked                      the operation needs an unlocked store
├─ InUse                       another process holds the store's write lock
├─ NotFound                    no store at this path, or no such key record
├─ AlreadyExists               a store is never created over an existing file
├─ StorageFailed               disk full, read-only file or folder, input/output error
└─ ImportRejected(reason)      a key file cannot be read at all; rows that cannot be used are quarantined instead
   ├─ PasswordNeeded           the key file is encrypted and no password was given
   └─ WrongPassword            the password is empty, too long, or does not open the key file

Messages never hold key bytes, passphrases or passwords.
"""

from __future__ import annotations

from enum import StrEnum


class KeystoreError(Exception):
    """What happened to which thing (`message`) and what to do about it (`hint`)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WrongPassphrase(KeystoreError):
    """No slot of the store opens with this passphrase."""


class PassphraseRefused(KeystoreError):
    """A new passphrase is not acceptable."""


class RecoveryKeyMistyped(KeystoreError):
    """A recovery key's check characters do not fit."""


class KeychainUnavailable(KeystoreError):
    """The system's keychain is missing, locked, or does not keep what it is given."""


class LastSlot(KeystoreError):
    """The slot is the last way into the store."""


class Damaged(KeystoreError):
    """The store, or one of its rows, is not what was written."""


class NotAKeystore(KeystoreError):
    """The file is something else than a keystore."""


class NewerFormat(KeystoreError):
    """The store was written by a newer version of the program."""


class WorkFactorTooHigh(KeystoreError):
    """The file asks for more memory or time to unlock than any honest store does."""


class Locked(KeystoreError):
    """The operation needs an unlocked store."""


class InUse(KeystoreError):
    """Another process holds the store's write lock."""


class NotFound(KeystoreError):
    """There is no store at this path, or no such key record in it."""


class AlreadyExists(KeystoreError):
    """A file is in the way of a new store."""


class StorageFailed(KeystoreError):
    """The disk is full, the file or folder read-only, or the medium failed."""


class ImportReason(StrEnum):
    """Why a whole key file was rejected."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    UNKNOWN_FORMAT = "unknown_format"
    DAMAGED = "damaged"
    FORBIDDEN_XML = "forbidden_xml"
    SEVERAL_MEMBERS = "several_members"
    NO_COLUMNS = "no_columns"
    PASSWORD_NEEDED = "password_needed"  # noqa: S105 - a reason, not a password
    PASSWORD_EMPTY = "password_empty"  # noqa: S105
    PASSWORD_TOO_LONG = "password_too_long"  # noqa: S105
    PASSWORD_WRONG = "password_wrong"  # noqa: S105
    SIGNATURE_WRONG = "signature_wrong"


class ImportRejected(KeystoreError):
    """A key file cannot be read at all; `reason` says why in one word."""

    def __init__(self, reason: ImportReason, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.reason = reason


class PasswordNeeded(ImportRejected):
    """The key file is encrypted and no password was given."""


class WrongPassword(ImportRejected):
    """The password is empty, too long, or does not open the key file."""
