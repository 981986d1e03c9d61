"""Meter profiles of the user's own: a folder of TOML files that stand before the profiles of this program."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fieldtool.errors import ConfigError
from protocols.profiles.errors import ProfileError
from protocols.profiles.registry import SUFFIX, ProfileRegistry, shipped_profiles

if TYPE_CHECKING:
    from protocols.profiles.model import Profile

FOLDER_VARIABLE: Final = "FIELDTOOL_PROFILES"
FOLDER_NAME: Final = "profiles"
SIZE_LIMIT: Final = 1 << 20
"""Bytes; the largest profile of this program has some ten thousand."""


@dataclass(frozen=True, slots=True)
class LoadedProfiles:
    """All profiles that are in use, and the files of the user's own by name.

    `problems` are files left out, `notes` the meters for which a user's profile stands before a shipped one.
    """

    registry: ProfileRegistry
    files: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose_folder(option: str | None) -> tuple[Path, bool]:
    """Settle the folder: option, else environment, else the platform's data folder; whether the user named it."""
    named = option or os.environ.get(FOLDER_VARIABLE)
    return (Path(named).expanduser(), True) if named else (_default_folder(), False)


def load_profiles(option: str | None = None) -> LoadedProfiles:
    """Read the user's profiles; a file that cannot be used is left out and told in `problems`.

    Raises `ConfigError` when the folder was named and cannot be read.
    """
    folder, named = choose_folder(option)
    shipped = shipped_profiles()
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except OSError as error:
        if named:
            raise ConfigError(
                f"profiles folder {folder}: {error.strerror}", "name a folder of TOML files, or leave it out"
            ) from error
        return LoadedProfiles(shipped)
    if not files:
        return LoadedProfiles(shipped)
    read: list[tuple[str, Profile]] = []
    problems: list[str] = []
    for path in files:
        try:
            read.append((str(path), read_profile(path)))
        except ProfileError as error:
            problems.append(_left_out(error))
    kept = _fitting(read, shipped, problems)
    registry = ProfileRegistry(kept, shipped)
    files_by_name = {profile.name: file for file, profile in kept}
    return LoadedProfiles(registry, files_by_name, tuple(problems), tuple(replacements(registry)))


def read_profile(path: Path) -> Profile:
    """Read one file; `ProfileError` names it by its path."""
    from protocols.profiles.schema import parse_profile

    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise ProfileError(str(path), f"cannot be read: {error.strerror}", "check whether you may read it") from error
    if len(data) > SIZE_LIMIT:
        raise ProfileError(str(path), f"is longer than {SIZE_LIMIT} bytes", "is it a profile?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProfileError(str(path), f"is not UTF-8 text from byte {error.start} on", "save it as UTF-8") from error
    return parse_profile(text.replace("\r\n", "\n"), str(path))


def replacements(registry: ProfileRegistry) -> Iterable[str]:
    """Say for which meters a user's profile is used in place of a shipped one, one line a pair."""
    for (name, other), claims in registry.replaced().items():
        more = f" and {len(claims) - 1} more" if len(claims) > 1 else ""
        yield f"profile {name} is used in place of {other} for {claims[0]}{more}"


def _fitting(
    profiles: list[tuple[str, Profile]], shipped: ProfileRegistry, problems: list[str]
) -> list[tuple[str, Profile]]:
    """The profiles that go together; of two for one meter, or of one name, the first stays."""
    try:
        ProfileRegistry(profiles, shipped)
    except ProfileError:
        kept: list[tuple[str, Profile]] = []
        for pair in profiles:
            try:
                ProfileRegistry((*kept, pair), shipped)
            except ProfileError as error:
                problems.append(_left_out(error))
            else:
                kept.append(pair)
        return kept
    return profiles


def _left_out(error: ProfileError) -> str:
    return f"profile left out: {error}"


def _default_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("fieldtool", appauthor=False)) / FOLDER_NAME
