"""Telegrams of the ways in which meters send: what the fast path is tested with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from protocols.crypto import aes_cbc_encrypt, aes_cmac
from protocols.mbus.encode import compact_from_full
from protocols.model import Address, Key
from protocols.wmbus.ci import Content
from protocols.wmbus.encode import (
    TransportHeader,
    extended_link,
    extended_link_session,
    link_frame,
    session_number,
    transport_clear,
    transport_mode_5,
    transport_mode_7,
)
from protocols.wmbus.security.cbc_derived import message_keys
from protocols.wmbus.security.model import CHECK_BYTES

KEY = bytes(range(1, 17))
HEAT = Address.of("EFE", "20480057", 0x00, 0x04)
WATER = Address.of("KAM", "63001468", 0x1B, 0x16)
ADAPTER = Address.of("QDS", "11223344", 0x55, 0x37)

# Energy, volume, volume at the due date, power, flow temperature, clock, due date, error flags, a real number.
HEAT_RECORDS = bytes.fromhex(
    "0406 10270000 0C13 27048502 4413 FFFFFFFF 042B 00000080 0A5A 1F03 046D 0F08342B 426C 9F2C 01FD17 81 055B 0000C041"
)
# A text, numbers in BCD (one negative) and in binary of variable length, bytes of a maker, an empty text.
VARIABLE_RECORDS = bytes.fromhex(
    "0406 10270000 0D78 08 3837363534333231 0D13 C3 452301 0D5A D2 4523 0D3B E3 040506 0DFD0F 05 352E302E31 0D7F F0"
    "000102030405060708090A0B0C0D0E0F 0DFD0C 00 02FD17 0000"
)
WATER_RECORDS = bytes.fromhex("02FF20 7100 0413 09190000 4413 09190000 615B 7F 6167 16")


def keys(address: Address) -> tuple[Key, ...]:
    return (Key(KEY, "test"),)


def mode_5(acc: int, status: int, records: bytes = HEAT_RECORDS, clear: bytes = b"") -> bytes:
    header = TransportHeader(acc, status)
    return link_frame(0x44, HEAT, transport_mode_5(Content.RECORDS, records, header, key=KEY, sender=HEAT, clear=clear))


def behind_adapter(acc: int, status: int, records: bytes = HEAT_RECORDS) -> bytes:
    header = TransportHeader(acc, status, HEAT)
    payload = transport_mode_5(Content.RECORDS, records, header, key=KEY, sender=ADAPTER)
    return link_frame(0x44, ADAPTER, extended_link(0x20, acc, payload))


def mode_7(acc: int, status: int, records: bytes = HEAT_RECORDS) -> bytes:
    header = TransportHeader(acc, status)
    message = transport_mode_7(Content.RECORDS, records, header, key=KEY, counter=1000 + acc, sender=HEAT)
    return link_frame(0x44, HEAT, extended_link(0x20, acc, message))


def mode_7_behind_adapter(acc: int, status: int, records: bytes = HEAT_RECORDS) -> bytes:
    header = TransportHeader(acc, status, HEAT)
    message = transport_mode_7(
        Content.RECORDS, records, header, key=KEY, counter=acc, sender=ADAPTER, clear=b"\x0f\x01\x02"
    )
    return link_frame(0x44, ADAPTER, message)


def mode_7_of(acc: int, *, ki: int | None, ml: int | None, mac_size: int) -> bytes:
    """An authentication layer with other fields than the encoder writes."""
    front = bytes((0x7A, acc, 0)) + bytes.fromhex("300710")
    counter = acc.to_bytes(4, "little")
    encryption_key, mac_key = message_keys(KEY, counter, HEAT.number_wire, downlink=False)
    plain = (CHECK_BYTES + HEAT_RECORDS[:22]).ljust(48, b"\x2f")
    message = front + aes_cbc_encrypt(encryption_key, bytes(16), plain)
    mcl = {0: 0x20, 4: 0x24, 16: 0x27}[mac_size]
    before = bytes((mcl,)) + (b"" if ki is None else ki.to_bytes(2, "little")) + counter
    behind = b"" if ml is None else ml.to_bytes(2, "little")
    mac = aes_cmac(mac_key, before + behind + message)[:mac_size]
    control = 0x2800 | (0x0200 if ki is not None else 0) | (0x1000 if ml is not None else 0) | (0x0400 if mac else 0)
    body = control.to_bytes(2, "little") + before + mac + behind
    return link_frame(0x44, HEAT, bytes((0x90, len(body))) + body + message)


def mode_7_with_key_and_length(acc: int, status: int) -> bytes:
    return mode_7_of(acc, ki=0x0102, ml=54, mac_size=16)


def mode_7_without_mac(acc: int, status: int) -> bytes:
    return mode_7_of(acc, ki=None, ml=None, mac_size=0)


def clear(acc: int, status: int, records: bytes = HEAT_RECORDS) -> bytes:
    return link_frame(0x44, HEAT, transport_clear(Content.RECORDS, records, TransportHeader(acc, status)))


def session(acc: int, minute: int, payload: bytes) -> bytes:
    number = session_number(acc & 15, minute, encrypted=True)
    return link_frame(0x44, WATER, extended_link_session(0x20, acc, number, payload, sender=WATER, key=KEY))


def full(acc: int, minute: int, records: bytes = WATER_RECORDS) -> bytes:
    return session(acc, minute, b"\x78" + records)


def compact(acc: int, minute: int, records: bytes = WATER_RECORDS) -> bytes:
    return session(acc, minute, b"\x79" + compact_from_full(records))


def variable(acc: int, status: int, records: bytes = VARIABLE_RECORDS) -> bytes:
    return mode_5(acc, status, records)


Shape = Callable[[int, int], bytes]
MODE_7: dict[str, Shape] = {
    "mode 7": mode_7,
    "mode 7 behind an adapter": mode_7_behind_adapter,
    "mode 7 with key and length": mode_7_with_key_and_length,
    "mode 7 without a MAC": mode_7_without_mac,
}
SHAPES: list[Shape] = [mode_5, behind_adapter, clear, variable, full, compact, *MODE_7.values()]
IDS = ["mode 5", "behind an adapter", "clear", "variable lengths", "full frame", "compact frame", *MODE_7]


OTHER_KEY = bytes(range(101, 117))


def own_keys(address: Address) -> tuple[Key, ...]:
    return (Key(OTHER_KEY if address.number.endswith("99") else KEY, f"order {address.number}"),)


def other_meter(shape: Shape, acc: int) -> bytes:
    """What another meter of the same kind sends, under a key of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "KEY", OTHER_KEY)
        patch.setitem(globals(), "HEAT", replace(HEAT, number="20480099"))
        patch.setitem(globals(), "WATER", replace(WATER, number="63001499"))
        patch.setitem(globals(), "ADAPTER", replace(ADAPTER, number="11223399"))
        return shape(acc, 0)
