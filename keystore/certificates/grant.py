"""What a certificate allows and where: the value of its critical extension.

    FieldGrant ::= SEQUENCE {
        version        INTEGER (1),
        capabilities   BIT STRING { read(0), install(1), commission(2), service(3), test(4) },
        organisation   [0] IMPLICIT UTF8String (SIZE (1..64)) OPTIONAL,
        manufacturers  [1] IMPLICIT SEQUENCE SIZE (1..16) OF PrintableString (SIZE (3)) OPTIONAL,
        families       [2] IMPLICIT SEQUENCE SIZE (1..16) OF UTF8String (SIZE (1..40)) OPTIONAL,
        numbers        [3] IMPLICIT SEQUENCE { first INTEGER (0..99999999), last INTEGER (0..99999999) } OPTIONAL
    }

DER; a field that is absent limits nothing; lists are sorted by their bytes and hold nothing twice; `first` is not above
`last`. Another version, an unknown bit or anything behind the last field is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from keystore.certificates import der
from keystore.certificates.der import DerError
from keystore.certificates.errors import CertificateRejected, RejectReason
from keystore.certificates.levels import NOTHING, Capability, level_title

GRANT_VERSION: Final = 1
ORGANISATION_LENGTH: Final = 64
LIST_LENGTH: Final = 16
FAMILY_LENGTH: Final = 40
HIGHEST_NUMBER: Final = 99_999_999

_ORGANISATION: Final = der.context(0)
_MANUFACTURERS: Final = der.context(1, constructed=True)
_FAMILIES: Final = der.context(2, constructed=True)
_NUMBERS: Final = der.context(3, constructed=True)
_CAPABILITIES: Final = {one.value.bit_length() - 1: one for one in Capability}
"""By the bit's number. Looked up here: Python 3.11.2 makes `Capability(1 << 40)` an empty flag instead of an error."""

_MANUFACTURER: Final = re.compile(r"[A-Z]{3}")
_NUMBER: Final = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a grant holds; None limits nothing.

    `manufacturers` are three letters each, `families` the names of meter profiles, `numbers` the first and the last of
    a range of eight-digit meter numbers. Raises `ValueError` for a scope that cannot be written down.
    """

    organisation: str | None = None
    manufacturers: frozenset[str] | None = None
    families: frozenset[str] | None = None
    numbers: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.organisation is not None and not _is_text(self.organisation, ORGANISATION_LENGTH):
            raise ValueError(f"an organisation has 1 to {ORGANISATION_LENGTH} printable characters")
        for names in (self.manufacturers, self.families):
            if names is not None and not 1 <= len(names) <= LIST_LENGTH:
                raise ValueError(f"a scope names 1 to {LIST_LENGTH} manufacturers or families, or any")
        if not all(_MANUFACTURER.fullmatch(name) for name in self.manufacturers or ()):
            raise ValueError("a manufacturer has three capital letters")
        if not all(_is_text(name, FAMILY_LENGTH) for name in self.families or ()):
            raise ValueError(f"a family has 1 to {FAMILY_LENGTH} printable characters")
        if self.numbers is not None and not 0 <= self.numbers[0] <= self.numbers[1] <= HIGHEST_NUMBER:
            raise ValueError("a range of meter numbers goes from 00000000 up to 99999999 at most")

    def why_not(self, manufacturer: str | None, family: str | None, number: str) -> str:
        """Return why a meter is outside, in words; an empty string when it is inside."""
        if self.manufacturers is not None and manufacturer not in self.manufacturers:
            return f"the certificate is for meters of {', '.join(sorted(self.manufacturers))}"
        if self.families is not None and family not in self.families:
            return f"the certificate is for {', '.join(sorted(self.families))}"
        if self.numbers is not None:
            first, last = self.numbers
            if not _NUMBER.fullmatch(number) or not first <= int(number) <= last:
                return f"the certificate is for meters {first:08} to {last:08}"
        return ""

    def narrowed(self, other: Scope) -> Scope | None:
        """Return what lies in both scopes; None when nothing does."""
        if None not in (self.organisation, other.organisation) and self.organisation != other.organisation:
            return None
        manufacturers = _in_both(self.manufacturers, other.manufacturers)
        families = _in_both(self.families, other.families)
        numbers = self.numbers or other.numbers
        if self.numbers is not None and other.numbers is not None:
            numbers = max(self.numbers[0], other.numbers[0]), min(self.numbers[1], other.numbers[1])
            if numbers[0] > numbers[1]:
                return None
        if (manufacturers is not None and not manufacturers) or (families is not None and not families):
            return None
        return Scope(self.organisation or other.organisation, manufacturers, families, numbers)

    @property
    def text(self) -> str:
        """The scope in words, without the organisation."""
        parts = []
        if self.manufacturers is not None:
            parts.append(f"meters of {', '.join(sorted(self.manufacturers))}")
        if self.families is not None:
            parts.append(f"families {', '.join(sorted(self.families))}")
        if self.numbers is not None:
            parts.append(f"numbers {self.numbers[0]:08} to {self.numbers[1]:08}")
        return "; ".join(parts) or "all meters"


@dataclass(frozen=True, slots=True)
class Grant:
    """Capabilities and scope, as one certificate says or as a whole chain allows."""

    capabilities: Capability
    scope: Scope = field(default_factory=Scope)

    @property
    def title(self) -> str:
        """The name of the level: `Service`."""
        return level_title(self.capabilities)

    def narrowed(self, other: Grant) -> Grant | None:
        """Return what both allow; None when that is nothing."""
        scope = self.scope.narrowed(other.scope)
        capabilities = self.capabilities & other.capabilities
        return None if scope is None or capabilities is NOTHING else Grant(capabilities, scope)


def encode_grant(grant: Grant) -> bytes:
    """Return the extension's value."""
    scope = grant.scope
    parts = [
        der.write_integer(GRANT_VERSION),
        der.write_bits(bit for bit, one in _CAPABILITIES.items() if one in grant.capabilities),
    ]
    if scope.organisation is not None:
        parts.append(der.write(_ORGANISATION, scope.organisation.encode()))
    if scope.manufacturers is not None:
        names = sorted(name.encode() for name in scope.manufacturers)
        parts.append(der.write(_MANUFACTURERS, *(der.write(der.PRINTABLE_STRING, name) for name in names)))
    if scope.families is not None:
        names = sorted(name.encode() for name in scope.families)
        parts.append(der.write(_FAMILIES, *(der.write(der.UTF8_STRING, name) for name in names)))
    if scope.numbers is not None:
        parts.append(der.write(_NUMBERS, *(der.write_integer(number) for number in scope.numbers)))
    return der.write(der.SEQUENCE, *parts)


def decode_grant(data: bytes) -> Grant:
    """Return the grant of an extension's value; `CertificateRejected` (`bad_level`) for anything else than one."""
    try:
        return _decode(data)
    except ValueError as error:
        raise CertificateRejected(RejectReason.BAD_LEVEL, f"the certificate's level cannot be read: {error}") from None


def _decode(data: bytes) -> Grant:
    reader = der.read_one(der.SEQUENCE, data)
    version = der.read_integer(reader.read(der.INTEGER))
    if version != GRANT_VERSION:
        raise DerError(f"version {version} is not known")
    capabilities = NOTHING
    for bit in der.read_bits(reader.read(der.BIT_STRING)):
        if bit not in _CAPABILITIES:
            raise DerError(f"capability {bit} is not known")
        capabilities |= _CAPABILITIES[bit]
    organisation = reader.optional(_ORGANISATION)
    manufacturers = _names(reader.optional(_MANUFACTURERS), der.PRINTABLE_STRING, 3)
    families = _names(reader.optional(_FAMILIES), der.UTF8_STRING, FAMILY_LENGTH)
    numbers = _range(reader.optional(_NUMBERS))
    reader.end()
    if capabilities is NOTHING:
        raise DerError("it allows nothing")
    return Grant(
        capabilities,
        Scope(
            None if organisation is None else der.read_utf8(organisation, ORGANISATION_LENGTH),
            manufacturers,
            families,
            numbers,
        ),
    )


def _names(content: bytes | None, tag: int, longest: int) -> frozenset[str] | None:
    if content is None:
        return None
    reader = der.Reader(content)
    names: list[bytes] = []
    while reader.rest:
        names.append(reader.read(tag))
        if len(names) > LIST_LENGTH:
            raise DerError(f"more than {LIST_LENGTH} names in a list")
    if names != sorted(set(names)):
        raise DerError("a list is not sorted, or holds a name twice")
    return frozenset(der.read_utf8(name, longest) for name in names)


def _range(content: bytes | None) -> tuple[int, int] | None:
    if content is None:
        return None
    reader = der.Reader(content)
    first, last = (der.read_integer(reader.read(der.INTEGER)) for _ in range(2))
    reader.end()
    return first, last


def _in_both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _is_text(text: str, longest: int) -> bool:
    return 1 <= len(text) <= longest and text.isprintable() and text == text.strip()
