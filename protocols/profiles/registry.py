"""Which profile is for which meter; two profiles for one meter is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources

from protocols.model import Address
from protocols.profiles.errors import ProfileError
from protocols.profiles.index import Claim, ClaimKey, closest_keys, collect, read_index
from protocols.profiles.model import Profile

INDEX_FILE = "index.json"
SUFFIX = ".toml"


class ProfileRegistry:
    """Profiles by the meters that they are for; the closest match wins.

    `behind` has the profiles for all meters that none of these claims: a user's own stand before those shipped.
    """

    def __init__(self, profiles: Iterable[tuple[str, Profile]] = (), behind: ProfileRegistry | None = None) -> None:
        """Take (file, profile) pairs; `ProfileError` when two files claim one meter or one name."""
        pairs = tuple(profiles)
        for file, profile in pairs:
            if behind is not None and profile.name in behind.profiles:
                raise ProfileError(
                    file, f"is named {profile.name!r}, and so is a profile of this program", "choose another name"
                )
        self._behind = behind
        self._hold(collect(pairs), {profile.name: profile for _, profile in pairs})

    @classmethod
    def on_demand(cls, claims: Mapping[Claim, str], read: Callable[[str], Profile]) -> ProfileRegistry:
        """Profiles of which only names and claims are known: `read` gets the name of one that is asked for, once."""
        registry = cls()
        registry._hold(claims, _Read(dict.fromkeys(claims.values()), read))
        return registry

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """All profiles by name, each read when it is looked up."""
        return self._all

    @property
    def claims(self) -> Mapping[Claim, str]:
        """Profile names by the meters that they are for, without those behind."""
        return self._claims

    def find(self, address: Address) -> Profile | None:
        """The profile for an address: exact first, then any version, then any medium."""
        for key in closest_keys(address):
            name = self._names.get(key)
            if name is not None:
                return self._own[name]
        return None if self._behind is None else self._behind.find(address)

    def replaced(self) -> dict[tuple[str, str], list[Claim]]:
        """The meters for which a profile stands in the place of one behind, by the names of the two."""
        found: dict[tuple[str, str], list[Claim]] = {}
        for claim, name in self._claims.items():
            for other, other_name in () if self._behind is None else self._behind.claims.items():
                if claim.overlaps(other):
                    found.setdefault((name, other_name), []).append(claim.narrowed_to(other))
        return found

    def _hold(self, claims: Mapping[Claim, str], profiles: Mapping[str, Profile]) -> None:
        self._claims = claims
        self._names: dict[ClaimKey, str] = {claim.key: name for claim, name in claims.items()}
        self._own = profiles
        self._all = (
            profiles
            if self._behind is None
            else _Read(dict.fromkeys((*profiles, *self._behind.profiles)), self._read_any)
        )

    def _read_any(self, name: str) -> Profile:
        if self._behind is None or name in self._own:
            return self._own[name]
        return self._behind.profiles[name]


class _Read(Mapping[str, Profile]):
    """Profiles by name, read one by one as they are asked for."""

    def __init__(self, names: Iterable[str], read: Callable[[str], Profile]) -> None:
        self._names = dict.fromkeys(names)
        self._read = read
        self._done: dict[str, Profile] = {}

    def __getitem__(self, name: str) -> Profile:
        found = self._done.get(name)
        if found is None:
            if name not in self._names:
                raise KeyError(name)
            found = self._done[name] = self._read(name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@lru_cache(maxsize=1)
def shipped_profiles() -> ProfileRegistry:
    """The profiles of this package: the index is read now, each profile when its meter is first seen."""
    return ProfileRegistry.on_demand(read_index(_data(INDEX_FILE)), _read_shipped)


def _read_shipped(name: str) -> Profile:
    # Reading TOML is loaded with the first profile: a telegram of a meter without one does not need it.
    from protocols.profiles.schema import parse_profile

    return parse_profile(_data(name + SUFFIX), name + SUFFIX)


def _data(file: str) -> str:
    return (resources.files("protocols.profiles") / "data" / file).read_text(encoding="utf-8")
