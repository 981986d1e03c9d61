"""`fieldtool receivers doctor`: what stands between this computer and its receivers, and what to do about it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.mqtt_option import add_mqtt_option, receiver_defaults
from fieldtool.cli.options import seconds
from fieldtool.doctor.ladder import Doctor
from fieldtool.doctor.report import PortReport
from fieldtool.doctor.target import target_of
from fieldtool.exit_codes import ExitCode
from fieldtool.export.port_text import port_json, port_lines


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "ports",
        metavar="PORT",
        nargs="*",
        help="a port, as /dev/ttyUSB0, COM3 or socket://host:4001, or a receiver's address (default: all on USB)",
    )
    parser.add_argument("--seconds", type=seconds, metavar="N", help="then listen for N seconds to what is heard")
    parser.add_argument("--json", action="store_true", help="print one JSON object per port")
    parser.epilog = (
        "One line a question: ✓ in order, ✗ not, · not reached or not to be known; behind the arrow: what to do.\n"
        "A port that another program has open is left alone. Exit code 0 when all is in order, 3 when it is not."
    )
    add_mqtt_option(parser)


def _run(arguments: Namespace) -> ExitCode:
    targets = [target_of(text) for text in arguments.ports]
    doctor = Doctor(tell=output.meanwhile, seconds=arguments.seconds or 0.0, defaults=receiver_defaults(arguments))
    if not targets:
        targets = [target_of(path) for path in doctor.usb_ports()]
        if not targets:
            _show(doctor.no_port(), arguments)
        others = doctor.other_ports()
        if others:
            output.talk(f"not on USB, looked at only when named: {', '.join(others)}")
    reports = []
    for target in targets:
        reports.append(doctor.examine(target))
        _show(reports[-1], arguments)
    return ExitCode.OK if _all_well(reports, named=bool(arguments.ports)) else ExitCode.RECEIVER


def _all_well(reports: list[PortReport], *, named: bool) -> bool:
    """Judge all ports: of those that nobody named, some may belong to other devices."""
    if not any(report.well for report in reports):
        return False
    return all(report.well or (not named and report.unknown) for report in reports)


def _show(report: PortReport, arguments: Namespace) -> None:
    for line in [port_json(report)] if arguments.json else port_lines(report):
        output.data(line, flush=True)


DOCTOR = Command(_configure, _run)
