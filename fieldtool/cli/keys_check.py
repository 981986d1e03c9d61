"""`fieldtool keys check`: check the filed keys against telegrams; nothing is assigned without a yes."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fieldtool.access import ask_passphrase, choose_store, open_store, read_passphrase
from fieldtool.cli import output
from fieldtool.cli.asking import answered_by
from fieldtool.cli.command import Command
from fieldtool.cli.listen import show_news
from fieldtool.cli.mqtt_option import add_mqtt_option
from fieldtool.cli.open_receivers import open_receivers
from fieldtool.cli.options import seconds
from fieldtool.cli.question import ask_yes, can_ask
from fieldtool.cli.standard_input import share_standard_input
from fieldtool.errors import InputError, UsageError
from fieldtool.exit_codes import ExitCode
from fieldtool.keys.key_check import (
    IN_ORDER,
    Candidate,
    CheckState,
    HeardTelegrams,
    MeterCheck,
    assign,
    check,
    confirm,
)
from fieldtool.keys.key_import import read_key_file
from fieldtool.keys.lorawan_check import DeviceCheck, HeardDevices, assign_device, check_devices
from fieldtool.pipeline.listening import Heard, Listening
from fieldtool.replay.capture import open_capture
from fieldtool.sources.events import Source
from keystore.formats import ReadOptions
from keystore.model import WMBUS_ROLES
from keystore.vault import Vault
from protocols.captures.model import CaptureEntry
from protocols.decode import decode
from protocols.learned import LearnedDecoder
from protocols.model import Key, Link
from protocols.plural import counted
from protocols.text import safe_text

DEFAULT_SECONDS: Final = 300.0
"""Most meters send several times in five minutes."""

_GLYPHS: Final = {
    CheckState.FITS: "✓",
    CheckState.FITS_ONCE: "✓",
    CheckState.FOUND: "→",
    CheckState.POSSIBLE: "?",
    CheckState.WRONG: "✗",
    CheckState.MISSING: "○",
    CheckState.CLEAR: "·",
}


def _configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "receivers",
        metavar="RECEIVER",
        nargs="*",
        help="address of a receiver to listen to, as in im871a:///dev/ttyUSB0?mode=c1,t1 or sim:demo",
    )
    add(
        "--capture",
        metavar="FILE",
        action="append",
        type=Path,
        default=[],
        help="read telegrams from a file; may be repeated",
    )
    add("--seconds", type=seconds, metavar="N", default=DEFAULT_SECONDS, help="how long to listen (default: 300)")
    add(
        "--try",
        dest="tried",
        metavar="FILE",
        action="append",
        type=Path,
        default=[],
        help="also try the keys of this key file",
    )
    add("--password-file", type=Path, metavar="F", help="file with the password of the key files to be tried")
    add("--assign", action="store_true", help="file each key found for a meter, after asking")
    add("--yes", action="store_true", help="assign without asking")
    add("--json", action="store_true", help="print one JSON object per meter")
    add_mqtt_option(parser)


def _run(arguments: Namespace) -> ExitCode:
    if bool(arguments.receivers) == bool(arguments.capture):
        raise UsageError("name a receiver or a capture", "as in: keys check sim:demo --seconds 60, or --capture FILE")
    sources = open_receivers(arguments)
    share_standard_input(sources)
    if arguments.assign and not (arguments.yes or can_ask()):
        raise UsageError("--assign asks for every key, and there is no terminal", "add --yes to the command")
    with answered_by("--password-file"):
        tried = _tried(arguments)
    with open_store(choose_store(arguments.store, arguments.passphrase_file)) as vault:
        air = _Air()
        if arguments.capture:
            _from_captures(arguments.capture, air)
        else:
            _from_air(arguments, sources, air)
        progress = output.Progress("keys tried")
        meters = check(vault, air.telegrams, tried, lambda count: progress.step(count=count))
        lorawan = (
            check_devices(vault, air.devices, lambda count: progress.step(count=count)) if air.devices.frames else []
        )
        progress.end()
        results: list[MeterCheck | DeviceCheck] = [*meters, *lorawan]
        if not results and air.interrupted:
            output.talk("no meter was heard")
            return ExitCode.INTERRUPTED
        if not results:
            raise air.silence
        for one in results:
            output.data(json.dumps(_facts(one)) if arguments.json else _line(one))
        if arguments.assign and air.interrupted:
            output.talk("interrupted: no key was assigned")
        elif arguments.assign:
            results = [*_assign(vault, meters, arguments), *_assign_devices(vault, lorawan, arguments)]
    needy = sum(one.state not in IN_ORDER for one in results)
    whole = counted(len(results), "meter")
    attention = f"{needy} need attention" if needy > 1 else "1 needs attention"
    output.talk(f"{whole}, {attention}" if needy else f"{whole}, all in order")
    if air.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.SOME_FAILED if needy else ExitCode.OK


def _tried(arguments: Namespace) -> list[Candidate]:
    """Return the wireless M-Bus keys of key files, those without a meter included; nothing of them is filed."""
    password = None if arguments.password_file is None else read_passphrase(arguments.password_file)
    found: list[Candidate] = []
    for path in arguments.tried:
        file = read_key_file(
            path,
            ReadOptions(password=password),
            lambda question: ask_passphrase(question, "the key file needs its password"),
        )
        for row in file.open().rows:
            if row.loose_key:
                found.append(Candidate(Key(row.loose_key, f"row {row.row} of {safe_text(path.name)}")))
            elif row.record is not None and row.record.has_key and row.record.role in WMBUS_ROLES:
                label = f"{row.record.meter_text} in {safe_text(path.name)}"
                found.append(Candidate(Key(row.record.value, label), row.record))
    return found


@dataclass(slots=True)
class _Air:
    """What was heard; `interrupted` when the user did not want to listen to the end."""

    telegrams: HeardTelegrams = field(default_factory=HeardTelegrams)
    devices: HeardDevices = field(default_factory=HeardDevices)
    interrupted: bool = False
    bad_line: str = ""
    """The first line of a capture that holds no telegram."""

    @property
    def silence(self) -> InputError:
        """Say that nothing was heard, and of a capture why."""
        why = f": {self.bad_line}" if self.bad_line else ""
        return InputError(f"no meter was heard{why}", "listen longer, or give another capture")


def _from_captures(paths: Sequence[Path], air: _Air) -> None:
    progress = output.Progress("telegrams")
    for path in paths:
        for item in open_capture(path):
            if not isinstance(item, CaptureEntry):
                air.bad_line = air.bad_line or f"{safe_text(path.name)}, {item.unit} {item.line}: {item.problem}"
                continue
            if item.frame.link is Link.MBUS:
                air.telegrams.add(decode(item.frame))
            else:
                air.devices.add(item.frame)
            progress.step()
    progress.end()


def _from_air(arguments: Namespace, sources: Sequence[Source], air: _Air) -> None:
    """Listen until the time is over; Ctrl-C ends the listening, and what was heard by then is checked."""
    listening = Listening(sources, LearnedDecoder(lambda _: ()))
    progress = output.Progress("telegrams")

    def take(news: Heard) -> None:
        if news.telegram.frame.link is Link.MBUS:
            air.telegrams.add(news.telegram)
        else:
            air.devices.add(news.telegram.frame)
        progress.step()

    listening.start()
    try:
        air.interrupted = show_news(listening, take, arguments.seconds) is ExitCode.INTERRUPTED
    finally:
        listening.stop()
        progress.end()
    if air.interrupted:
        output.talk("interrupted: what was heard so far is checked")


def _assign(vault: Vault, results: list[MeterCheck], arguments: Namespace) -> list[MeterCheck]:
    """Ask for each key that was found; return what still needs attention, and what did not."""
    name = ", ".join(path.name for path in arguments.capture) or "the air"
    left: list[MeterCheck] = []
    for one in results:
        meter = f"{one.meter.manufacturer} {one.meter.number}"
        if one.assignable and (arguments.yes or ask_yes(f"{meter}: {one.sentence}. File it for this meter?")):
            record = assign(vault, one, name, datetime.now(UTC))
            output.talk(f"filed key {record.key_check_value} for {meter}")
        elif one.rivals and (arguments.yes or ask_yes(f"{meter}: {one.sentence}. Put it before the others?")):
            confirm(vault, one)
            output.talk(f"key {one.key_check_value} comes first for {meter} now")
            left.append(one)
        else:
            left.append(one)
    return left


def _assign_devices(vault: Vault, results: list[DeviceCheck], arguments: Namespace) -> list[DeviceCheck]:
    """Ask for each root key that was found; return what still needs attention, and what did not."""
    name = ", ".join(path.name for path in arguments.capture) or "the air"
    left: list[DeviceCheck] = []
    for one in results:
        device = f"DevEUI {one.dev_eui}"
        if one.assignable and (arguments.yes or ask_yes(f"{device}: {one.sentence}. File it for this device?")):
            record = assign_device(vault, one, name, datetime.now(UTC))
            output.talk(f"filed key {record.key_check_value} for {device}")
        else:
            left.append(one)
    return left


def _line(one: MeterCheck | DeviceCheck) -> str:
    meter = one.name if isinstance(one, DeviceCheck) else f"{one.meter.manufacturer} {one.meter.number}"
    return f"{meter:16} {_GLYPHS[one.state]} {one.state:15}{safe_text(one.sentence, output.TALK_LIMIT)}"


def _facts(one: MeterCheck | DeviceCheck) -> dict[str, object]:
    filed_for: str | None
    if isinstance(one, DeviceCheck):
        meter: dict[str, object] = {"dev_eui": one.dev_eui or None, "dev_addr": one.dev_addr or None}
        telegrams, filed_for = one.frames, None if one.found is None else one.found.whose
    else:
        known = one.candidate.record if one.candidate is not None else None
        telegrams, filed_for = one.telegrams, None if known is None else known.meter_text
        meter = {
            "manufacturer": one.meter.manufacturer,
            "number": one.meter.number,
            "version": one.meter.version,
            "medium_code": one.meter.medium_code,
        }
    return {
        "meter": meter,
        "state": str(one.state),
        "telegrams": telegrams,
        "key_check_value": one.key_check_value or None,
        "filed_for": None if filed_for is None else safe_text(filed_for),
        "assignable": one.assignable,
        "detail": safe_text(one.sentence, output.TALK_LIMIT),
    }


CHECK = Command(_configure, _run)
