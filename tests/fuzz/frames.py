"""Frames that no meter sends: mutated telegrams, and frames made up of parts of the standard in any order. Seeded."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from protocols.crypto import BLOCK, aes_cbc_encrypt
from protocols.decode import decode
from protocols.mbus.encode import compact_from_full
from protocols.mbus.wired import checksum
from protocols.model import Address, FrameFormat, Key
from protocols.profiles.index import claims_of
from protocols.profiles.registry import shipped_profiles
from protocols.wmbus.ci import Content
from protocols.wmbus.ell import ENCRYPTION_AES_CTR, ExtendedLinkLayer
from protocols.wmbus.encode import (
    TransportHeader,
    extended_link,
    extended_link_session,
    link_frame,
    session_number,
    transport_clear,
    transport_mode_5,
    transport_mode_7,
    with_crcs,
)
from protocols.wmbus.link import HEADER_SIZE
from protocols.wmbus.security.cbc_address import initial_vector
from protocols.wmbus.transport import TransportLayer
from simulators.meters.model import build_meter
from simulators.scenario import Scenario

KEY = bytes(range(1, 17))
NO_KEY = b""
_MADE_UP_KEYS = (Key(KEY),)
LONGEST = 255

START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seed:
    """A telegram with its key, and as decoded with it: `plain` is the frame without CRCs, decrypted."""

    data: bytes
    key: bytes
    plain: bytes
    transport: TransportLayer | None
    ell: ExtendedLinkLayer | None
    address: Address | None

    @classmethod
    def of(cls, data: bytes, key: bytes = NO_KEY) -> Seed:
        """Decode a telegram, so that what lies behind its encryption can be mutated as well."""
        telegram = decode(data, (lambda _: (Key(key),)) if key else lambda _: ())
        layers = telegram.layers
        return cls(
            data,
            key,
            telegram.plain if telegram.ok else b"",
            next((layer for layer in layers if isinstance(layer, TransportLayer)), None),
            next((layer for layer in layers if isinstance(layer, ExtendedLinkLayer)), None),
            telegram.meter,
        )


def corpus_seeds(folder: Path) -> list[Seed]:
    """The telegrams of the conformance corpora."""
    seeds = []
    for name in ("dev.encrypted.jsonl", "variants.dev.jsonl", "mbus-wired.dev.jsonl"):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            seeds.append(Seed.of(bytes.fromhex(case["hex"]), bytes.fromhex(case.get("key") or "")))
    return seeds


def made_up_seeds() -> list[Seed]:
    """Telegrams of the simulated meters, and the tests of all profiles."""
    seeds = []
    for meter in Scenario.load().meters:
        sender, key = build_meter(meter), NO_KEY if meter.key is None else meter.key.value
        seeds += [Seed.of(sender.telegram(START + n * timedelta(seconds=16)), key) for n in range(9)]
    for profile in shipped_profiles().profiles.values():
        for test in profile.tests:
            seeds.append(Seed.of(bytes.fromhex(test.telegram), bytes.fromhex(test.key or "")))
    return seeds


class Frames:
    """An endless stream of frames, repeatable by its seed."""

    def __init__(self, seeds: Sequence[Seed], seed: int) -> None:
        self._seeds = seeds
        self._behind_keys = [one for one in seeds if one.plain]
        self._rng = random.Random(seed)
        self._addresses = _claimed_addresses()
        self._keys = {one.address.number: (Key(one.key),) for one in seeds if one.address is not None and one.key}
        self._makers: tuple[tuple[int, Callable[[], bytes]], ...] = (
            (35, self._mutated),
            (5, self._unchanged),
            (20, self._behind_the_key),
            (8, self._spliced),
            (8, self._in_the_clear),
            (16, self._made_of_records),
            (4, self._payload_of_a_maker),
            (3, self._wired),
            (1, self._noise),
        )
        self._weights = [weight for weight, _ in self._makers]

    def keys(self, address: Address) -> Sequence[Key]:
        """The keys filed for an address: always the same ones."""
        return self._keys.get(address.number, _MADE_UP_KEYS)

    def __iter__(self) -> Iterator[bytes]:
        makers = [make for _, make in self._makers]
        while True:
            (make,) = self._rng.choices(makers, self._weights)
            yield make()

    def _unchanged(self) -> bytes:
        """As it is, so that the fast path has something to learn from."""
        return self._rng.choice(self._seeds).data

    def _mutated(self) -> bytes:
        seed = self._rng.choice(self._seeds)
        return self._wrapped(mutate(seed.data, self._rng))

    def _wrapped(self, data: bytes) -> bytes:
        """Now and then with its length put right, with link-layer CRCs, or both."""
        choice = self._rng.randrange(8)
        if choice > 3 or not HEADER_SIZE < len(data) <= LONGEST - 4 or data[:1] == b"\x68":
            return data
        data = bytes((len(data) - 1,)) + data[1:]
        if choice > 1:
            return data
        coded = with_crcs(data, (FrameFormat.A, FrameFormat.B)[choice])
        return mutate(coded, self._rng) if self._rng.randrange(3) == 0 else coded

    def _behind_the_key(self) -> bytes:
        """Mutate the plain text and encrypt it again, so that the records behind the encryption are reached."""
        seed = self._rng.choice(self._behind_keys)
        transport, ell, plain = seed.transport, seed.ell, seed.plain
        if ell is not None and ell.encryption == ENCRYPTION_AES_CTR and seed.key:
            payload = mutate(plain[ell.end :], self._rng)[: LONGEST - 40]
            sender = Address.from_wire(plain[2:HEADER_SIZE])
            number = ell.session_number or 0
            layer = extended_link_session(ell.cc, ell.acc, number, payload, sender=sender, key=seed.key)
            return link_frame(plain[1], sender, layer)
        if transport is None or seed.address is None or transport.security_mode != 5 or not seed.key:
            return self._wrapped(plain[: plain.find(b"\x2f\x2f") + 2] + mutate(plain[12:], self._rng))
        end = transport.end + transport.encrypted_blocks * BLOCK
        region = plain[transport.end : end]
        mutated = (region[:2] + mutate(region[2:], self._rng)).ljust(len(region), b"\x2f")[: len(region)]
        iv = initial_vector(seed.address, transport.access_number or 0)
        return plain[: transport.end] + aes_cbc_encrypt(seed.key, iv, mutated) + plain[end:]

    def _spliced(self) -> bytes:
        one, other = self._rng.choice(self._seeds), self._rng.choice(self._seeds)
        cut, start = self._rng.randrange(len(one.data) + 1), self._rng.randrange(len(other.data) + 1)
        return self._wrapped((one.data[:cut] + other.data[start:])[:LONGEST])

    def _in_the_clear(self) -> bytes:
        """The application layer of one telegram, mutated, under the address of another meter."""
        seed = self._rng.choice(self._behind_keys)
        start = seed.transport.end if seed.transport is not None else HEADER_SIZE
        return self._sent_as(self._rng.choice(self._addresses), mutate(seed.plain[start:], self._rng))

    def _made_of_records(self) -> bytes:
        records = b"".join(made_up_record(self._rng) for _ in range(self._rng.randrange(1, 12)))
        return self._sent_as(self._rng.choice(self._addresses), records)

    def _sent_as(self, sender: Address, records: bytes) -> bytes:
        """In one of the ways that meters send records."""
        rng, records = self._rng, records[:180]
        header = TransportHeader(rng.randrange(256), rng.choice((0, 0, rng.randrange(256))))
        content = rng.choice((Content.RECORDS, Content.RECORDS, Content.RECORDS, Content.COMPACT))
        if content is Content.COMPACT:
            try:
                records = compact_from_full(records)
            except ValueError:
                content = Content.RECORDS
        way = rng.randrange(6)
        if way == 0:
            payload = transport_mode_5(content, records, header, key=KEY, sender=sender)
        elif way == 1:
            number = session_number(rng.randrange(16), rng.randrange(1 << 20), encrypted=True)
            inner = transport_clear(content, records)
            payload = extended_link_session(0x20, header.access_number, number, inner, sender=sender, key=KEY)
        elif way == 2 and content is Content.RECORDS:
            payload = transport_mode_7(content, records, header, key=KEY, counter=rng.randrange(1 << 30), sender=sender)
        elif way == 3:
            long = replace(header, address=rng.choice(self._addresses))
            payload = extended_link(0x20, header.access_number, transport_clear(content, records, long))
        else:
            payload = transport_clear(content, records, header)
        return self._wrapped(link_frame(0x44, sender, payload[: LONGEST - HEADER_SIZE]))

    def _payload_of_a_maker(self) -> bytes:
        """Any bytes behind a CI field of the makers' own, or behind DIF 0F."""
        rng, sender = self._rng, self._rng.choice(self._addresses)
        noise = rng.randbytes(rng.randrange(120))
        if rng.randrange(2):
            return self._wrapped(link_frame(0x44, sender, bytes((rng.randrange(0xA0, 0xB8),)) + noise))
        records = b"".join(made_up_record(rng) for _ in range(rng.randrange(4)))[:100]
        return self._sent_as(sender, records + b"\x0f" + noise[:70])

    def _wired(self) -> bytes:
        """A long frame with a good checksum around anything."""
        rng = self._rng
        sender = rng.choice(self._addresses).to_transport() + bytes((rng.randrange(256), 0, 0, 0))
        records = b"".join(made_up_record(rng) for _ in range(rng.randrange(10)))
        body = bytes((rng.choice((0x08, 0x53, rng.randrange(256))), rng.randrange(256)))
        body += bytes((rng.choice((0x72, 0x72, 0x78, 0x73, rng.randrange(256))),)) + sender + records
        body = body[:LONGEST]
        return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((checksum(body), 0x16))

    def _noise(self) -> bytes:
        return self._rng.randbytes(self._rng.randrange(300))


def _claimed_addresses() -> list[Address]:
    """An address for every claim of every profile, and some that nobody claims."""
    addresses = [Address.of("ZZZ", "12345678", 1, 7), Address.of("QQQ", "87654321", 0xFF, 0xFF)]
    for profile in shipped_profiles().profiles.values():
        for claim in claims_of(profile):
            medium = 7 if claim.medium is None else claim.medium
            addresses.append(Address.of(claim.manufacturer, "40302010", claim.version or 0, medium))
    return addresses


_TELLING = bytes.fromhex("000F1F2F7F80FFFDFB7C8DAD0DFE6D6C4402044142727A78797A8C8D8E8F90")
"""Bytes with a meaning: special DIFs, extension bytes, plain-text and profile VIFs, CI fields."""

_CHANGES: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    lambda data, at, rng: data.__setitem__(at, data[at] ^ 1 << rng.randrange(8)),
    lambda data, at, rng: data.__setitem__(at, rng.randrange(256)),
    lambda data, at, rng: data.__setitem__(at, rng.choice(_TELLING)),
    lambda data, at, rng: data.__delitem__(slice(at, at + rng.randrange(1, 5))),
    lambda data, at, rng: data.__delitem__(slice(at, None)),
    lambda data, at, rng: data.__setitem__(slice(at, at), rng.randbytes(rng.randrange(1, 5))),
    lambda data, at, rng: data.__setitem__(slice(at, at), data[at : at + rng.randrange(1, 20)]),
    lambda data, at, rng: data.__setitem__(0, rng.choice((min(255, len(data) - 1), rng.randrange(256), 0, 255))),
)
"""Flip a bit, set a byte, set a byte that means something, take some out, cut, put some in, repeat some, tamper L."""


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Change some bytes, one to four times."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        if not changed:
            break
        rng.choice(_CHANGES)(changed, rng.randrange(len(changed)), rng)
    return bytes(changed[:400])


_LENGTHS = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, None, 6, 0)
"""Bytes of data by the DIF's data field, None where the first one tells."""

_LVAR = (0x00, 0x04, 0x10, 0xC2, 0xC9, 0xD3, 0xE4, 0xEF, 0xF0, 0xF4, 0xF5, 0xF8)


def made_up_record(rng: random.Random) -> bytes:
    """A record as the standard allows it, or nearly: any DIF and VIF chain, as much data as the DIF announces."""
    dif = rng.randrange(256)
    header = bytes((dif,))
    while header[-1] & 0x80 and len(header) < rng.choice((3, 12)):
        header += bytes((rng.choice((rng.randrange(0x80), rng.randrange(256))),))
    vif = rng.choice((rng.randrange(0x80), rng.randrange(256), 0x7C, 0xFC, 0xFD, 0xFB, 0xFF))
    chain = bytes((vif,))
    if vif == 0x7C:
        chain += bytes((3,)) + rng.choice((b"HR%", rng.randbytes(3)))
    while chain[-1] & 0x80 and len(chain) < rng.choice((3, 5, 12)):
        chain += bytes((rng.choice((rng.randrange(0x80), rng.randrange(256), 0x1E, 0x1F, 0x13)),))
    length = _LENGTHS[dif & 0x0F]
    if length is None:
        lvar = rng.choice(_LVAR)
        return header + chain + bytes((lvar,)) + rng.randbytes(lvar if lvar < 0x40 else lvar & 0x0F)
    filler = rng.choice((None, b"\x00", b"\xff", b"\x99"))
    return header + chain + (rng.randbytes(length) if filler is None else filler * length)
