"""A key look-up that opens the keystore when the first encrypted telegram asks, and not before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from protocols.model import Address, Key

if TYPE_CHECKING:
    from keystore.model import KeyRecord
    from keystore.vault import Vault
    from keystore.vault.documents import DocumentShelf
    from protocols.lorawan.follower import LorawanFollower

_T = TypeVar("_T")

LOCKED: Final = "store locked"


class LazyKeys:
    """A `KeyLookup` over the store that the options and the environment name; `close` closes the store.

    The first look-up raises what `fieldtool.access.open_for_listening` raises, and `reason` says why there is no store.
    Afterwards a store that was locked, or is in use elsewhere, gives no keys, and `unavailable` says why: telegrams go
    on being received without them, and `how_to_unlock` what to do. `all_at_hand` asks for the passphrase for what is
    only useful to know as well, so that it does not depend on the order of the telegrams.
    """

    def __init__(
        self,
        store: str | None,
        passphrase_file: str | None,
        *,
        idle_lock_s: float | None = None,
        all_at_hand: bool = False,
    ) -> None:
        self._store = store
        self._passphrase_file = passphrase_file
        self._idle_lock_s = idle_lock_s
        self._all_at_hand = all_at_hand
        self._vault: Vault | None = None
        self._opened = self._tried = False
        self._faults = 0
        self.reason = ""
        self.unavailable = ""
        self.how_to_unlock = ""
        self.has_passphrase_file = False

    def __call__(self, address: Address) -> Sequence[Key]:
        """Return the keys filed for an address, best first."""
        return self._asked(lambda vault: vault.keys_for(address))

    def at_hand(self, address: Address) -> Sequence[Key]:
        """Return the keys filed for an address, none where somebody would have to be asked for the passphrase."""
        if not self._opened and not self._all_at_hand:
            if not self._tried:
                self._tried = True
                self._open(may_ask=False)
            if not self._opened:
                return ()
        return self(address)

    def of_many(self, addresses: Sequence[Address]) -> Mapping[Address, Sequence[Key]]:
        """Return the keys filed for each of some addresses."""
        (found,) = self._asked(lambda vault: (vault.keys_for_many(addresses),)) or ({},)
        return found

    def revoked(self, address: Address) -> Sequence[str]:
        """Return the check values of an address's keys that are revoked: asked where no other key is filed."""
        return self._asked(lambda vault: vault.revoked_for(address))

    def device_records(self, identifier: str) -> Sequence[KeyRecord]:
        """Return the LoRaWAN keys filed under a DevEUI or DevAddr, best first."""
        return self._asked(lambda vault: vault.device_records(identifier))

    def revoked_device_keys(self, identifier: str) -> Sequence[str]:
        """Return the check values of the LoRaWAN keys under a DevEUI or DevAddr that are revoked."""
        return self._asked(lambda vault: vault.revoked_device_keys(identifier))

    def documents(self) -> DocumentShelf | None:
        """Return what else is sealed in the store, None while there is none that is unlocked."""
        return self._vault.receivers_documents if self._vault is not None and self.is_open else None

    def _asked(self, ask: Callable[[Vault], Sequence[_T]]) -> Sequence[_T]:
        if not self._opened:
            self.open()
        if self._vault is None:
            return ()
        from keystore.errors import KeystoreError, Locked

        try:
            found = ask(self._vault)
        except Locked:
            self.unavailable, self.how_to_unlock = LOCKED, "press u to unlock the keystore"
            return ()
        except KeystoreError as error:
            # A decoder must not end for it; and what it remembers from now on is not what the store would say.
            self.unavailable, self.how_to_unlock = error.message, error.hint
            self._faults += 1
            return ()
        self.unavailable = ""
        return found

    def open(self) -> None:
        """Open the store now."""
        self._open(may_ask=True)

    def _open(self, *, may_ask: bool) -> None:
        from fieldtool.access import HOW_TO_UNLOCK, choose_store, open_for_listening, somebody_would_be_asked

        choice = choose_store(self._store, self._passphrase_file)
        self._opened = may_ask or not somebody_would_be_asked(choice)
        self.has_passphrase_file = choice.passphrase_file is not None
        self._vault, self.reason = open_for_listening(choice, idle_lock_s=self._idle_lock_s, may_ask=may_ask)
        self._opened = self._opened or self._vault is not None
        if self._vault is None and choice.path.exists():
            self.unavailable, self.how_to_unlock = LOCKED, HOW_TO_UNLOCK

    def open_locked(self) -> None:
        """Open a store that exists and leave it locked: somebody will unlock it. Raises what `Vault.open` raises."""
        from fieldtool.access import choose_store, open_locked

        self._opened = True
        self._vault = open_locked(choose_store(self._store, self._passphrase_file), idle_lock_s=self._idle_lock_s)

    @property
    def vault(self) -> Vault | None:
        """The store, locked or not; None when there is none."""
        return self._vault

    @property
    def is_open(self) -> bool:
        """True when there is a store and it is unlocked."""
        return self._vault is not None and not self._vault.is_locked

    @property
    def is_locked(self) -> bool:
        """True when there is a store and it waits for its passphrase."""
        return self._vault is not None and self._vault.is_locked

    @property
    def epoch(self) -> int:
        """A number that changes when answers may: who remembers keys, as plans do, forgets them then."""
        if self._vault is None:
            return 0
        from keystore.errors import KeystoreError

        try:
            return self._vault.keys_epoch + self._faults
        except KeystoreError:
            self._faults += 1
            return -self._faults

    @property
    def state_text(self) -> str:
        """The store's state in a few words, for a status bar; locks it when nobody used it for too long."""
        if self._vault is None:
            return "none"
        self._vault.lock_if_idle()
        if self._vault.is_locked:
            return "locked"
        left_s = self._vault.idle_left_s
        return "unlocked" if left_s is None else f"unlocked, locks in {left_s / 60:.0f} min"

    def touch(self) -> None:
        """Say that a person is at work: the time to the automatic lock begins anew."""
        if self._vault is not None:
            self._vault.touch()

    def lock(self) -> None:
        """Lock the store; receiving goes on."""
        if self._vault is not None:
            self._vault.lock("you locked it")

    def unlock(self, credential: str) -> None:
        """Unlock it again; raises what `Vault.unlock` raises."""
        if self._vault is not None:
            self._vault.unlock(credential)

    def close(self) -> None:
        """Close the store, when it was opened."""
        if self._vault is not None:
            self._vault.close()
            self._vault = None


def follower_maker(store: LazyKeys, given: Sequence[Key]) -> Callable[[], LorawanFollower]:
    """Return what makes a decoder's follower of LoRaWAN devices: with the given keys if any, else the store's.

    Nothing of LoRaWAN is loaded before it is called.
    """

    def make() -> LorawanFollower:
        from fieldtool.keys.lorawan_keys import FiledLorawanKeys, given_lorawan_keys
        from protocols.lorawan.follower import LorawanFollower

        return LorawanFollower(given_lorawan_keys(given) if given else FiledLorawanKeys(store.device_records, store))

    return make
