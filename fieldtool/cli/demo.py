"""`fieldtool demo`: everything at once, without hardware."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.listen import show_news, shower, sum_up
from fieldtool.cli.options import seconds
from fieldtool.demo import Demo, running_demo
from fieldtool.exit_codes import ExitCode
from protocols.plural import counted
from protocols.text import safe_text

DEFAULT_SECONDS = 20.0


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--seconds",
        type=seconds,
        metavar="N",
        help=f"print lines and end after N seconds (default: {DEFAULT_SECONDS:g})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per telegram")


def _run(arguments: Namespace) -> ExitCode:
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if on_terminal and not arguments.json and arguments.seconds is None:
        from fieldtool.cli.screens import demo_screens

        return demo_screens()
    with running_demo() as demo:
        _introduce(demo)
        code = show_news(demo.listening, shower(json=arguments.json), arguments.seconds or DEFAULT_SECONDS)
    sum_up(demo.listening)
    return code


def _introduce(demo: Demo) -> None:
    output.talk(
        f"{safe_text(demo.scenario.title)}: "
        f"{counted(len(demo.scenario.meters) + len(demo.scenario.devices), 'simulated meter')}"
    )
    for imported in demo.imported:
        output.talk(f"imported {counted(imported.put.new, 'key')} from {imported.path.name}")


DEMO = Command(_configure, _run)
