"""`fieldtool simulate portal`: the key files of simulated meters, as their portals would let you download them."""

from __future__ import annotations

import json
import secrets
import shlex
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fieldtool.access import read_passphrase
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.errors import OutputError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.sources.simulated import load_scenario
from protocols.plural import counted
from simulators.portals.kamstrup import PortalFile, export_keys
from simulators.portals.the_things_stack import export_devices

_PASSWORD_BYTES: Final = 6
"""12 hex digits; a KEM file takes 16 bytes at most."""


def _configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--scenario", type=Path, metavar="FILE", help="scenario of meters and devices (default: the demo's)")
    add("--folder", type=Path, default=Path(), metavar="DIR", help="where to put the files (default: here)")
    add(
        "--password-file", type=Path, metavar="F", help="file with the password of the KEM file (default: a random one)"
    )
    add("--json", action="store_true", help="print one JSON object a file")


def _run(arguments: Namespace) -> ExitCode:
    scenario = load_scenario(arguments.scenario)
    chosen = None if arguments.password_file is None else read_passphrase(arguments.password_file, "password")
    password, at = chosen or secrets.token_hex(_PASSWORD_BYTES), datetime.now(UTC)
    try:
        files = (*export_keys(scenario, password, at), *export_devices(scenario, at))
    except ValueError as error:
        raise UsageError(str(error), "choose another password") from None
    if not files:
        output.talk("no meter of the scenario has a key that its portal knows")
        return ExitCode.SOME_FAILED
    for file in files:
        path = arguments.folder / file.file_name
        write_file(path, file)
        shown = None if chosen is not None else file.password
        if arguments.json:
            output.data(json.dumps({"file": str(path), "meters": file.meters, "password": shown}))
        else:
            told = f", password {shown}" if shown else ""
            output.data(f"{path}: keys of {counted(file.meters, 'meter')}{told}")
    names = shlex.join(str(arguments.folder / file.file_name) for file in files)
    output.talk(f"import them with: fieldtool keys import {names}")
    return ExitCode.OK


def write_file(path: Path, file: PortalFile) -> None:
    """Write a new file; raises `OutputError`, also when there is one of its name."""
    try:
        with path.open("xb") as opened:
            opened.write(file.data)
    except FileExistsError:
        raise OutputError(f"{path} exists already", "remove it, or choose another --folder") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "choose another --folder") from error


PORTAL = Command(_configure, _run)
