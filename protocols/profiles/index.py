"""Which profile claims which meters: what is known of the shipped files without reading one of them.

The index is a file of its own (`data/index.json`), generated from the profiles by `make profiles`: for each
manufacturer a list of [version, medium, name], null standing for any. A profile's name is that of its file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from protocols.media import LETTERS_MASK, manufacturer_code
from protocols.model import Address
from protocols.profiles.errors import ProfileError
from protocols.profiles.model import Profile

ANY = None
"""Stands in a claim for any version or any medium."""

ClaimKey = tuple[int, int | None, int | None]
"""Manufacturer code, version, medium."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Meters of one manufacturer, version and medium."""

    manufacturer: str
    version: int | None
    medium: int | None

    @property
    def key(self) -> ClaimKey:
        """What claims are looked up by."""
        return manufacturer_code(self.manufacturer), self.version, self.medium

    def __str__(self) -> str:
        version, medium = ("any" if part is ANY else f"{part:02X}" for part in (self.version, self.medium))
        return f"{self.manufacturer} version {version} medium {medium}"

    def overlaps(self, other: Claim) -> bool:
        """Whether there is a meter that both claim."""
        pairs = ((self.version, other.version), (self.medium, other.medium))
        return self.manufacturer == other.manufacturer and all(a == b or ANY in (a, b) for a, b in pairs)

    def narrowed_to(self, other: Claim) -> Claim:
        """The meters that both claim, of two that overlap."""
        version = other.version if self.version is ANY else self.version
        medium = other.medium if self.medium is ANY else self.medium
        return Claim(self.manufacturer, version, medium)


def claims_of(profile: Profile) -> Iterator[Claim]:
    """Every meter that a profile is for, as its `[[match]]` tables say."""
    for match in profile.matches:
        for version in sorted(match.versions) or (ANY,):
            for medium in sorted(match.media) or (ANY,):
                yield Claim(match.manufacturer, version, medium)


def closest_keys(address: Address) -> tuple[ClaimKey, ...]:
    """The claims that an address may fall under, the closest first: exact, any version, any medium, any of both."""
    maker = address.manufacturer_code & LETTERS_MASK
    version, medium = address.version, address.medium_code
    return (maker, version, medium), (maker, ANY, medium), (maker, version, ANY), (maker, ANY, ANY)


def collect(profiles: Iterable[tuple[str, Profile]]) -> dict[Claim, str]:
    """Claims by profile name, of (file, profile) pairs; `ProfileError` when two files claim one meter or one name."""
    claims: dict[Claim, str] = {}
    files: dict[str, str] = {}
    for file, profile in profiles:
        if profile.name in files:
            raise ProfileError(
                file, f"is named {profile.name!r}, as {files[profile.name]} is", "choose another name for one of them"
            )
        files[profile.name] = file
        for claim in claims_of(profile):
            name = claims.setdefault(claim, profile.name)
            if name != profile.name:
                raise ProfileError(
                    file, f"claims {claim}, which {files[name]} claims as well", "narrow the [[match]] of one of them"
                )
            # Twice in one file does no harm: it is the same profile.
    return claims


def index_text(claims: Mapping[Claim, str]) -> str:
    """The content of the index file, one line a claim, so that a change reads well."""
    makers: dict[str, list[str]] = {}
    for claim, name in sorted(claims.items(), key=_order):
        makers.setdefault(claim.manufacturer, []).append(f"  {json.dumps([claim.version, claim.medium, name])}")
    blocks = (f" {json.dumps(maker)}: [\n" + ",\n".join(rows) + "\n ]" for maker, rows in makers.items())
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def read_index(text: str) -> dict[Claim, str]:
    """The claims of an index file by profile name."""
    return {
        Claim(maker, version, medium): name
        for maker, rows in json.loads(text).items()
        for version, medium, name in rows
    }


def _order(item: tuple[Claim, str]) -> tuple[str, str, int, int]:
    claim, name = item
    return claim.manufacturer, name, _number(claim.version), _number(claim.medium)


def _number(part: int | None) -> int:
    return -1 if part is None else part
