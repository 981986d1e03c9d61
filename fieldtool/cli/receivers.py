"""`fieldtool receivers`: which ports there are, and what is on them."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import replace

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.mqtt_option import add_mqtt_option, receiver_defaults
from fieldtool.doctor.likely import described, likely_kinds
from fieldtool.doctor.search import search
from fieldtool.doctor.target import Target, target_of
from fieldtool.errors import PortGone, ReceiverError, ReceiverUnfit
from fieldtool.exit_codes import ExitCode
from fieldtool.pipeline.listening import Listening
from fieldtool.sources.events import SourceEvent, SourceState
from fieldtool.sources.registry import SOURCES, open_source
from fieldtool.sources.serial_port import list_ports, lost_hint
from fieldtool.sources.serial_receiver import doctor_hint, ready_text
from protocols.learned import LearnedDecoder
from protocols.receivers.registry import REGISTRY, Receiver, receiver
from protocols.text import safe_text

MODES_NAMED = 12
PROBE_S = 8.0
"""Longest handshake there is, with all its repetitions."""


def _configure_list(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per port")


def _list(arguments: Namespace) -> ExitCode:
    families = [receiver(kind) for kind in REGISTRY]
    for port in list_ports():
        candidates = [receiver(kind) for kind in likely_kinds(port)]
        urls = [f"{family.NAME}://{port.path}" for family in candidates]
        if arguments.json:
            output.data(json.dumps({"port": port.path, "description": port.description, "receivers": urls}))
        else:
            titles = ", ".join(f"maybe {f.TITLE}: {url}" for f, url in zip(candidates, urls, strict=True))
            output.data(f"{safe_text(port.path):20}  {safe_text(port.description)}  {titles}".rstrip())
    kinds = "; ".join(f"{f.NAME} ({f.TITLE}), mode={_modes(f)}" for f in families)
    output.talk(f"known receivers: {kinds}")
    others = ", ".join(kind for kind in SOURCES if kind not in REGISTRY)
    output.talk(f"on no port of this list: {others} (docs/listen.md)")
    return ExitCode.OK


def _modes(family: type[Receiver]) -> str:
    if len(family.MODES) <= MODES_NAMED:
        return " or ".join(sorted(family.MODES))
    return f"{family.DEFAULT_MODE} or {len(family.MODES) - 1} others like it"


def _configure_probe(parser: ArgumentParser) -> None:
    parser.add_argument("receiver", metavar="RECEIVER", help="a receiver's address, or a port alone to try all kinds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_mqtt_option(parser)


def _probe(arguments: Namespace) -> ExitCode:
    target = target_of(arguments.receiver)
    if target.port and not target.kind:
        likely = likely_kinds(described(target.port, list_ports())) if target.is_local else ()
        url, answer = _search(replace(target, likely=likely))
    else:
        url, answer = arguments.receiver, _first_event(arguments.receiver, receiver_defaults(arguments)).detail
    if arguments.json:
        output.data(json.dumps({"receiver": url, "answer": answer}))
    else:
        output.data(f"{safe_text(url)}: {safe_text(answer)}")
    return ExitCode.OK


def _search(target: Target) -> tuple[str, str]:
    """Return the address of what answers on a port alone, and what it says of itself."""
    port = safe_text(target.port)
    try:
        *_, (family, answer) = search(target)
    except ReceiverError as error:
        error.hint = doctor_hint(error.hint, target.port)
        raise
    except OSError as error:
        raise PortGone(f"{port}: the connection was lost", lost_hint(target.port)) from error
    if answer.info is not None:
        return target.url_of(family.NAME), ready_text(answer.info)
    if answer.identified:
        raise ReceiverUnfit(f"{port}: {answer.reason}", answer.hint)
    raise ReceiverError(
        f"no known receiver answered on {port}; tried: {', '.join(target.kinds)}",
        doctor_hint("check that it is the right port", target.port),
    )


def _first_event(url: str, defaults: Mapping[str, str]) -> SourceEvent:
    """Connect and return the first event; `ReceiverError` when it is none of a connection."""
    listening = Listening([open_source(url, defaults=defaults)], LearnedDecoder())
    listening.start()
    try:
        deadline = time.monotonic() + PROBE_S
        while time.monotonic() < deadline:
            news = listening.next(0.1)
            if isinstance(news, SourceEvent):
                if news.state is SourceState.CONNECTED:
                    return news
                raise (ReceiverUnfit if news.identified else ReceiverError)(news.detail, news.hint)
    finally:
        listening.stop()
    raise ReceiverError(f"{safe_text(url)}: no answer within {PROBE_S:g} s", "check the port")


LIST = Command(_configure_list, _list)
PROBE = Command(_configure_probe, _probe)
