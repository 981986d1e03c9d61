"""Chains, good and bad: how each flaw is made, and what each of three verifiers makes of it.

`reason` is what this program says, None when it accepts. Where the library or OpenSSL come to another answer, `library`
and `openssl` say why they do: that is the table of disagreements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keystore.certificates import der
from keystore.certificates.errors import RejectReason
from keystore.certificates.grant import Grant, Scope, decode_grant, encode_grant
from keystore.certificates.levels import EVERYTHING, Capability
from keystore.certificates.oids import FIELD_AUTHORISATION, FIELD_GRANT
from tests.keystore.certificates import raw_x509 as raw
from tests.keystore.certificates.raw_x509 import Draft

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
WINDOW = (AT - timedelta(days=200), AT + timedelta(days=200))
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def p256(random: Random) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(random.randrange(1, _ORDER), ec.SECP256R1())


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


@dataclass(frozen=True, slots=True)
class Flaw:
    """One way to be wrong (or odd, and right): `length` is the shortest chain that can have it."""

    make: Callable[[Chain], None]
    reason: RejectReason | None
    library: str = ""
    openssl: str = ""
    length: int = 2


def _leaf(change: Callable[[Draft], Draft]) -> Callable[[Chain], None]:
    return lambda chain: chain.change(0, change)


def _issuer(change: Callable[[Draft], Draft]) -> Callable[[Chain], None]:
    return lambda chain: chain.change(1, change)


def _anchor(change: Callable[[Draft], Draft]) -> Callable[[Chain], None]:
    return lambda chain: chain.change(-1, change)


def _set(oid: str, value: bytes, *, critical: bool = True) -> Callable[[Draft], Draft]:
    return lambda draft: draft.with_extension(oid, critical, value)


def _drop(oid: str) -> Callable[[Draft], Draft]:
    return lambda draft: draft.without(oid)


def _uses(*bits: int) -> Callable[[Draft], Draft]:
    return _set(raw.KEY_USAGE, der.write_bits(bits))


def _grant(change: Callable[[bytes], bytes]) -> Callable[[Draft], Draft]:
    return lambda draft: draft.with_extension(FIELD_GRANT, True, change(draft.value_of(FIELD_GRANT)))


def _not_critical(oid: str) -> Callable[[Draft], Draft]:
    return lambda draft: draft.with_extension(oid, False, draft.value_of(oid))


def _after(draft: Draft) -> Draft:
    return replace(draft, not_before=AT + timedelta(seconds=1))


def _before(draft: Draft) -> Draft:
    return replace(draft, not_after=AT - timedelta(seconds=1))


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def _other_key(key: Callable[[Chain], raw.AnyKey]) -> Callable[[Chain], None]:
    return lambda chain: chain.change(0, lambda draft: replace(draft, key=key(chain)))


def _decoys(chain: Chain) -> None:
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


def _false_issuer(chain: Chain) -> None:
    """The leaf is signed by a key that is not the issuer's, and says that it is."""
    chain.change(0, lambda draft: replace(draft, signer=p256(chain.random)))


def _same_name(chain: Chain) -> None:
    """The leaf comes from an authority that only has the issuer's name, and signed itself."""
    key, name = p256(chain.random), chain.leaf.issuer
    chain.decoys.append(raw.authority(name, name, key, key, WINDOW, Grant(EVERYTHING), 5))
    chain.change(0, lambda draft: replace(draft, signer=key))
    chain.change(0, _set(raw.AUTHORITY_KEY_ID, raw.authority_key(key), critical=False))


def _leaf_as_issuer(chain: Chain) -> None:
    """A good leaf issues another."""
    first = chain.leaf
    again = raw.leaf("second", first.subject, p256(chain.random), first.key, WINDOW, Grant(EVERYTHING), 11)
    chain.drafts.insert(0, again)


def _other_anchor(chain: Chain) -> None:
    """Trusted is an authority of the anchor's name, with another key."""
    key, name = p256(chain.random), chain.anchor.subject
    chain.other_anchor = raw.authority(name, name, key, key, WINDOW, Grant(EVERYTHING), 3)


def _missing(chain: Chain) -> None:
    chain.missing.add(1)


def _revoked(place: int) -> Callable[[Chain], None]:
    return lambda chain: chain.revoked.add(place)


def _neighbour_revoked(chain: Chain) -> None:
    """On the anchor's list stands the leaf's number: another issuer's certificate."""
    chain.change(1, lambda draft: replace(draft, serial=raw.serial_bytes(int.from_bytes(draft.serial) ^ 1)))


def _self_signed(chain: Chain) -> None:
    key = chain.leaf.key
    chain.change(0, lambda draft: replace(draft, issuer=draft.subject, signer=key))
    chain.change(0, _set(raw.AUTHORITY_KEY_ID, raw.authority_key(key), critical=False))


def _narrow_issuer(chain: Chain) -> None:
    """The issuer may grant less than the leaf says; what is left counts."""
    held = decode_grant(chain.leaf.value_of(FIELD_GRANT)).capabilities
    chain.change(0, _set(FIELD_GRANT, encode_grant(Grant(held | Capability.READ))))
    chain.change(1, _set(FIELD_GRANT, encode_grant(Grant(Capability.READ))))


def _apart(chain: Chain) -> None:
    chain.change(0, _set(FIELD_GRANT, encode_grant(Grant(Capability.TEST))))
    chain.change(1, _set(FIELD_GRANT, encode_grant(Grant(Capability.READ | Capability.SERVICE))))


def _scopes_apart(chain: Chain) -> None:
    chain.change(0, _set(FIELD_GRANT, encode_grant(Grant(EVERYTHING, Scope("Stadtwerke Nord")))))
    chain.change(1, _set(FIELD_GRANT, encode_grant(Grant(EVERYTHING, Scope("Stadtwerke Süd")))))


def _two_names_for_issuer(draft: Draft) -> Draft:
    general = der.write(der.context(1, constructed=True), der.write(0xA4, raw.name("somebody")))
    value = der.write(der.SEQUENCE, der.write(der.context(0), raw.key_id(draft.signer)), general, b"\x82\x01\x05")
    return draft.with_extension(raw.AUTHORITY_KEY_ID, False, value)


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


NO_GRANT = "knows nothing of grants"
ANY_PURPOSE = "was asked for any purpose"
IGNORES = "was told to pass over critical extensions, because it does not know ours"
BY_NAME = "finds issuers by name and signature alone"
KEYS = "takes this kind of key as well"
LEAF_IS_ITS_OWN = "takes what is asked of a leaf from the caller's policy"
_R = RejectReason

FLAWS: dict[str, Flaw] = {
    "none": Flaw(lambda chain: None, None),
    "none, three": Flaw(lambda chain: None, None, length=3),
    "none, four": Flaw(lambda chain: None, None, length=4),
    "decoys": Flaw(_decoys, None, length=3),
    "leaf expired": Flaw(_leaf(_before), _R.EXPIRED),
    "leaf not yet": Flaw(_leaf(_after), _R.NOT_YET),
    "wrong purpose": Flaw(
        _leaf(_set(raw.EXTENDED_KEY_USAGE, raw.purposes(raw.CLIENT_AUTH))), _R.WRONG_USAGE, openssl=ANY_PURPOSE
    ),
    "two purposes": Flaw(
        _leaf(_set(raw.EXTENDED_KEY_USAGE, raw.purposes(FIELD_AUTHORISATION, raw.CLIENT_AUTH))),
        _R.WRONG_USAGE,
        library="asks that our purpose is there, not that it is alone",
        openssl=ANY_PURPOSE,
    ),
    "any purpose": Flaw(
        _leaf(_set(raw.EXTENDED_KEY_USAGE, raw.purposes(raw.ANY_PURPOSE))), _R.WRONG_USAGE, openssl=ANY_PURPOSE
    ),
    "no purpose": Flaw(_leaf(_drop(raw.EXTENDED_KEY_USAGE)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "no level": Flaw(_leaf(_drop(FIELD_GRANT)), _R.NO_LEVEL, openssl=NO_GRANT),
    "level not critical": Flaw(_leaf(_not_critical(FIELD_GRANT)), _R.NO_LEVEL, openssl=NO_GRANT),
    "level twice": Flaw(
        _leaf(lambda draft: draft.twice(FIELD_GRANT)),
        _R.DUPLICATE_EXTENSION,
        openssl="looks for doubles only among the extensions that it knows",
    ),
    "key usage twice": Flaw(_leaf(lambda draft: draft.twice(raw.KEY_USAGE)), _R.DUPLICATE_EXTENSION),
    "level with bytes behind": Flaw(_leaf(_grant(lambda value: value + b"\0")), _R.BAD_LEVEL, openssl=NO_GRANT),
    "level with a field more": Flaw(
        _leaf(_grant(lambda value: der.write(der.SEQUENCE, value[2:], b"\x05\x00"))), _R.BAD_LEVEL, openssl=NO_GRANT
    ),
    "level of version 2": Flaw(
        _leaf(_grant(lambda value: value.replace(b"\x02\x01\x01", b"\x02\x01\x02", 1))), _R.BAD_LEVEL, openssl=NO_GRANT
    ),
    "level 255": Flaw(
        _leaf(_set(FIELD_GRANT, der.write(der.SEQUENCE, der.write_integer(1), der.write_bits(range(8))))),
        _R.BAD_LEVEL,
        openssl=NO_GRANT,
    ),
    "level of nothing": Flaw(
        _leaf(_set(FIELD_GRANT, der.write(der.SEQUENCE, der.write_integer(1), der.write_bits([])))),
        _R.BAD_LEVEL,
        openssl=NO_GRANT,
    ),
    "level with a long length": Flaw(
        _leaf(_grant(lambda value: b"\x30\x81" + value[1:])), _R.BAD_LEVEL, openssl=NO_GRANT
    ),
    "level empty": Flaw(_leaf(_set(FIELD_GRANT, b"")), _R.BAD_LEVEL, openssl=NO_GRANT),
    "leaf is an authority": Flaw(
        _leaf(_set(raw.BASIC_CONSTRAINTS, raw.constraints(ca=True))),
        _R.NOT_A_LEAF,
        library=LEAF_IS_ITS_OWN,
    ),
    "no constraints": Flaw(_leaf(_drop(raw.BASIC_CONSTRAINTS)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "constraints not critical": Flaw(_leaf(_not_critical(raw.BASIC_CONSTRAINTS)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "no key usage": Flaw(_leaf(_drop(raw.KEY_USAGE)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "key usage not critical": Flaw(_leaf(_not_critical(raw.KEY_USAGE)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "leaf may sign certificates": Flaw(
        _leaf(_uses(raw.DIGITAL_SIGNATURE, raw.KEY_CERT_SIGN)), _R.WRONG_USAGE, library=LEAF_IS_ITS_OWN
    ),
    "leaf may encipher": Flaw(
        _leaf(_uses(raw.DIGITAL_SIGNATURE, raw.KEY_ENCIPHERMENT)),
        _R.WRONG_USAGE,
        library=LEAF_IS_ITS_OWN,
        openssl=ANY_PURPOSE,
    ),
    "leaf may not sign": Flaw(_leaf(_uses(raw.KEY_ENCIPHERMENT)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "no authority key": Flaw(_leaf(_drop(raw.AUTHORITY_KEY_ID)), _R.UNTRUSTED),
    "another authority key": Flaw(
        _leaf(
            _set(raw.AUTHORITY_KEY_ID, der.write(der.SEQUENCE, der.write(der.context(0), bytes(20))), critical=False)
        ),
        _R.UNTRUSTED,
        library=BY_NAME,
    ),
    "issuer named in two ways": Flaw(_leaf(_two_names_for_issuer), _R.MALFORMED, library="passes over the second name"),
    "unknown critical": Flaw(_leaf(_set("2.25.1", b"\x05\x00")), _R.UNKNOWN_CRITICAL, openssl=IGNORES),
    "unknown, not critical": Flaw(_leaf(_set("2.25.1", b"\x05\x00", critical=False)), None),
    "leaf P-384": Flaw(
        _other_key(lambda chain: ec.derive_private_key(chain.random.randrange(1, _ORDER), ec.SECP384R1())),
        _R.WRONG_KEY_TYPE,
        library=KEYS,
        openssl=KEYS,
    ),
    "leaf RSA": Flaw(_other_key(lambda chain: _rsa_key()), _R.WRONG_KEY_TYPE, library=KEYS, openssl=KEYS),
    "leaf Ed25519": Flaw(
        _other_key(lambda chain: ed25519.Ed25519PrivateKey.from_private_bytes(chain.random.randbytes(32))),
        _R.WRONG_KEY_TYPE,
        openssl=KEYS,
        library=KEYS,
    ),
    "signature SHA-384": Flaw(
        _leaf(lambda draft: replace(draft, algorithm=raw.ECDSA_SHA384)),
        _R.WRONG_ALGORITHM,
        openssl=KEYS,
        library="takes this signature as well",
    ),
    "two algorithms": Flaw(_leaf(lambda draft: replace(draft, inner_algorithm=raw.ECDSA_SHA384)), _R.BAD_SIGNATURE),
    "signature flipped": Flaw(_leaf(lambda draft: replace(draft, damage=_flip)), _R.BAD_SIGNATURE),
    "serial changed": Flaw(
        _leaf(
            lambda d: replace(
                d, damage=lambda data: data.replace(d.serial, raw.serial_bytes(int.from_bytes(d.serial) ^ 2), 1)
            )
        ),
        _R.BAD_SIGNATURE,
    ),
    "false issuer": Flaw(_false_issuer, _R.BAD_SIGNATURE),
    "same name": Flaw(_same_name, _R.UNTRUSTED),
    "leaf as issuer": Flaw(_leaf_as_issuer, _R.UNTRUSTED),
    "self-signed leaf": Flaw(_self_signed, _R.UNTRUSTED),
    "other anchor": Flaw(_other_anchor, _R.UNTRUSTED),
    "issuer missing": Flaw(_missing, _R.UNTRUSTED, length=3),
    "too long": Flaw(lambda chain: None, _R.UNTRUSTED, length=5, openssl="has no limit of four"),
    "serial zero": Flaw(
        _leaf(lambda draft: replace(draft, serial=b"\0")),
        _R.MALFORMED,
        openssl="takes it",
        library="takes it, with a warning",
    ),
    "serial negative": Flaw(_leaf(lambda draft: replace(draft, serial=b"\x81")), _R.MALFORMED, openssl="takes it"),
    "serial of 21 bytes": Flaw(
        _leaf(lambda draft: replace(draft, serial=b"\x01" * 21)), _R.MALFORMED, openssl="takes it", library="takes it"
    ),
    "version 1": Flaw(_leaf(lambda draft: replace(draft, version=0)), _R.MALFORMED, openssl="takes it"),
    "bytes behind": Flaw(
        _leaf(lambda draft: replace(draft, after=b"\0")), _R.MALFORMED, openssl="reads the first only"
    ),
    "revoked": Flaw(_revoked(0), _R.REVOKED, library="knows no revocation lists"),
    "issuer revoked": Flaw(_revoked(1), _R.REVOKED, library="knows no revocation lists", length=3),
    "another one revoked": Flaw(_neighbour_revoked, None),
    "issuer expired": Flaw(_issuer(_before), _R.EXPIRED, length=3),
    "issuer not yet": Flaw(_issuer(_after), _R.NOT_YET, length=3),
    "issuer no authority": Flaw(_issuer(_set(raw.BASIC_CONSTRAINTS, raw.constraints(ca=False))), _R.NOT_A_CA, length=3),
    "issuer without constraints": Flaw(_issuer(_drop(raw.BASIC_CONSTRAINTS)), _R.NOT_A_CA, length=3),
    "issuer's constraints not critical": Flaw(_issuer(_not_critical(raw.BASIC_CONSTRAINTS)), _R.NOT_A_CA, length=3),
    "issuer may not sign": Flaw(_issuer(_uses(raw.CRL_SIGN)), _R.NOT_A_CA, length=3),
    "issuer without key usage": Flaw(_issuer(_drop(raw.KEY_USAGE)), _R.NOT_A_CA, length=3),
    "issuer without key id": Flaw(_issuer(_drop(raw.SUBJECT_KEY_ID)), _R.UNTRUSTED, length=3, library=BY_NAME),
    "issuer's purpose": Flaw(
        _issuer(_set(raw.EXTENDED_KEY_USAGE, raw.purposes(raw.CLIENT_AUTH), critical=False)),
        _R.WRONG_USAGE,
        length=3,
        openssl=ANY_PURPOSE,
    ),
    "issuer for the field": Flaw(
        _issuer(_set(raw.EXTENDED_KEY_USAGE, raw.purposes(FIELD_AUTHORISATION), critical=False)), None, length=3
    ),
    "issuer without level": Flaw(_issuer(_drop(FIELD_GRANT)), _R.NO_LEVEL, length=3, openssl=NO_GRANT),
    "issuer's level not critical": Flaw(_issuer(_not_critical(FIELD_GRANT)), _R.NO_LEVEL, length=3, openssl=NO_GRANT),
    "issuer's level 255": Flaw(
        _issuer(_set(FIELD_GRANT, der.write(der.SEQUENCE, der.write_integer(1), der.write_bits(range(8))))),
        _R.BAD_LEVEL,
        length=3,
        openssl=NO_GRANT,
    ),
    "issuer may grant less": Flaw(_narrow_issuer, None, length=3),
    "levels apart": Flaw(_apart, _R.GRANTS_NOTHING, length=3, library=NO_GRANT, openssl=NO_GRANT),
    "scopes apart": Flaw(_scopes_apart, _R.GRANTS_NOTHING, length=3, library=NO_GRANT, openssl=NO_GRANT),
    "issuer unknown critical": Flaw(
        _issuer(_set("2.25.1", b"\x05\x00")), _R.UNKNOWN_CRITICAL, length=3, openssl=IGNORES
    ),
    "issuer with name constraints": Flaw(
        _issuer(_set(raw.NAME_CONSTRAINTS, der.write(der.SEQUENCE, der.write(0xA1, der.write(0x30, b"\x82\x01a"))))),
        _R.UNKNOWN_CRITICAL,
        length=3,
        library="knows name constraints",
        openssl="knows name constraints",
    ),
    "path length": Flaw(
        lambda chain: chain.change(2, _set(raw.BASIC_CONSTRAINTS, raw.constraints(ca=True, path_length=0))),
        _R.PATH_TOO_LONG,
        length=4,
    ),
    "path length that fits": Flaw(
        lambda chain: chain.change(1, _set(raw.BASIC_CONSTRAINTS, raw.constraints(ca=True, path_length=0))),
        None,
        length=4,
    ),
    "anchor expired": Flaw(_anchor(_before), _R.EXPIRED),
    "anchor without level": Flaw(_anchor(_drop(FIELD_GRANT)), _R.NO_LEVEL, openssl=NO_GRANT),
    "anchor's path length": Flaw(
        _anchor(_set(raw.BASIC_CONSTRAINTS, raw.constraints(ca=True, path_length=0))), _R.PATH_TOO_LONG, length=3
    ),
}
