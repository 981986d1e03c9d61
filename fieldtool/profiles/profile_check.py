"""Profile files checked before they are used: schema, conflicts, names, and the tests that they bring along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fieldtool.errors import InputError
from fieldtool.profiles.user_profiles import read_profile, replacements
from protocols.model import Address, Telegram
from protocols.profiles.check import names_of, run_test, warnings
from protocols.profiles.errors import ProfileError
from protocols.profiles.index import Claim
from protocols.profiles.model import Profile
from protocols.profiles.registry import SUFFIX, ProfileRegistry, shipped_profiles


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What is wrong with one file (`errors`), what is odd (`warnings`), what is good to know (`notes`)."""

    path: Path
    profile: Profile | None
    errors: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def profile_files(names: Iterable[Path]) -> list[Path]:
    """The files that are meant, those of a folder by name; `InputError` when there is no such file, or none at all."""
    files: dict[Path, None] = {}
    for name in names:
        if name.is_dir():
            found = sorted(path for path in name.iterdir() if path.suffix == SUFFIX)
            if not found:
                raise InputError(f"{name}: there is no {SUFFIX} file in this folder", "name a profile or its folder")
            files.update(dict.fromkeys(found))
        elif name.is_file():
            files[name] = None
        else:
            raise InputError(f"{name}: there is no such file", "check the name")
    return list(files)


def check_files(files: Sequence[Path]) -> list[CheckedFile]:
    """Check files together: those of a meter that two of them claim are wrong, those of a shipped one are noted.

    The shipped files themselves are checked against one another.
    """
    read: list[tuple[Path, Profile]] = []
    broken: dict[Path, ProfileError] = {}
    for path in files:
        try:
            read.append((path, read_profile(path)))
        except ProfileError as error:
            broken[path] = error
    known = {name for profile in shipped_profiles().profiles.values() for name in names_of(profile)}
    checked = {path: CheckedFile(path, None, (_problem(error),)) for path, error in broken.items()}
    for path, profile in read:
        checked[path] = _check(path, profile, [pair for pair in read if pair[0] != path], known)
    return [checked[path] for path in files]


def _check(path: Path, profile: Profile, others: list[tuple[Path, Profile]], known: set[str]) -> CheckedFile:
    errors: list[str] = []
    behind = None if _is_shipped(path) else shipped_profiles()
    try:
        registry = ProfileRegistry([(str(path), profile)], behind)
    except ProfileError as error:
        errors.append(_problem(error))
        registry = ProfileRegistry([(str(path), profile)])
    for other_path, other in others:
        try:
            ProfileRegistry([(str(other_path), other), (str(path), profile)])
        except ProfileError as error:
            errors.append(_problem(error))
    errors += _failed_tests(profile, registry)
    odd = warnings(profile, path.stem, known)
    if not errors and behind is not None:
        odd = (*odd, *_unused(profile, registry))
    return CheckedFile(path, profile, tuple(errors), odd, tuple(replacements(registry)))


def _unused(profile: Profile, registry: ProfileRegistry) -> Iterable[str]:
    """Readings that no telegram of the tests has, which may be a rule that means another record."""
    found = {reading.name for test in profile.tests for reading in run_test(test, registry).telegram.readings}
    for name in dict.fromkeys(names_of(profile)) if found else ():
        if "{n}" not in name and name not in found:
            yield f"no telegram of the tests has {name!r}: check its rule, or add a test that has it"


def _failed_tests(profile: Profile, registry: ProfileRegistry) -> Iterable[str]:
    for number, test in enumerate(profile.tests, start=1):
        checked = run_test(test, registry)
        telegram = checked.telegram
        if telegram.meter is not None and not _is_of(telegram, profile, registry):
            yield f"[[test]] {number}: no [[match]] claims {_kind(telegram.meter)}, which sent this telegram"
        elif telegram.problem is not None and checked.differences:
            yield f"[[test]] {number}: {telegram.problem}"
        yield from (f"[[test]] {number}: {difference}" for difference in checked.differences)


def _is_of(telegram: Telegram, profile: Profile, registry: ProfileRegistry) -> bool:
    """Whether the profile is that of the telegram's meter; without readings a telegram does not say so itself."""
    addresses = (telegram.meter, telegram.link_address)
    return telegram.profile == profile.name or any(a and registry.find(a) is profile for a in addresses)


def _kind(meter: Address) -> str:
    return str(Claim(meter.manufacturer, meter.version, meter.medium_code))


def _problem(error: ProfileError) -> str:
    return f"{error.problem}; {error.hint}" if error.hint else error.problem


def _is_shipped(path: Path) -> bool:
    return path.resolve().parent == Path(str(resources.files("protocols.profiles") / "data")).resolve()
