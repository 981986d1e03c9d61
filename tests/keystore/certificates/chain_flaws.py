"""Chains, good and bad: how each flaw is made, and what each of three verifiers makes of it.

`reason` is what this program says, None when it accepts. Where the library or OpenSSL come to another answer, `library`
and `openssl` say why they do: that is the table of disagreements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from keystore.certificates import der
from keystore.certificates.errors import RejectReason
from keystore.certificates.oids import FIELD_AUTHORISATION, FIELD_GRANT
from tests.keystore.certificates import raw_x509 as raw
from tests.keystore.certificates.chain_changes import (
    ORDER_OF_P256,
    Chain,
    after,
    anchor,
    apart,
    before,
    decoys,
    drop,
    false_issuer,
    flip,
    grant,
    issuer,
    leaf,
    leaf_as_issuer,
    missing,
    narrow_issuer,
    neighbour_revoked,
    not_critical,
    other_anchor,
    other_key,
    put,
    revoked,
    rsa_key,
    same_name,
    scopes_apart,
    self_signed,
    two_names_for_issuer,
    uses,
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """One way to be wrong (or odd, and right): `length` is the shortest chain that can have it."""

    make: Callable[[Chain], None]
    reason: RejectReason | None
    library: str = ""
    openssl: str = ""
    length: int = 2


NO_GRANT = "knows nothing of grants"
ANY_PURPOSE = "was asked for any purpose"
IGNORES = "was told to ignore critical extensions, because it does not know ours"
BY_NAME = "finds issuers by name and signature alone"
KEYS = "accepts this kind of key as well"
LEAF_IS_ITS_OWN = "leaves what a leaf must have to the caller's policy"
_R = RejectReason

FLAWS: dict[str, Flaw] = {
    "none": Flaw(lambda chain: None, None),
    "none, three": Flaw(lambda chain: None, None, length=3),
    "none, four": Flaw(lambda chain: None, None, length=4),
    "decoys": Flaw(decoys, None, length=3),
    "leaf expired": Flaw(leaf(before), _R.EXPIRED),
    "leaf not yet": Flaw(leaf(after), _R.NOT_YET),
    "wrong purpose": Flaw(
        leaf(put(raw.EXTENDED_KEY_USAGE, raw.purposes(raw.CLIENT_AUTH))), _R.WRONG_USAGE, openssl=ANY_PURPOSE
    ),
    "two purposes": Flaw(
        leaf(put(raw.EXTENDED_KEY_USAGE, raw.purposes(FIELD_AUTHORISATION, raw.CLIENT_AUTH))),
        _R.WRONG_USAGE,
        library="asks that our purpose is there, not that it is the only one",
        openssl=ANY_PURPOSE,
    ),
    "any purpose": Flaw(
        leaf(put(raw.EXTENDED_KEY_USAGE, raw.purposes(raw.ANY_PURPOSE))), _R.WRONG_USAGE, openssl=ANY_PURPOSE
    ),
    "no purpose": Flaw(leaf(drop(raw.EXTENDED_KEY_USAGE)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "no level": Flaw(leaf(drop(FIELD_GRANT)), _R.NO_LEVEL, openssl=NO_GRANT),
    "level not critical": Flaw(leaf(not_critical(FIELD_GRANT)), _R.NO_LEVEL, openssl=NO_GRANT),
    "level twice": Flaw(
        leaf(lambda draft: draft.twice(FIELD_GRANT)),
        _R.DUPLICATE_EXTENSION,
        openssl="looks for duplicates only among the extensions that it knows",
    ),
    "key usage twice": Flaw(leaf(lambda draft: draft.twice(raw.KEY_USAGE)), _R.DUPLICATE_EXTENSION),
    "level with bytes behind": Flaw(leaf(grant(lambda value: value + b"\0")), _R.BAD_LEVEL, openssl=NO_GRANT),
    "level with a field more": Flaw(
        leaf(grant(lambda value: der.write(der.SEQUENCE, value[2:], b"\x05\x00"))), _R.BAD_LEVEL, openssl=NO_GRANT
    ),
    "level of version 2": Flaw(
        leaf(grant(lambda value: value.replace(b"\x02\x01\x01", b"\x02\x01\x02", 1))), _R.BAD_LEVEL, openssl=NO_GRANT
    ),
    "level 255": Flaw(
        leaf(put(FIELD_GRANT, der.write(der.SEQUENCE, der.write_integer(1), der.write_bits(range(8))))),
        _R.BAD_LEVEL,
        openssl=NO_GRANT,
    ),
    "level of nothing": Flaw(
        leaf(put(FIELD_GRANT, der.write(der.SEQUENCE, der.write_integer(1), der.write_bits([])))),
        _R.BAD_LEVEL,
        openssl=NO_GRANT,
    ),
    "level with a long length": Flaw(
        leaf(grant(lambda value: b"\x30\x81" + value[1:])), _R.BAD_LEVEL, openssl=NO_GRANT
    ),
    "level empty": Flaw(leaf(put(FIELD_GRANT, b"")), _R.BAD_LEVEL, openssl=NO_GRANT),
    "leaf is an authority": Flaw(
        leaf(put(raw.BASIC_CONSTRAINTS, raw.constraints(ca=True))),
        _R.NOT_A_LEAF,
        library=LEAF_IS_ITS_OWN,
    ),
    "no constraints": Flaw(leaf(drop(raw.BASIC_CONSTRAINTS)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "constraints not critical": Flaw(leaf(not_critical(raw.BASIC_CONSTRAINTS)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "no key usage": Flaw(leaf(drop(raw.KEY_USAGE)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "key usage not critical": Flaw(leaf(not_critical(raw.KEY_USAGE)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "leaf may sign certificates": Flaw(
        leaf(uses(raw.DIGITAL_SIGNATURE, raw.KEY_CERT_SIGN)), _R.WRONG_USAGE, library=LEAF_IS_ITS_OWN
    ),
    "leaf may encipher": Flaw(
        leaf(uses(raw.DIGITAL_SIGNATURE, raw.KEY_ENCIPHERMENT)),
        _R.WRONG_USAGE,
        library=LEAF_IS_ITS_OWN,
        openssl=ANY_PURPOSE,
    ),
    "leaf may not sign": Flaw(leaf(uses(raw.KEY_ENCIPHERMENT)), _R.WRONG_USAGE, openssl=ANY_PURPOSE),
    "no authority key": Flaw(leaf(drop(raw.AUTHORITY_KEY_ID)), _R.UNTRUSTED),
    "another authority key": Flaw(
        leaf(put(raw.AUTHORITY_KEY_ID, der.write(der.SEQUENCE, der.write(der.context(0), bytes(20))), critical=False)),
        _R.UNTRUSTED,
        library=BY_NAME,
    ),
    "issuer named in two ways": Flaw(leaf(two_names_for_issuer), _R.MALFORMED, library="ignores the second name"),
    "unknown critical": Flaw(leaf(put("2.25.1", b"\x05\x00")), _R.UNKNOWN_CRITICAL, openssl=IGNORES),
    "unknown, not critical": Flaw(leaf(put("2.25.1", b"\x05\x00", critical=False)), None),
    "leaf P-384": Flaw(
        other_key(lambda chain: ec.derive_private_key(chain.random.randrange(1, ORDER_OF_P256), ec.SECP384R1())),
        _R.WRONG_KEY_TYPE,
        library=KEYS,
        openssl=KEYS,
    ),
    "leaf RSA": Flaw(other_key(lambda chain: rsa_key()), _R.WRONG_KEY_TYPE, library=KEYS, openssl=KEYS),
    "leaf Ed25519": Flaw(
        other_key(lambda chain: ed25519.Ed25519PrivateKey.from_private_bytes(chain.random.randbytes(32))),
        _R.WRONG_KEY_TYPE,
        openssl=KEYS,
        library=KEYS,
    ),
    "signature SHA-384": Flaw(
        leaf(lambda draft: replace(draft, algorithm=raw.ECDSA_SHA384)),
        _R.WRONG_ALGORITHM,
        openssl=KEYS,
        library="accepts this signature as well",
    ),
    "two algorithms": Flaw(leaf(lambda draft: replace(draft, inner_algorithm=raw.ECDSA_SHA384)), _R.BAD_SIGNATURE),
    "signature flipped": Flaw(leaf(lambda draft: replace(draft, damage=flip)), _R.BAD_SIGNATURE),
    "serial changed": Flaw(
        leaf(
            lambda d: replace(
                d, damage=lambda data: data.replace(d.serial, raw.serial_bytes(int.from_bytes(d.serial) ^ 2), 1)
            )
        ),
        _R.BAD_SIGNATURE,
    ),
    "false issuer": Flaw(false_issuer, _R.BAD_SIGNATURE),
    "same name": Flaw(same_name, _R.UNTRUSTED),
    "leaf as issuer": Flaw(leaf_as_issuer, _R.UNTRUSTED),
    "self-signed leaf": Flaw(self_signed, _R.UNTRUSTED),
    "other anchor": Flaw(other_anchor, _R.UNTRUSTED),
    "issuer missing": Flaw(missing, _R.UNTRUSTED, length=3),
    "too long": Flaw(lambda chain: None, _R.UNTRUSTED, length=5, openssl="has no limit of four"),
    "serial zero": Flaw(
        leaf(lambda draft: replace(draft, serial=b"\0")),
        _R.MALFORMED,
        openssl="accepts it",
        library="accepts it, with a warning",
    ),
    "serial negative": Flaw(leaf(lambda draft: replace(draft, serial=b"\x81")), _R.MALFORMED, openssl="accepts it"),
    "serial of 21 bytes": Flaw(
        leaf(lambda draft: replace(draft, serial=b"\x01" * 21)),
        _R.MALFORMED,
        openssl="accepts it",
        library="accepts it",
    ),
    "version 1": Flaw(leaf(lambda draft: replace(draft, version=0)), _R.MALFORMED, openssl="accepts it"),
    "bytes behind": Flaw(leaf(lambda draft: replace(draft, after=b"\0")), _R.MALFORMED, openssl="reads the first only"),
    "revoked": Flaw(revoked(0), _R.REVOKED, library="knows no revocation lists"),
    "issuer revoked": Flaw(revoked(1), _R.REVOKED, library="knows no revocation lists", length=3),
    "another one revoked": Flaw(neighbour_revoked, None),
    "issuer expired": Flaw(issuer(before), _R.EXPIRED, length=3),
    "issuer not yet": Flaw(issuer(after), _R.NOT_YET, length=3),
    "issuer no authority": Flaw(issuer(put(raw.BASIC_CONSTRAINTS, raw.constraints(ca=False))), _R.NOT_A_CA, length=3),
    "issuer without constraints": Flaw(issuer(drop(raw.BASIC_CONSTRAINTS)), _R.NOT_A_CA, length=3),
    "issuer's constraints not critical": Flaw(issuer(not_critical(raw.BASIC_CONSTRAINTS)), _R.NOT_A_CA, length=3),
    "issuer may not sign": Flaw(issuer(uses(raw.CRL_SIGN)), _R.NOT_A_CA, length=3),
    "issuer without key usage": Flaw(issuer(drop(raw.KEY_USAGE)), _R.NOT_A_CA, length=3),
    "issuer without key id": Flaw(issuer(drop(raw.SUBJECT_KEY_ID)), _R.UNTRUSTED, length=3, library=BY_NAME),
    "issuer's purpose": Flaw(
        issuer(put(raw.EXTENDED_KEY_USAGE, raw.purposes(raw.CLIENT_AUTH), critical=False)),
        _R.WRONG_USAGE,
        length=3,
        openssl=ANY_PURPOSE,
    ),
    "issuer for the field": Flaw(
        issuer(put(raw.EXTENDED_KEY_USAGE, raw.purposes(FIELD_AUTHORISATION), critical=False)), None, length=3
    ),
    "issuer without level": Flaw(issuer(drop(FIELD_GRANT)), _R.NO_LEVEL, length=3, openssl=NO_GRANT),
    "issuer's level not critical": Flaw(issuer(not_critical(FIELD_GRANT)), _R.NO_LEVEL, length=3, openssl=NO_GRANT),
    "issuer's level 255": Flaw(
        issuer(put(FIELD_GRANT, der.write(der.SEQUENCE, der.write_integer(1), der.write_bits(range(8))))),
        _R.BAD_LEVEL,
        length=3,
        openssl=NO_GRANT,
    ),
    "issuer may grant less": Flaw(narrow_issuer, None, length=3),
    "levels apart": Flaw(apart, _R.GRANTS_NOTHING, length=3, library=NO_GRANT, openssl=NO_GRANT),
    "scopes apart": Flaw(scopes_apart, _R.GRANTS_NOTHING, length=3, library=NO_GRANT, openssl=NO_GRANT),
    "issuer unknown critical": Flaw(issuer(put("2.25.1", b"\x05\x00")), _R.UNKNOWN_CRITICAL, length=3, openssl=IGNORES),
    "issuer with name constraints": Flaw(
        issuer(put(raw.NAME_CONSTRAINTS, der.write(der.SEQUENCE, der.write(0xA1, der.write(0x30, b"\x82\x01a"))))),
        _R.UNKNOWN_CRITICAL,
        length=3,
        library="knows name constraints",
        openssl="knows name constraints",
    ),
    "path length": Flaw(
        lambda chain: chain.change(2, put(raw.BASIC_CONSTRAINTS, raw.constraints(ca=True, path_length=0))),
        _R.PATH_TOO_LONG,
        length=4,
    ),
    "path length that fits": Flaw(
        lambda chain: chain.change(1, put(raw.BASIC_CONSTRAINTS, raw.constraints(ca=True, path_length=0))),
        None,
        length=4,
    ),
    "anchor expired": Flaw(anchor(before), _R.EXPIRED),
    "anchor without level": Flaw(anchor(drop(FIELD_GRANT)), _R.NO_LEVEL, openssl=NO_GRANT),
    "anchor's path length": Flaw(
        anchor(put(raw.BASIC_CONSTRAINTS, raw.constraints(ca=True, path_length=0))), _R.PATH_TOO_LONG, length=3
    ),
}
