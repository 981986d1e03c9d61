"""Encryption of FRMPayload, FOpts and join accepts, and the class B ping slot (LoRaWAN L2 1.1, 4.3.3, 6.2.3, 13.2)."""

from __future__ import annotations

from typing import Final

from protocols.crypto import BLOCK, aes_ecb_decrypt, aes_ecb_encrypt
from protocols.lorawan.identifiers import on_air

MAX_BLOCKS: Final = 16
"""Key stream blocks of the longest FRMPayload."""

FRM_PAYLOAD: Final = 0
FOPTS_NETWORK_COUNTER: Final = 1
FOPTS_APPLICATION_COUNTER: Final = 2
"""The fifth byte of the counter block: what is encrypted (L2 1.1 with the erratum on FOpts encryption)."""

_TAILS: Final = tuple(b"\0%c" % number for number in range(1, MAX_BLOCKS + 1))
"""How the blocks end: a zero, and their number."""

_ZERO_KEY: Final = bytes(BLOCK)


def counter_blocks(direction: int, dev_addr_wire: bytes, fcnt: int, count: int, use: int = FRM_PAYLOAD) -> bytes:
    """The blocks A_1, A_2 ... that become the key stream."""
    head = b"\x01\0\0\0%c%c%b%b" % (use, direction, dev_addr_wire, fcnt.to_bytes(4, "little"))
    # One head before each tail.
    return head + head.join(_TAILS[:count])


def crypt_payload(key: bytes, direction: int, dev_addr_wire: bytes, fcnt: int, data: bytes) -> bytes:
    """Encrypt or decrypt FRMPayload; its own inverse. `ValueError` for more than 256 bytes."""
    if not data:
        return b""
    count = (len(data) + BLOCK - 1) // BLOCK
    if count > MAX_BLOCKS:
        raise ValueError(f"{len(data)} bytes are more than an FRMPayload holds")
    return _xor(data, aes_ecb_encrypt(key, counter_blocks(direction, dev_addr_wire, fcnt, count)))


def crypt_fopts(key: bytes, direction: int, dev_addr_wire: bytes, fcnt: int, data: bytes, use: int) -> bytes:
    """Encrypt or decrypt the FOpts of LoRaWAN 1.1; `use` says which counter of a downlink `fcnt` is."""
    stream = aes_ecb_encrypt(key, counter_blocks(direction, dev_addr_wire, fcnt, 1, use))
    return _xor(data, stream) if data else b""


def fopts_use(direction: int, fport: int | None) -> int:
    """Which counter a message counts with: AFCntDown for application downlinks, else FCntUp or NFCntDown."""
    return FOPTS_APPLICATION_COUNTER if direction and fport else FOPTS_NETWORK_COUNTER


def open_join_accept(key: bytes, data: bytes) -> bytes:
    """Decrypt a join accept, MHDR first: the network decrypts it, so that a device needs encryption only."""
    return data[:1] + aes_ecb_encrypt(key, data[1:])


def close_join_accept(key: bytes, plain: bytes) -> bytes:
    """Encrypt a join accept as a network does; the inverse of `open_join_accept`."""
    return plain[:1] + aes_ecb_decrypt(key, plain[1:])


def ping_offset(beacon_time_s: int, dev_addr: str, period: int) -> int:
    """The first ping slot behind a beacon, for class B (L2 1.1, 13.2); `period` in slots."""
    random = aes_ecb_encrypt(_ZERO_KEY, (beacon_time_s.to_bytes(4, "little") + on_air(dev_addr, 4)).ljust(BLOCK, b"\0"))
    return (random[0] + 256 * random[1]) % period


def _xor(left: bytes, right: bytes) -> bytes:
    size = len(left)
    return (int.from_bytes(left, "big") ^ int.from_bytes(right[:size], "big")).to_bytes(size, "big")
