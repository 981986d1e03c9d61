"""The option `--profiles`, the same for every command that decodes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fieldtool.cli import output
from fieldtool.profiles.user_profiles import LoadedProfiles, load_profiles
from protocols.profiles.registry import ProfileRegistry


def add_profiles_option(parser: ArgumentParser) -> None:
    """Add `--profiles DIR`."""
    parser.add_argument(
        "--profiles",
        metavar="DIR",
        help="folder of your own meter profiles (else FIELDTOOL_PROFILES, else the data folder)",
    )


def profiles_in_use(arguments: Namespace) -> ProfileRegistry:
    """Return shipped and own profiles, and say which files were left out and which shipped profile gives way."""
    return told(load_profiles(arguments.profiles)).registry


def told(loaded: LoadedProfiles) -> LoadedProfiles:
    """Say what there is to say about loaded profiles."""
    for line in (*loaded.problems, *loaded.notes):
        output.talk(line)
    return loaded
