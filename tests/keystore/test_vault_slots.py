"""Ways into a store: added, changed and removed without touching the data; the last one always stays."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from keystore.errors import (
    KeychainUnavailable,
    KeystoreError,
    LastSlot,
    Locked,
    NotFound,
    PassphraseRefused,
    RecoveryKeyMistyped,
    WrongPassphrase,
)
from keystore.passphrase_policy import PolicyName
from keystore.vault import Credential, SlotKind, SystemKeychain, Vault, VaultSettings, WitnessFolder
from keystore.vault.header import MAX_SLOTS
from keystore.vault.recovery import format_recovery_key, is_recovery_key, parse_recovery_key
from tests.keystore.made_up import CHEAP, PASSPHRASE, record_of
from tests.keystore.raw_store import raw

OTHER = "another eight words"


class MadeUpKeychain:
    """A keychain in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        return self.kept.get(name)

    def write(self, name: str, secret: bytes) -> None:
        self.kept[name] = secret

    def remove(self, name: str) -> None:
        self.kept.pop(name, None)


def rows(path: Path) -> list[object]:
    with raw(path) as connection:
        return (
            connection.execute("SELECT * FROM item").fetchall() + connection.execute("SELECT * FROM lookup").fetchall()
        )


def test_slots_come_and_go_and_the_data_stays(vault: Vault, store_path: Path) -> None:
    vault.put(record_of(number) for number in range(5))
    before = rows(store_path)
    chain = MadeUpKeychain()
    second = vault.slots.add_passphrase(PASSPHRASE, OTHER, CHEAP, label="office")
    printed = vault.slots.add_recovery(OTHER, label="safe")
    third = vault.slots.add_keychain(printed, chain)
    assert [(slot.slot_id, slot.kind, slot.label) for slot in vault.slots.list()] == [
        *((1, "passphrase", ""), (second, "passphrase", "office"), (3, "recovery", "safe"), (third, "keychain", ""))
    ]
    assert rows(store_path) == before
    for credential in (PASSPHRASE, OTHER, printed, printed.lower().replace("-", " "), Credential.recovery_key(printed)):
        with Vault.open(store_path) as again:
            again.unlock(credential)
            assert again.count == 5
    with Vault.open(store_path) as again:
        assert again.unlock_from(chain)
        assert again.verify().ok
    vault.slots.remove(1)
    vault.slots.remove(third, chain)
    assert chain.kept == {}
    with Vault.open(store_path) as again:
        assert not again.unlock_from(chain)
        with pytest.raises(WrongPassphrase):
            again.unlock(PASSPHRASE)
        again.unlock(OTHER)
    assert rows(store_path) == before


def test_the_last_way_in_stays(vault: Vault) -> None:
    vault.slots.add_keychain(PASSPHRASE, MadeUpKeychain())
    with pytest.raises(LastSlot):
        vault.slots.remove(1)
    vault.slots.add_recovery(PASSPHRASE)
    vault.slots.remove(1)
    with pytest.raises(LastSlot):
        vault.slots.remove(3)
    with pytest.raises(NotFound):
        vault.slots.remove(1)


def test_slots_need_what_opens_the_store(vault: Vault) -> None:
    for use in (
        lambda: vault.slots.add_passphrase("not it at all", OTHER, CHEAP),
        lambda: vault.slots.add_recovery("not it at all"),
        lambda: vault.slots.add_keychain("not it at all", MadeUpKeychain()),
        lambda: vault.slots.change_passphrase("not it at all", OTHER, CHEAP),
    ):
        with pytest.raises(WrongPassphrase):
            use()
    vault.lock()
    assert len(vault.slots.list()) == 1
    with pytest.raises(Locked):
        vault.slots.remove(1)


def test_a_recovery_key_makes_a_new_passphrase(vault: Vault, store_path: Path) -> None:
    printed = vault.slots.add_recovery(PASSPHRASE)
    vault.lock()
    assert vault.slots.change_passphrase(printed, OTHER, CHEAP) == 1
    with Vault.open(store_path) as again:
        with pytest.raises(WrongPassphrase):
            again.unlock(PASSPHRASE)
        again.unlock(OTHER)
        again.slots.remove(1)
        assert again.slots.change_passphrase(printed, PASSPHRASE, CHEAP) == 3
        again.lock()
        again.unlock(PASSPHRASE)


def test_a_mistyped_recovery_key_is_told_by_its_group(vault: Vault) -> None:
    printed = vault.slots.add_recovery(PASSPHRASE)
    vault.lock()
    groups = printed.split("-")
    groups[2] = groups[2][:-1] + ("0" if groups[2][-1] != "0" else "1")
    with pytest.raises(RecoveryKeyMistyped, match="group 3"):
        vault.unlock("-".join(groups))
    other = format_recovery_key(bytes(20))
    with pytest.raises(WrongPassphrase):
        vault.unlock(other)
    vault.unlock(printed)


def test_a_keychain_that_fails_leaves_no_slot(vault: Vault) -> None:
    class Broken(MadeUpKeychain):
        def write(self, name: str, secret: bytes) -> None:
            raise KeychainUnavailable("no", "")

    with pytest.raises(KeychainUnavailable):
        vault.slots.add_keychain(PASSPHRASE, Broken())
    assert len(vault.slots.list()) == 1


def test_what_a_keychain_holds_is_no_key_of_the_store(vault: Vault, store_path: Path) -> None:
    chain = MadeUpKeychain()
    vault.slots.add_keychain(PASSPHRASE, chain)
    (name,) = chain.kept
    for wrong in (b"", bytes(32), chain.kept[name] + b"x"):
        chain.kept[name] = wrong
        with Vault.open(store_path) as again:
            assert not again.unlock_from(chain)


def test_there_is_an_end_of_slots(vault: Vault) -> None:
    for _ in range(MAX_SLOTS - 1):
        vault.slots.add_recovery(PASSPHRASE)
    with pytest.raises(KeystoreError, match="slots already"):
        vault.slots.add_recovery(PASSPHRASE)


def test_the_policy_of_a_store_holds_for_every_passphrase(store_path: Path) -> None:
    for weak in ("short", "alllowercaseletters", "Mixed-and-long", "A1-short"):
        with pytest.raises(PassphraseRefused):
            Vault.create(store_path, weak, CHEAP, policy=PolicyName.FOUR_CLASSES_12)
    with Vault.create(store_path, "Four-Classes-12", CHEAP, policy=PolicyName.FOUR_CLASSES_12) as vault:
        assert vault.info.policy == PolicyName.FOUR_CLASSES_12
        with pytest.raises(PassphraseRefused, match="digit"):
            vault.slots.change_passphrase("Four-Classes-12", "Four-Classes-no", CHEAP)
        vault.slots.change_passphrase("Four-Classes-12", "Four-Classes-34", CHEAP)


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ({}, "no keychain"),
        ({"keeps": False}, "does not keep"),
        ({"error": RuntimeError("canary")}, "RuntimeError"),
    ],
    ids=["no backend", "null backend", "broken backend"],
)
def test_a_system_without_a_working_keychain(
    module: dict[str, object], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = types.ModuleType("keyring.errors")

    class KeyringError(Exception): ...

    class NoKeyringError(KeyringError): ...

    errors.KeyringError, errors.NoKeyringError = KeyringError, NoKeyringError  # type: ignore[attr-defined]

    def set_password(*_: str) -> None:
        if "keeps" not in module:
            raise module.get("error", NoKeyringError())  # type: ignore[misc]

    keyring = types.ModuleType("keyring")
    keyring.errors = errors  # type: ignore[attr-defined]
    keyring.set_password = set_password  # type: ignore[attr-defined]
    keyring.get_password = lambda *_: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    with pytest.raises(KeychainUnavailable, match=what) as caught:
        SystemKeychain().write("a", bytes(32))
    assert "canary" not in caught.value.message + caught.value.hint
    assert SystemKeychain().read("a") is None


def test_keyring_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(KeychainUnavailable, match="not installed"):
        SystemKeychain().read("a")


def test_recovery_keys_find_every_single_mistake_and_swap() -> None:
    key = bytes(range(0x30, 0x44))
    printed = format_recovery_key(key)
    assert parse_recovery_key(printed) == key
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for place, character in enumerate(printed):
        if character == "-":
            continue
        for other in alphabet:
            if other != character:
                with pytest.raises(RecoveryKeyMistyped):
                    parse_recovery_key(printed[:place] + other + printed[place + 1 :])
        after = printed[place + 1 : place + 2]
        if after not in ("", "-", character):
            with pytest.raises(RecoveryKeyMistyped):
                parse_recovery_key(printed[:place] + after + character + printed[place + 2 :])
    groups = printed.split("-")
    groups[0], groups[1] = groups[1], groups[0]
    with pytest.raises(RecoveryKeyMistyped, match="groups 1, 2"):
        parse_recovery_key("-".join(groups))
    assert not is_recovery_key("correct horse battery staple")
    with pytest.raises(RecoveryKeyMistyped, match="8 groups"):
        parse_recovery_key("correct horse battery staple")


def test_letters_that_look_like_digits_are_read_as_digits() -> None:
    printed = format_recovery_key(bytes(20))
    assert "0" in printed
    assert parse_recovery_key(printed.replace("0", "O").replace("1", "l").lower()) == bytes(20)


def test_failed_unlocks_are_in_the_log_after_the_next_one(store_path: Path, tmp_path: Path) -> None:
    settings = VaultSettings(witness=WitnessFolder(tmp_path / "state"))
    Vault.create(store_path, PASSPHRASE, CHEAP, settings=settings).close()
    for _ in range(3):
        with Vault.open(store_path, settings=settings) as vault, pytest.raises(WrongPassphrase):
            vault.unlock("not it at all")
    with Vault.open(store_path, settings=settings) as vault:
        with pytest.raises(WrongPassphrase):
            vault.unlock("nor this")
        vault.unlock(PASSPHRASE)
        actions = [entry.action for entry in vault.audit.entries()]
        assert actions == ["store_created", *["unlock_failed"] * 4]
        assert vault.verify().ok
        vault.lock()
        vault.unlock(PASSPHRASE)
        assert len(list(vault.audit.entries())) == 5


def test_slot_kinds_are_named_in_the_info(vault: Vault) -> None:
    vault.slots.add_recovery(PASSPHRASE)
    assert vault.info.slots == (SlotKind.PASSPHRASE, SlotKind.RECOVERY)
