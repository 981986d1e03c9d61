"""Other telegrams of the layout that a plan was learned from: the same but for what it may differ in."""

from __future__ import annotations

import random
from collections.abc import Callable

from protocols.crypto import aes_cbc_encrypt, aes_cmac, aes_ctr
from protocols.mbus.crc import crc16_en13757
from protocols.mbus.layouts import Layout
from protocols.meter_plans import MeterPlan
from protocols.model import Address
from protocols.payload_layouts import PayloadLayout
from protocols.plans import Plan
from protocols.wmbus.security.cbc_derived import message_keys
from protocols.wmbus.security.ctr_extended_link import counter_block

FILLINGS: tuple[Callable[[random.Random, int], bytes], ...] = (
    lambda rng, size: rng.randbytes(size),
    lambda rng, size: b"\xff" * size,
    lambda rng, size: bytes(size),
    lambda rng, size: bytes(rng.randrange(10) << 4 | rng.randrange(10) for _ in range(size)),
    lambda rng, size: bytes(size - 1) + b"\x80" if size else b"",
)
"""Any bytes, all ones, zeros, digits, and the least number there is: what data mean by their pattern."""


def refilled_records(plan: Plan, rng: random.Random) -> bytearray:
    layout = plan.layout
    assert isinstance(layout, Layout)
    fixed = layout.mask.to_bytes(layout.size, "big")
    lengths_at = {slot.start for slot in layout.slots if slot.end > slot.start and fixed[slot.start]}
    plain = bytearray(plan.template.plain[plan.start :])
    for slot in layout.slots:
        length = plain[slot.start]
        plain[slot.start : slot.end] = rng.choice(FILLINGS)(rng, slot.end - slot.start)
        if slot.start in lengths_at:
            plain[slot.start] = length
    at = layout.full_crc_at
    if at is not None:
        headed = zip(layout.headers, layout.slots, strict=True)
        frame = b"".join(header + plain[slot.start : slot.end] for header, slot in headed)
        plain[at : at + 2] = crc16_en13757(frame).to_bytes(2, "little")
    return plain


def refilled_payload(plan: Plan, rng: random.Random) -> bytearray:
    """Other bytes here and there, as any of them may mean anything."""
    layout = plan.layout
    assert isinstance(layout, PayloadLayout)
    plain = bytearray(plan.template.plain[plan.start :])
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        size = min(rng.choice((1, 1, 2, 4)), len(plain) - len(layout.begins))
        at = rng.randrange(len(layout.begins), len(plain) - size + 1)
        plain[at : at + size] = rng.choice(FILLINGS)(rng, size)
    return plain


def refilled(known: MeterPlan, data: bytes, rng: random.Random) -> bytes:
    """A frame of the same layout with other data in its records, encrypted again."""
    plan, key = known.plan, b"" if known.key is None else known.key.value
    refill = refilled_payload if isinstance(plan.layout, PayloadLayout) else refilled_records
    plain = refill(plan, rng)
    head = bytearray(data[: plan.start])
    if plan.access_at is not None:
        head[plan.access_at] = rng.randrange(256)
    if plan.status_at is not None:
        head[plan.status_at] = rng.randrange(256)
    if plan.ell_start is not None:
        number = int.from_bytes(head[plan.ell_start + 3 : plan.ell_start + 7], "little") ^ 16 * rng.randrange(1 << 20)
        head[plan.ell_start + 3 : plan.ell_start + 7] = number.to_bytes(4, "little")
        address = Address.from_wire(known.iv_address)
        region = crc16_en13757(bytes(plain)).to_bytes(2, "little") + plain
        return bytes(head[:-2]) + aes_ctr(key, counter_block(address, head[plan.ell_start + 1], number), region)
    if plan.message is not None:
        return refilled_message(plan, key, head, bytes(plain), rng)
    if plan.needs_key and plan.access_at is not None:
        iv = known.iv_address + bytes((head[plan.access_at],)) * 8
        encrypted = aes_cbc_encrypt(key, iv, bytes(plain[: plan.encrypted]))
        return bytes(head) + encrypted + bytes(plain[plan.encrypted :])
    return bytes(head + plain)


def refilled_message(plan: Plan, key: bytes, head: bytearray, plain: bytes, rng: random.Random) -> bytes:
    """The same under a message counter of its own."""
    message, number_at = plan.message, 4 if plan.number_at is None else plan.number_at
    assert message is not None
    head[message.counter] = rng.randbytes(4)
    number = bytes(head[number_at : number_at + 4])
    encryption_key, mac_key = message_keys(key, bytes(head[message.counter]), number, downlink=False)
    encrypted = aes_cbc_encrypt(encryption_key, bytes(16), bytes(plain[: plan.encrypted]))
    body = encrypted + bytes(plain[plan.encrypted :])
    if message.mac is not None:
        signed = head[message.before_mac] + head[message.behind_mac] + head[message.transport :] + body
        head[message.mac] = aes_cmac(mac_key, bytes(signed))[: message.mac.stop - message.mac.start]
    return bytes(head) + body
