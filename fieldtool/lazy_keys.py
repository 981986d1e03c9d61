"""A key look-up that opens the keystore when the first encrypted telegram asks, and not before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from protocols.model import Address, Key

if TYPE_CHECKING:
    from keystore.vault import Vault


class LazyKeys:
    """A `KeyLookup` over the store that the options and the environment name; `close` closes the store.

    The look-up raises what `fieldtool.access.open_for_listening` raises. `reason` says why there are no keys, when
    keys were asked for and there was no store to ask.
    """

    def __init__(self, store: str | None, passphrase_file: str | None) -> None:
        self._store = store
        self._passphrase_file = passphrase_file
        self._vault: Vault | None = None
        self._opened = False
        self.reason = ""
        self.has_passphrase_file = False

    def __call__(self, address: Address) -> Sequence[Key]:
        """Return the keys filed for an address, best first."""
        if not self._opened:
            self.open()
        return () if self._vault is None else self._vault.keys_for(address)

    def open(self) -> None:
        """Open the store now."""
        from fieldtool.access import choose_store, open_for_listening

        self._opened = True
        choice = choose_store(self._store, self._passphrase_file)
        self.has_passphrase_file = choice.passphrase_file is not None
        self._vault, self.reason = open_for_listening(choice)

    @property
    def is_open(self) -> bool:
        """True when there is a store and it is unlocked."""
        return self._vault is not None

    def close(self) -> None:
        """Close the store, when it was opened."""
        if self._vault is not None:
            self._vault.close()
            self._vault = None
