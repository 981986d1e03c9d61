"""Key records: what they refuse, what they show, and how meters are spelled."""

from __future__ import annotations

import pytest

from keystore.matching import ManufacturerFit, manufacturer_fit, normal_eui, normal_number, number_spellings
from keystore.model import KeyRecord, KeyRole, key_check_value, parse_role
from tests.keystore.made_up import key_of, record_of


def test_a_key_record_has_a_key_or_the_flag_and_a_meter() -> None:
    for fields in ({"value": b""}, {"value": b"1", "no_key": True}):
        with pytest.raises(ValueError, match="no_key"):
            KeyRecord("1", **fields)
    with pytest.raises(ValueError, match="number"):
        KeyRecord("", value=b"1")
    for eui in ("70B3D5E75E000001", "70b3", "70b3d5e75e00000g"):
        with pytest.raises(ValueError, match="DevEUI"):
            KeyRecord("", value=b"1", dev_eui=eui)


def test_the_key_is_not_shown() -> None:
    record = record_of(1)
    for text in (repr(record), str(record), f"{record}"):
        assert repr(record.value) not in text
        assert record.value.hex() not in text


def test_key_check_values() -> None:
    # The key is that of NIST SP 800-38B, D.1; the CMAC of a zero block was made with openssl:
    # head -c 16 /dev/zero | openssl mac -cipher AES-128-CBC -macopt hexkey:<key> CMAC
    assert key_check_value(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")) == "7ad386"
    assert record_of(1).key_check_value == key_check_value(key_of("00000001"))
    assert record_of(1, no_key=True).key_check_value == ""
    for length in (1, 8, 12, 16, 24, 32):
        assert len(key_check_value(bytes(range(length)))) == 6


@pytest.mark.parametrize("role", list(KeyRole))
@pytest.mark.parametrize("detail", ["", "60", "HAN: port"])
def test_roles_survive_as_text(role: KeyRole, detail: str) -> None:
    assert parse_role(record_of(1, role=role, role_detail=detail).role_text) == (role, detail)


def test_a_role_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="wmbus"):
        parse_role("wmbus")


def test_meters_in_words() -> None:
    assert record_of(1).meter_text == "KAM 00000001"
    assert record_of(1, manufacturer=None).meter_text == "00000001"
    assert KeyRecord("", value=b"1", dev_eui="70b3d5e75e000001").meter_text == "DevEUI 70b3d5e75e000001"
    assert record_of("6300146a").is_radio_number
    assert not record_of("21N001052").is_radio_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("63001468", "63001468"),
        (" 6300-1468 ", "63001468"),
        ("kam-63001468", "63001468"),
        ("6300146A", "6300146a"),
        ("21n 001052", "21N001052"),
        ("123", "123"),
        ("", ""),
    ],
)
def test_normal_numbers(text: str, number: str) -> None:
    assert normal_number(text) == number
    assert normal_number(number) == number


def test_spellings_with_and_without_zeros() -> None:
    assert number_spellings("123") == ("123", "00000123")
    assert number_spellings("63001468") == ("63001468",)
    assert number_spellings("A12") == ("A12",)


def test_manufacturers_are_hints() -> None:
    fits = [manufacturer_fit(*pair) for pair in (("KAM", "KAM"), ("KAM", "KAW"), (None, "KAM"), ("ELS", "KAM"))]
    assert fits == list(ManufacturerFit)
    assert manufacturer_fit("KAM", None) is ManufacturerFit.UNKNOWN


def test_euis() -> None:
    for text in ("70B3D5E75E000001", "70-b3-d5-e7-5e-00-00-01", "0x70b3d5e75e000001", "70:B3:D5:E7:5E:00:00:01"):
        assert normal_eui(text) == "70b3d5e75e000001"
    for text in ("", "70B3", "70B3D5E75E00000G", "\u0667" * 16):
        with pytest.raises(ValueError, match="EUI"):
            normal_eui(text)
