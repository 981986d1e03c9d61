"""LoRaWAN keys in the vault, as receivers ask for them: by DevEUI and DevAddr, without keeping the store awake."""

from __future__ import annotations

from keystore.model import KeyRecord, KeyRole, KeyStatus, Ownership
from keystore.vault import Vault

EUI, ADDR = "8c83fc0500000001", "260b1234"


def record(role: KeyRole, byte: int, **more: str) -> KeyRecord:
    return KeyRecord(number=EUI.upper(), role=role, value=bytes((byte,)) * 16, dev_eui=EUI, **more)  # type: ignore[arg-type]


def test_keys_are_found_by_dev_eui_and_by_dev_addr(vault: Vault) -> None:
    vault.put(
        [
            record(KeyRole.LORAWAN_APP_KEY, 1),
            record(KeyRole.LORAWAN_NWK_S_KEY, 2, dev_addr=ADDR),
            record(KeyRole.WMBUS_DEK, 3),
        ]
    )
    assert {found.role for found in vault.device_records(EUI)} == {KeyRole.LORAWAN_APP_KEY, KeyRole.LORAWAN_NWK_S_KEY}
    assert [found.role for found in vault.device_records(ADDR)] == [KeyRole.LORAWAN_NWK_S_KEY]
    assert vault.device_records("8c83fc0500000002") == ()


def test_a_revoked_key_is_not_handed_out(vault: Vault) -> None:
    vault.put([record(KeyRole.LORAWAN_APP_KEY, 1)])
    vault.set_status(EUI, KeyStatus.REVOKED)
    assert vault.device_records(EUI) == ()


def test_the_key_of_a_device_given_away_is_audited(vault: Vault) -> None:
    vault.put([record(KeyRole.LORAWAN_APP_KEY, 1)])
    vault.set_ownership(EUI, Ownership.TRANSFERRED, "somebody else")
    before = len(list(vault.audit.entries()))
    assert len(vault.device_records(EUI)) == 1
    assert len(vault.device_records(EUI)) == 1
    assert len(list(vault.audit.entries())) == before + 1
