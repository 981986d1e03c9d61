"""Message integrity codes of every message type and version (LoRaWAN L2 1.1, 4.4 and 6.2; 1.0.4, 4.4 and 6.2).

A MIC is the first four bytes of an AES-CMAC; that of a 1.1 uplink is two halves of two CMACs. All functions take the
message without its MIC, MHDR included, and keys of 16 bytes.
"""

from __future__ import annotations

from typing import Final

from protocols.crypto import aes_cmac
from protocols.lorawan.identifiers import on_air

MIC_SIZE: Final = 4
HALF: Final = 2
UP: Final = 0
DOWN: Final = 1
JOIN_REQUEST_TYPE: Final = 0xFF
"""What stands for a join request in the MIC of a 1.1 join accept; rejoin requests stand for themselves."""

_B: Final = b"\x49"


def block_0(direction: int, dev_addr_wire: bytes, fcnt: int, size: int, conf_fcnt: int = 0) -> bytes:
    """B0: the block before the message. `conf_fcnt` is for downlinks of LoRaWAN 1.1 alone."""
    return b"".join(
        (
            _B,
            conf_fcnt.to_bytes(2, "little"),
            b"\0\0",
            bytes((direction,)),
            dev_addr_wire,
            fcnt.to_bytes(4, "little"),
            bytes((0, size)),
        )
    )


def block_1(dev_addr_wire: bytes, fcnt: int, size: int, conf_fcnt: int, data_rate: int, channel: int) -> bytes:
    """B1: the block before an uplink of LoRaWAN 1.1 for its second CMAC."""
    return b"".join(
        (
            _B,
            conf_fcnt.to_bytes(2, "little"),
            bytes((data_rate, channel, UP)),
            dev_addr_wire,
            fcnt.to_bytes(4, "little"),
            bytes((0, size)),
        )
    )


def data_mic(key: bytes, first_block: bytes, message: bytes) -> bytes:
    """The MIC of a 1.0 message or 1.1 downlink; of the two halves of a 1.1 uplink, the CMAC that each is cut from."""
    return aes_cmac(key, first_block + message)[:MIC_SIZE]


def uplink_mic_1_1(f_key: bytes, s_key: bytes, b0: bytes, b1: bytes, message: bytes) -> bytes:
    """The MIC of a 1.1 uplink: half of the CMAC by SNwkSIntKey, half of that by FNwkSIntKey."""
    return data_mic(s_key, b1, message)[:HALF] + data_mic(f_key, b0, message)[:HALF]


def request_mic(key: bytes, message: bytes) -> bytes:
    """The MIC of a join request (AppKey or NwkKey) or rejoin request (SNwkSIntKey or, for type 1, JSIntKey)."""
    return aes_cmac(key, message)[:MIC_SIZE]


def join_accept_mic(key: bytes, mhdr: int, body: bytes) -> bytes:
    """The MIC of a join accept of LoRaWAN 1.0.x, or of one without OptNeg."""
    return aes_cmac(key, bytes((mhdr,)) + body)[:MIC_SIZE]


def join_accept_mic_1_1(
    js_int_key: bytes, request_type: int, join_eui: str, dev_nonce: int, mhdr: int, body: bytes
) -> bytes:
    """The MIC of a 1.1 join accept with OptNeg; `dev_nonce` is RJcount after a rejoin request."""
    head = bytes((request_type,)) + on_air(join_eui, 8) + dev_nonce.to_bytes(2, "little")
    return aes_cmac(js_int_key, head + bytes((mhdr,)) + body)[:MIC_SIZE]
