"""Chains of raw certificates, and the ways to spoil them that the table of `chain_flaws` is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keystore.certificates import der
from keystore.certificates.grant import Grant, Scope, decode_grant, encode_grant
from keystore.certificates.levels import EVERYTHING, Capability
from keystore.certificates.oids import FIELD_GRANT
from tests.keystore.certificates import raw_x509 as raw
from tests.keystore.certificates.raw_x509 import Draft

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
WINDOW = (AT - timedelta(days=200), AT + timedelta(days=200))
ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def p256(random: Random) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(random.randrange(1, ORDER_OF_P256), ec.SECP256R1())


@dataclass(slots=True)
class Chain:
    """The drafts of one chain, the leaf first and the anchor last, and what surrounds it."""

    drafts: list[Draft]
    number: int
    random: Random
    decoys: list[Draft] = field(default_factory=list)
    revoked: set[int] = field(default_factory=set)
    """Places in the chain of what is on its issuer's list."""
    missing: set[int] = field(default_factory=set)
    other_anchor: Draft | None = None

    @property
    def leaf(self) -> Draft:
        return self.drafts[0]

    @property
    def issuer(self) -> Draft:
        return self.drafts[1]

    @property
    def anchor(self) -> Draft:
        return self.drafts[-1]

    def change(self, place: int, change: Callable[[Draft], Draft]) -> None:
        self.drafts[place] = change(self.drafts[place])


def make_chain(number: int, random: Random, length: int) -> Chain:
    """A good chain of `length` certificates, with names of its own."""
    names = [f"chain {number} place {place}" for place in range(length)]
    keys = [p256(random) for _ in names]
    scope = random.choice([Scope("Stadtwerke Nord"), Scope("Stadtwerke Nord", frozenset({"KAM", "ELS"})), Scope()])
    grant = Grant(Capability(random.randrange(1, 32)), scope)
    drafts = [raw.leaf(names[0], names[1], keys[0], keys[1], WINDOW, grant, random.randrange(1, 1 << 63))]
    for place in range(1, length):
        above = min(place + 1, length - 1)
        serial = random.randrange(1, 1 << 63)
        most = Grant(EVERYTHING)
        drafts.append(raw.authority(names[place], names[above], keys[place], keys[above], WINDOW, most, serial))
    return Chain(drafts, number, random)


def leaf(change: Callable[[Draft], Draft]) -> Callable[[Chain], None]:
    return lambda chain: chain.change(0, change)


def issuer(change: Callable[[Draft], Draft]) -> Callable[[Chain], None]:
    return lambda chain: chain.change(1, change)


def anchor(change: Callable[[Draft], Draft]) -> Callable[[Chain], None]:
    return lambda chain: chain.change(-1, change)


def put(oid: str, value: bytes, *, critical: bool = True) -> Callable[[Draft], Draft]:
    return lambda draft: draft.with_extension(oid, critical, value)


def drop(oid: str) -> Callable[[Draft], Draft]:
    return lambda draft: draft.without(oid)


def uses(*bits: int) -> Callable[[Draft], Draft]:
    return put(raw.KEY_USAGE, der.write_bits(bits))


def grant(change: Callable[[bytes], bytes]) -> Callable[[Draft], Draft]:
    return lambda draft: draft.with_extension(FIELD_GRANT, True, change(draft.value_of(FIELD_GRANT)))


def not_critical(oid: str) -> Callable[[Draft], Draft]:
    return lambda draft: draft.with_extension(oid, False, draft.value_of(oid))


def after(draft: Draft) -> Draft:
    return replace(draft, not_before=AT + timedelta(seconds=1))


def before(draft: Draft) -> Draft:
    return replace(draft, not_after=AT - timedelta(seconds=1))


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def other_key(key: Callable[[Chain], raw.AnyKey]) -> Callable[[Chain], None]:
    return lambda chain: chain.change(0, lambda draft: replace(draft, key=key(chain)))


def decoys(chain: Chain) -> None:
    """Authorities of the same names with other keys, and one of another name."""
    for draft in chain.drafts[1:]:
        key = p256(chain.random)
        chain.decoys.append(
            raw.authority(
                draft.subject, draft.issuer, key, key, WINDOW, Grant(EVERYTHING), chain.random.randrange(1, 99)
            )
        )
    key = p256(chain.random)
    chain.decoys.append(raw.authority("decoy", "nobody", key, key, WINDOW, Grant(EVERYTHING), 7))


def false_issuer(chain: Chain) -> None:
    """The leaf is signed by a key that is not the issuer's, and says that it is."""
    chain.change(0, lambda draft: replace(draft, signer=p256(chain.random)))


def same_name(chain: Chain) -> None:
    """The leaf comes from an authority that only has the issuer's name, and signed itself."""
    key, name = p256(chain.random), chain.leaf.issuer
    chain.decoys.append(raw.authority(name, name, key, key, WINDOW, Grant(EVERYTHING), 5))
    chain.change(0, lambda draft: replace(draft, signer=key))
    chain.change(0, put(raw.AUTHORITY_KEY_ID, raw.authority_key(key), critical=False))


def leaf_as_issuer(chain: Chain) -> None:
    """A good leaf issues another."""
    first = chain.leaf
    again = raw.leaf("second", first.subject, p256(chain.random), first.key, WINDOW, Grant(EVERYTHING), 11)
    chain.drafts.insert(0, again)


def other_anchor(chain: Chain) -> None:
    """Trusted is an authority of the anchor's name, with another key."""
    key, name = p256(chain.random), chain.anchor.subject
    chain.other_anchor = raw.authority(name, name, key, key, WINDOW, Grant(EVERYTHING), 3)


def missing(chain: Chain) -> None:
    chain.missing.add(1)


def revoked(place: int) -> Callable[[Chain], None]:
    return lambda chain: chain.revoked.add(place)


def neighbour_revoked(chain: Chain) -> None:
    """On the anchor's list stands the leaf's number: another issuer's certificate."""
    chain.change(1, lambda draft: replace(draft, serial=raw.serial_bytes(int.from_bytes(draft.serial) ^ 1)))


def self_signed(chain: Chain) -> None:
    key = chain.leaf.key
    chain.change(0, lambda draft: replace(draft, issuer=draft.subject, signer=key))
    chain.change(0, put(raw.AUTHORITY_KEY_ID, raw.authority_key(key), critical=False))


def narrow_issuer(chain: Chain) -> None:
    """The issuer may grant less than the leaf says; what is left counts."""
    held = decode_grant(chain.leaf.value_of(FIELD_GRANT)).capabilities
    chain.change(0, put(FIELD_GRANT, encode_grant(Grant(held | Capability.READ))))
    chain.change(1, put(FIELD_GRANT, encode_grant(Grant(Capability.READ))))


def apart(chain: Chain) -> None:
    chain.change(0, put(FIELD_GRANT, encode_grant(Grant(Capability.TEST))))
    chain.change(1, put(FIELD_GRANT, encode_grant(Grant(Capability.READ | Capability.SERVICE))))


def scopes_apart(chain: Chain) -> None:
    chain.change(0, put(FIELD_GRANT, encode_grant(Grant(EVERYTHING, Scope("Stadtwerke Nord")))))
    chain.change(1, put(FIELD_GRANT, encode_grant(Grant(EVERYTHING, Scope("Stadtwerke Süd")))))


def two_names_for_issuer(draft: Draft) -> Draft:
    general = der.write(der.context(1, constructed=True), der.write(0xA4, raw.name("somebody")))
    value = der.write(der.SEQUENCE, der.write(der.context(0), raw.key_id(draft.signer)), general, b"\x82\x01\x05")
    return draft.with_extension(raw.AUTHORITY_KEY_ID, False, value)


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)
