"""Key derivation, initial vectors, MACs: figures of OMS Vol. 2 Annex N, CEN/TR 17167 Annex F, RFC 4493 and NIST."""

from __future__ import annotations

import pytest
from Crypto.Cipher import AES as IndependentAES  # noqa: N811 - a second implementation, to check the first
from Crypto.Hash import CMAC as IndependentCMAC  # noqa: N811
from hypothesis import given
from hypothesis import strategies as st

from protocols.crypto import aes_cbc_decrypt, aes_cbc_encrypt, aes_cmac, aes_ctr, kdf_a, key_check_value
from protocols.model import Address
from protocols.wmbus.security.cbc_address import initial_vector
from protocols.wmbus.security.ctr_extended_link import counter_block

SIXTEEN = st.binary(min_size=16, max_size=16)
BLOCKS = st.integers(1, 9).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n))


def test_mode_5_example_of_the_oms() -> None:
    """OMS Vol. 2, Annex N.2.1."""
    key = bytes.fromhex("0102030405060708090A0B0C0D0E0F11")
    iv = initial_vector(Address.of("ELS", "12345678", 0x33, 0x03), 0x2A)
    assert iv.hex() == "93157856341233032a2a2a2a2a2a2a2a"
    ciphertext = bytes.fromhex("5923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3")
    plaintext = bytes.fromhex("2F2F0C1427048502046D32371F1502FD1700002F2F2F2F2F2F2F2F2F2F2F2F2F")
    assert aes_cbc_decrypt(key, iv, ciphertext) == plaintext
    assert aes_cbc_encrypt(key, iv, plaintext) == ciphertext


def test_key_derivation_example() -> None:
    """CEN/TR 17167:2018, Annex F.3."""
    master = bytes(range(16))
    counter, number = bytes.fromhex("B30A0000"), bytes.fromhex("78563412")
    assert kdf_a(master, 0x00, counter, number).hex().upper() == "ECCF39D475D730B8284FDFDC1995D52F"
    assert kdf_a(master, 0x01, counter, number).hex().upper() == "C9CD19FF5A9AAD5A6BBDA13BD2C4C7AD"


def test_cmac_example() -> None:
    """RFC 4493, section 4, examples 1 and 2."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    assert aes_cmac(key, b"").hex() == "bb1d6929e95937287fa37d129b756746"
    assert aes_cmac(key, bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")).hex() == "070a16b46b4d4144f79bdd9dd04a287c"


def test_ctr_example() -> None:
    """NIST SP 800-38A, F.5.1."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    counter = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    plaintext = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
    ciphertext = bytes.fromhex("874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff")
    assert aes_ctr(key, counter, plaintext) == ciphertext


def test_counter_block_of_the_extended_link_layer() -> None:
    """EN 13757-4, 13.2.11: CC enters without hop and repeated-access bits."""
    sender = Address.of("KAM", "63001468", 0x1B, 0x16)
    block = counter_block(sender, 0x20 | 0x12, int.from_bytes(bytes.fromhex("D37CAC21"), "little"))
    assert block.hex().upper() == "2D2C681400631B1620D37CAC21000000"


@given(SIXTEEN, SIXTEEN, BLOCKS)
def test_cbc_agrees_with_an_independent_implementation(key: bytes, iv: bytes, data: bytes) -> None:
    independent = IndependentAES.new(key, IndependentAES.MODE_CBC, iv)
    assert aes_cbc_decrypt(key, iv, data) == independent.decrypt(data)


@given(SIXTEEN, SIXTEEN, st.binary(max_size=200))
def test_ctr_agrees_with_an_independent_implementation(key: bytes, counter: bytes, data: bytes) -> None:
    independent = IndependentAES.new(key, IndependentAES.MODE_CTR, nonce=b"", initial_value=counter)
    assert aes_ctr(key, counter, data) == independent.encrypt(data)


@given(SIXTEEN, st.binary(max_size=100))
def test_cmac_agrees_with_an_independent_implementation(key: bytes, message: bytes) -> None:
    assert aes_cmac(key, message) == IndependentCMAC.new(key, message, ciphermod=IndependentAES).digest()


@pytest.mark.parametrize("size", [0, 15, 17], ids=["nothing", "a byte short", "a byte more"])
def test_cbc_refuses_broken_blocks(size: int) -> None:
    with pytest.raises(ValueError, match="whole 16-byte blocks"):
        aes_cbc_decrypt(bytes(16), bytes(16), bytes(size))


def test_key_check_value_tells_keys_apart_and_is_short() -> None:
    values = {key_check_value(bytes((i,)) * 16) for i in range(50)}
    assert len(values) == 50
    assert all(len(value) == 6 for value in values)
