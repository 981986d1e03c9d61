"""A plan with the addresses and the key of one meter: it opens the telegrams of that meter.

One kind for each way in which payloads are protected, each as the general decoder opens them (`protocols.wmbus`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from protocols.crypto import (
    BLOCK,
    BlockCipher,
    Cmac,
    aes_cmac,
    aes_decryptor,
    aes_encryptor,
    kdf_a_input,
    key_check_value,
)
from protocols.mbus.crc import crc16_en13757
from protocols.model import Address, Key
from protocols.plans import ELL_PAYLOAD_CRC, ELL_SN, NUMBER_SIZE, Body, Plan
from protocols.wmbus.decoder import address_detail
from protocols.wmbus.decryption import key_detail
from protocols.wmbus.ell import CC_CHANGED_BY_REPEATERS, PAYLOAD_CRC_SIZE
from protocols.wmbus.link import HEADER_SIZE
from protocols.wmbus.security.cbc_derived import KENC, KMAC

_SENDER: Final = slice(2, HEADER_SIZE)
_OWN_NUMBER: Final = slice(2, 6)
"""The identification number in an address as it enters an initial vector."""


@dataclass(slots=True, eq=False)
class MeterPlan:
    """A plan for the telegrams of one meter, which are not encrypted; no two are equal, so that more can be remembered.

    `meter` and `link_address` are as in `Telegram`. `iv_address` is the address as it enters an initial vector,
    `cipher` what the key was made ready for, `other` the next plan of the same meter. `watch` and `line` are for
    whoever judges and writes down its telegrams: of thousands of meters, what is remembered is found quickest where the
    next telegram looks anyway.
    """

    plan: Plan
    meter: Address
    link_address: Address | None
    key: Key | None
    iv_address: bytes = field(repr=False)
    cipher: Any = field(default=None, repr=False)
    other: MeterPlan | None = field(default=None, repr=False)
    watch: Any = field(default=None, repr=False)
    line: Any = field(default=None, repr=False)

    def open(self, data: bytes) -> Body | None:
        """What the plan's layout reads behind the clear part of a frame; None when the plan does not fit it.

        The link header is not compared: `data` has that of this meter.
        """
        plan = self.plan
        if len(data) != plan.size or int.from_bytes(data[: plan.start], "big") & plan.clear_mask != plan.clear_fixed:
            return None
        number_at = plan.number_at
        if number_at is not None and data[number_at : number_at + NUMBER_SIZE] != self.iv_address[_OWN_NUMBER]:
            return None
        plain = self._decrypted(data)
        return None if plain is None else plan.layout.read(data, plain)

    def _decrypted(self, data: bytes) -> bytes | None:
        """What stands behind the clear part; None where the key does not fit.

        Check bytes are not looked at: they are the first of the layout's fixed bytes.
        """
        return data[self.plan.start :]

    @property
    def address_detail(self) -> str:
        """What the rung "address" says."""
        return address_detail(self.meter, self.link_address)

    @property
    def key_detail(self) -> str:
        """What the rung "key" says; empty where no key is needed."""
        return "" if self.key is None else key_detail(self.key)

    @property
    def key_check_value(self) -> str:
        """That of the key; empty where no key is needed."""
        return "" if self.key is None else key_check_value(self.key.value)


class _CbcAddress(MeterPlan):
    """Security mode 5: AES-CBC, the initial vector made of address and access number."""

    __slots__ = ()
    cipher: BlockCipher

    def _decrypted(self, data: bytes) -> bytes:
        plan = self.plan
        start, access_at, end = plan.start, plan.access_at or 0, plan.start + plan.encrypted
        chained = self.iv_address + data[access_at : access_at + 1] * 8 + data[start : end - BLOCK]
        return _chained(self.cipher, data[start:end], chained) + data[end:]


class _CtrSession(MeterPlan):
    """The extended link layer's own encryption: AES-CTR, a CRC before the payload."""

    __slots__ = ()
    cipher: BlockCipher

    def _decrypted(self, data: bytes) -> bytes | None:
        plan = self.plan
        ell_start = plan.ell_start or 0
        crc_start = ell_start + ELL_PAYLOAD_CRC
        cc = data[ell_start + 1] & ~CC_CHANGED_BY_REPEATERS & 0xFF
        session = self.iv_address + bytes((cc,)) + data[ell_start + ELL_SN : crc_start]
        size = len(data) - crc_start
        stream = int.from_bytes(self.cipher.update(session.join(plan.counters))[:size], "big")
        region = (int.from_bytes(data[crc_start:], "big") ^ stream).to_bytes(size, "big")
        plain = region[PAYLOAD_CRC_SIZE:]
        return plain if region[0] | region[1] << 8 == crc16_en13757(plain) else None


class _CbcDerived(MeterPlan):
    """Security mode 7: AES-CBC under a key that is derived for every message, and a MAC over it."""

    __slots__ = ()
    cipher: Cmac

    def _decrypted(self, data: bytes) -> bytes | None:
        plan, derive = self.plan, self.cipher.of
        message = plan.message
        if message is None:
            return None
        start, end = plan.start, plan.start + plan.encrypted
        counter, number = data[message.counter], self.iv_address[_OWN_NUMBER]
        if message.mac is not None:
            signed = data[message.before_mac] + data[message.behind_mac] + data[message.transport :]
            sent = data[message.mac]
            if aes_cmac(derive(kdf_a_input(KMAC, counter, number)), signed)[: len(sent)] != sent:
                return None
        decryptor = aes_decryptor(derive(kdf_a_input(KENC, counter, number)))
        return _chained(decryptor, data[start:end], data[start : end - BLOCK]) + data[end:]


def _chained(decryptor: BlockCipher, blocks: bytes, chained: bytes) -> bytes:
    """Decrypt blocks of AES-CBC; `chained` is the initial vector (none where it is 0) and all but the last."""
    number = int.from_bytes(decryptor.update(blocks), "big") ^ int.from_bytes(chained, "big")
    return number.to_bytes(len(blocks), "big")


def meter_plan(
    plan: Plan, data: bytes, meter: Address, link_address: Address | None, key: Key | None = None
) -> MeterPlan:
    """Fit a plan to the meter that sent `data`, whose addresses are those of `Plan.addresses`."""
    # Without a long header, and where the extended link layer encrypts, it is the address in the link header.
    of_sender = plan.number_at is None or plan.ell_start is not None
    iv_address = data[_SENDER] if of_sender else meter.to_wire()
    if key is None:
        return MeterPlan(plan, meter, link_address, None, iv_address)
    if plan.ell_start is not None:
        return _CtrSession(plan, meter, link_address, key, iv_address, aes_encryptor(key.value))
    if plan.message is not None:
        return _CbcDerived(plan, meter, link_address, key, iv_address, Cmac(key.value))
    return _CbcAddress(plan, meter, link_address, key, iv_address, aes_decryptor(key.value))
