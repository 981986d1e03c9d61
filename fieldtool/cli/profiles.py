"""`fieldtool profiles`: which meter families are known, what a profile says, whether one of your own is right."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from pathlib import Path

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.profiles_option import add_profiles_option, told
from fieldtool.errors import UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.export.profile_text import profile_json, profile_line, profile_lines, profile_summary
from fieldtool.profiles.profile_check import CheckedFile, check_files, profile_files
from fieldtool.profiles.user_profiles import load_profiles
from protocols.plural import counted
from protocols.text import safe_text


def _configure_list(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per profile")
    add_profiles_option(parser)


def _list(arguments: Namespace) -> ExitCode:
    loaded = told(load_profiles(arguments.profiles))
    profiles = loaded.registry.profiles
    for name in sorted(profiles):
        profile, file = profiles[name], loaded.files.get(name, "")
        if arguments.json:
            output.data(json.dumps(profile_summary(profile, file)))
        else:
            output.data(profile_line(profile) + (f"  ({safe_text(file)})" if file else ""))
    output.talk(f"{counted(len(profiles), 'profile')}, {len(loaded.files)} of them your own")
    return ExitCode.OK


def _configure_show(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a profile's name, as `profiles list` and `decode` show it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_profiles_option(parser)


def _show(arguments: Namespace) -> ExitCode:
    loaded = told(load_profiles(arguments.profiles))
    profiles = loaded.registry.profiles
    if arguments.name not in profiles:
        near = get_close_matches(arguments.name, profiles, 1)
        hint = f"did you mean {near[0]}?" if near else "see `fieldtool profiles list`"
        raise UsageError(f"there is no profile {safe_text(arguments.name)!r}", hint)
    profile, file = profiles[arguments.name], loaded.files.get(arguments.name, "")
    if arguments.json:
        output.data(json.dumps(profile_json(profile, file)))
    else:
        output.data("\n".join(profile_lines(profile, file)))
    return ExitCode.OK


def _configure_check(parser: ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="profiles, or folders of them")


def _check(arguments: Namespace) -> ExitCode:
    checked = check_files(profile_files(arguments.files))
    for file in checked:
        _tell(file)
    failed = sum(bool(file.errors) for file in checked)
    if failed:
        output.talk(f"not usable as they are: {failed} of {counted(len(checked), 'profile')}")
    return ExitCode.SOME_FAILED if failed else ExitCode.OK


def _tell(file: CheckedFile) -> None:
    name = safe_text(str(file.path))
    for error in file.errors:
        output.data(safe_text(f"{name}: error: {error}", output.TALK_LIMIT))
    for warning in file.warnings:
        output.data(safe_text(f"{name}: warning: {warning}", output.TALK_LIMIT))
    for note in file.notes:
        output.data(safe_text(f"{name}: {note}", output.TALK_LIMIT))
    if file.profile is not None and not file.errors:
        readings, tests = len(file.profile.readings), len(file.profile.tests)
        output.data(f"{name}: ok, {counted(readings, 'reading')}, {counted(tests, 'test')} passed")


LIST = Command(_configure_list, _list)
SHOW = Command(_configure_show, _show)
CHECK = Command(_configure_check, _check)
