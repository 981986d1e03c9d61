"""The system's keychain as a place for a slot's 32-byte wrapping key; nothing else is ever put there.

Whoever runs programs as the same user can usually ask the keychain too: a keychain slot is a convenience, which
protects a stolen disk and not an open session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from keystore.errors import KeychainUnavailable
from keystore.vault.primitives import KEY_BYTES

SERVICE: Final = "fieldtool keystore"
_HINT: Final = "use the passphrase or the recovery key"


class Keychain(Protocol):
    """A place that keeps small secrets by name for the user who is logged in."""

    def read(self, name: str) -> bytes | None:
        """Return what is kept under a name, None when there is nothing; raises `KeychainUnavailable`."""
        ...

    def write(self, name: str, secret: bytes) -> None:
        """Keep a secret under a name; raises `KeychainUnavailable` when it is not kept."""
        ...

    def remove(self, name: str) -> None:
        """Forget a name; raises `KeychainUnavailable`."""
        ...


class SystemKeychain:
    """The keychain of the operating system, through the optional package `keyring`."""

    def read(self, name: str) -> bytes | None:
        """Return what is kept under a name."""
        with _faults_named() as keyring:
            text = keyring.get_password(SERVICE, name)
        try:
            return None if text is None else bytes.fromhex(text)
        except ValueError:
            raise KeychainUnavailable(
                "the system's keychain holds something else than this program wrote", _HINT
            ) from None

    def write(self, name: str, secret: bytes) -> None:
        """Keep a secret, and read it back: some backends take everything and keep nothing."""
        with _faults_named() as keyring:
            keyring.set_password(SERVICE, name, secret.hex())
            kept = keyring.get_password(SERVICE, name)
        if kept != secret.hex():
            raise KeychainUnavailable("the system's keychain does not keep what it is given", _HINT)

    def remove(self, name: str) -> None:
        """Forget a name, if it is there."""
        with _faults_named() as keyring:
            if keyring.get_password(SERVICE, name) is not None:
                keyring.delete_password(SERVICE, name)


class _Keyring(Protocol):
    def get_password(self, service: str, name: str) -> str | None: ...
    def set_password(self, service: str, name: str, secret: str) -> None: ...
    def delete_password(self, service: str, name: str) -> None: ...


@contextmanager
def _faults_named() -> Iterator[_Keyring]:
    """Hand out the keyring package; whatever its backends raise becomes one clear line."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise KeychainUnavailable(
            "the system's keychain cannot be used: the package keyring is not installed",
            f"install fieldtool[keychain], or {_HINT}",
        ) from None
    try:
        yield keyring
    except KeychainUnavailable:
        raise
    except keyring.errors.NoKeyringError:
        raise KeychainUnavailable("this system has no keychain that can be used", _HINT) from None
    except keyring.errors.KeyringError as error:
        raise KeychainUnavailable(f"the system's keychain refused: {type(error).__name__}", _HINT) from None
    except Exception as error:  # noqa: BLE001 - backends let errors of D-Bus and of the system through
        raise KeychainUnavailable(f"the system's keychain failed: {type(error).__name__}", _HINT) from None


def slot_name(store_id: bytes, slot_id: int) -> str:
    """Return the name under which a slot's wrapping key is kept."""
    return f"{store_id.hex()}/{slot_id}"


def read_wrapping_key(keychain: Keychain, store_id: bytes, slot_id: int) -> bytes | None:
    """Return a slot's wrapping key; None when the keychain does not have it."""
    key = keychain.read(slot_name(store_id, slot_id))
    return key if key is not None and len(key) == KEY_BYTES else None
