"""Which profile is for which meter; two profiles for one meter is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources

from protocols.media import LETTERS_MASK, manufacturer_code
from protocols.model import Address
from protocols.profiles.model import Profile
from protocols.profiles.schema import ProfileError, parse_profile

ANY = None
"""Stands in the index for any version or any medium."""


class ProfileRegistry:
    """An index from manufacturer, version and medium to a profile; the closest match wins."""

    def __init__(self, profiles: Iterable[tuple[str, Profile]] = ()) -> None:
        """Take (file, profile) pairs; `ProfileError` when two files claim one meter or one name."""
        self._index: dict[tuple[int, int | None, int | None], tuple[str, Profile]] = {}
        self._by_name: dict[str, Profile] = {}
        for file, profile in profiles:
            self._add(file, profile)

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """All profiles by name."""
        return self._by_name

    def find(self, address: Address) -> Profile | None:
        """The profile for an address: exact first, then any version, then any medium."""
        maker = address.manufacturer_code & LETTERS_MASK
        version, medium = address.version, address.medium_code
        for key in ((maker, version, medium), (maker, ANY, medium), (maker, version, ANY), (maker, ANY, ANY)):
            found = self._index.get(key)
            if found is not None:
                return found[1]
        return None

    def _add(self, file: str, profile: Profile) -> None:
        if profile.name in self._by_name:
            raise ProfileError(file, f"a profile named {profile.name!r} is already loaded", "choose another name")
        self._by_name[profile.name] = profile
        for match in profile.matches:
            maker = manufacturer_code(match.manufacturer)
            for version in match.versions or (ANY,):
                for medium in match.media or (ANY,):
                    self._claim((maker, version, medium), file, profile, match.manufacturer)

    def _claim(self, key: tuple[int, int | None, int | None], file: str, profile: Profile, maker: str) -> None:
        other = self._index.get(key)
        if other is not None:
            version, medium = ("any" if k is None else f"{k:02X}" for k in key[1:])
            raise ProfileError(
                file,
                f"claims {maker} version {version} medium {medium}, which {other[0]} claims as well",
                "narrow the [[match]] of one of them",
            )
        self._index[key] = (file, profile)


@lru_cache(maxsize=1)
def shipped_profiles() -> ProfileRegistry:
    """The profiles of this package, read once."""
    folder = resources.files("protocols.profiles") / "data"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return ProfileRegistry(
        (entry.name, parse_profile(entry.read_text(encoding="utf-8"), entry.name)) for entry in files
    )
