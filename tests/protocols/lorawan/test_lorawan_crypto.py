"""The arithmetic, against published vectors and against a second implementation of AES and CMAC."""

from __future__ import annotations

import pytest
from Crypto.Cipher import AES
from Crypto.Hash import CMAC
from hypothesis import given
from hypothesis import strategies as st

from protocols.crypto import Cmac, aes_cmac, aes_cmac_of_each, aes_ecb_decrypt, aes_ecb_encrypt
from protocols.lorawan import keys as lora
from protocols.lorawan.cipher import close_join_accept, crypt_payload, open_join_accept
from protocols.lorawan.encode import Message, data_frame, join_request
from protocols.lorawan.phy import MType
from protocols.model import Key
from tests.protocols.lorawan.lorawan_bench import DEV_EUI, JOIN_EUI, SESSION_1_0, SESSION_1_1

# RFC 4493, section 4.
RFC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
RFC_MACS = {40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe"}


def second_cmac(key: bytes, data: bytes) -> bytes:
    return CMAC.new(key, data, ciphermod=AES).digest()


@pytest.mark.parametrize("size", sorted(RFC_MACS))
def test_cmac_of_rfc_4493(size: int) -> None:
    message = RFC_MESSAGE[:size]
    assert aes_cmac(RFC_KEY, message).hex() == RFC_MACS[size]
    assert aes_cmac_of_each(RFC_KEY, message[:16] * 2, message[16:]).hex() == RFC_MACS[size] * 2
    keyed = Cmac(RFC_KEY)
    assert [keyed.of(message).hex() for _ in range(2)] == [RFC_MACS[size]] * 2


@given(st.binary(min_size=16, max_size=16), st.integers(1, 5), st.binary(min_size=1, max_size=300))
def test_many_cmacs_at_once_are_what_each_is(key: bytes, count: int, rest: bytes) -> None:
    firsts = [bytes([number, len(rest) & 0xFF]) * 8 for number in range(count)]
    at_once = aes_cmac_of_each(key, b"".join(firsts), rest)
    assert [at_once[16 * at : 16 * at + 16] for at in range(count)] == [
        second_cmac(key, first + rest) for first in firsts
    ]


def test_single_blocks_of_aes() -> None:
    # FIPS 197, appendix B.
    plain, cipher = bytes.fromhex("3243f6a8885a308d313198a2e0370734"), "3925841d02dc09fbdc118597196a0b32"
    assert aes_ecb_encrypt(RFC_KEY, plain).hex() == cipher
    assert aes_ecb_decrypt(RFC_KEY, bytes.fromhex(cipher)) == plain
    with pytest.raises(ValueError, match="whole"):
        aes_ecb_encrypt(RFC_KEY, b"short")
    with pytest.raises(ValueError, match="first block"):
        aes_cmac_of_each(RFC_KEY, bytes(16), b"")


def test_1_0_frame_against_a_second_implementation() -> None:
    keys, fcnt, payload = SESSION_1_0, 0x0001_0002, bytes(range(40))
    frame = data_frame(Message(MType.UNCONFIRMED_DATA_UP, fcnt, 9, payload), keys)
    network, application = (key.value for _, key in keys.all)
    wire, counter = bytes.fromhex("4a2f0126"), fcnt.to_bytes(4, "little")
    stream = b"".join(
        AES.new(application, AES.MODE_ECB).encrypt(b"\1\0\0\0\0\0" + wire + counter + bytes([0, block]))
        for block in (1, 2, 3)
    )
    expected = (
        b"\x40" + wire + b"\0" + counter[:2] + b"\x09" + bytes(a ^ b for a, b in zip(payload, stream, strict=False))
    )
    mic = second_cmac(network, b"\x49\0\0\0\0\0" + wire + counter + bytes([0, len(expected)]) + expected)[:4]
    assert frame == expected + mic


def test_1_1_uplink_against_a_second_implementation() -> None:
    message = Message(MType.UNCONFIRMED_DATA_UP, 3, flags=("ack",), conf_fcnt=0x1234, data_rate=5, channel=2)
    frame = data_frame(message, SESSION_1_1)
    f_key, s_key = (key.value for _, key in SESSION_1_1.all[:2])
    wire, body = bytes.fromhex("4a2f0126"), frame[:-4]
    tail = wire + b"\3\0\0\0\0" + bytes([len(body)])
    half_f = second_cmac(f_key, b"\x49\0\0\0\0\0" + tail + body)[:2]
    half_s = second_cmac(s_key, b"\x49\x34\x12\x05\x02\0" + tail + body)[:2]
    assert frame[-4:] == half_s + half_f


def test_join_request_against_a_second_implementation() -> None:
    frame = join_request(Key(RFC_KEY), JOIN_EUI, DEV_EUI, 0x0201)
    body = b"\0" + bytes.fromhex(JOIN_EUI)[::-1] + bytes.fromhex(DEV_EUI)[::-1] + b"\1\2"
    assert frame == body + second_cmac(RFC_KEY, body)[:4]


def test_session_keys_against_a_second_implementation() -> None:
    cipher = AES.new(RFC_KEY, AES.MODE_ECB)
    keys = lora.session_1_0(Key(RFC_KEY), "0000a7", "000013", 0x0201, "26012f4a")
    block = b"\xa7\0\0\x13\0\0\1\2" + bytes(7)
    assert [key.value for _, key in keys.all] == [cipher.encrypt(bytes([number]) + block) for number in (1, 2)]
    renewed = lora.session_1_1(Key(RFC_KEY), Key(RFC_KEY), "0000a7", JOIN_EUI, 0x0201, "26012f4a")
    block = b"\xa7\0\0" + bytes.fromhex(JOIN_EUI)[::-1] + b"\1\2\0\0"
    assert [key.value for _, key in renewed.all] == [cipher.encrypt(bytes([number]) + block) for number in (1, 3, 4, 2)]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_multicast_keys_against_a_second_implementation(version: str) -> None:
    def step(key: bytes, block: bytes) -> bytes:
        return AES.new(key, AES.MODE_ECB).encrypt(block.ljust(16, b"\0"))

    encrypted = bytes(range(16))
    root = lora.mc_root_key(Key(RFC_KEY), version)
    key = lora.mc_key(lora.mc_ke_key(root), encrypted)
    keys = lora.mc_session(key, "01020304")
    expected = step(step(step(RFC_KEY, b"\x20" if version == "1.1" else b""), b""), encrypted)
    assert key.value == expected
    assert [each.value for _, each in keys.all] == [step(expected, bytes([kind, 4, 3, 2, 1])) for kind in (2, 1)]


def test_relay_keys_against_a_second_implementation() -> None:
    root = AES.new(RFC_KEY, AES.MODE_ECB).encrypt(b"\1".ljust(16, b"\0"))
    assert lora.root_wor_s_key(Key(RFC_KEY)).value == root
    expected = [AES.new(root, AES.MODE_ECB).encrypt(bytes([kind, 4, 3, 2, 1]).ljust(16, b"\0")) for kind in (1, 2)]
    assert [key.value for key in lora.wor_session_keys(Key(root), "01020304")] == expected


@given(st.binary(max_size=256), st.integers(0, 1), st.integers(0, 0xFFFFFFFF))
def test_payload_encryption_is_its_own_inverse(data: bytes, direction: int, fcnt: int) -> None:
    once = crypt_payload(RFC_KEY, direction, b"\1\2\3\4", fcnt, data)
    assert crypt_payload(RFC_KEY, direction, b"\1\2\3\4", fcnt, once) == data


def test_longer_payloads_than_a_packet_are_refused() -> None:
    with pytest.raises(ValueError, match="more than an FRMPayload"):
        crypt_payload(RFC_KEY, 0, b"\1\2\3\4", 1, bytes(257))


@given(st.sampled_from([17, 33]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_join_accepts_open_as_they_were_closed(plain: bytes) -> None:
    assert open_join_accept(RFC_KEY, close_join_accept(RFC_KEY, plain)) == plain
