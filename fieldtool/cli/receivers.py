"""`fieldtool receivers`: which ports there are, and what is on them."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence

from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.mqtt_option import add_mqtt_option, receiver_defaults
from fieldtool.doctor.air import MODES_NAMED, modes_text
from fieldtool.doctor.hearing import connected
from fieldtool.doctor.likely import likely_kinds, with_likely
from fieldtool.doctor.search import search
from fieldtool.doctor.target import Target, target_of
from fieldtool.errors import PortGone, ReceiverError, ReceiverUnfit
from fieldtool.exit_codes import ExitCode
from fieldtool.sources.registry import SOURCES
from fieldtool.sources.serial_port import PortDescription, list_ports, lost_hint, usb_text
from fieldtool.sources.serial_receiver import doctor_hint, ready_text
from protocols.receivers.registry import REGISTRY, Receiver, receiver
from protocols.text import safe_text


def _configure_list(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object per port")


def _list(arguments: Namespace) -> ExitCode:
    families = [receiver(kind) for kind in REGISTRY]
    for port in list_ports():
        candidates = [receiver(kind) for kind in likely_kinds(port)]
        urls = [Target(port.path).url_of(family.NAME) for family in candidates]
        if arguments.json:
            output.data(json.dumps(_port_facts(port) | {"receivers": urls}))
        else:
            titles = ", ".join(f"maybe {f.TITLE}: {url}" for f, url in zip(candidates, urls, strict=True))
            output.data(f"{safe_text(port.path):20}  {safe_text(port.description)}  {titles}".rstrip())
    for line in _table(families):
        output.talk(line)
    others = ", ".join(kind for kind in SOURCES if kind not in REGISTRY)
    output.talk(f"not on a port: {others} (docs/listen.md)")
    return ExitCode.OK


def _table(families: Sequence[type[Receiver]]) -> Iterator[str]:
    """Yield one line a kind: its name in addresses, what it is called, its modes."""
    names, titles = (max(map(len, column)) for column in zip(*((f.NAME, f.TITLE) for f in families), strict=True))
    yield f"{'known receivers':{names + titles + 6}}mode="
    for family in families:
        few = len(family.MODES) <= MODES_NAMED
        modes = " ".join(sorted(family.MODES)) if few else modes_text(family)
        yield f"  {family.NAME:{names}}  {family.TITLE:{titles}}  {modes}"


def _port_facts(port: PortDescription) -> dict[str, str | None]:
    return {
        "port": port.path,
        "description": port.description,
        "usb_id": None if port.usb_id is None else usb_text(port.usb_id),
        "manufacturer": port.manufacturer or None,
        "serial_number": port.serial_number or None,
    }


def _configure_probe(parser: ArgumentParser) -> None:
    parser.add_argument("receiver", metavar="RECEIVER", help="a receiver's address, or a port alone to try all kinds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_mqtt_option(parser)


def _probe(arguments: Namespace) -> ExitCode:
    target = target_of(arguments.receiver)
    if target.port and not target.kind:
        url, answer = _search(with_likely(target, list_ports()))
    else:
        url = arguments.receiver
        with connected(url, receiver_defaults(arguments)) as (_, answer):
            pass
    if arguments.json:
        output.data(json.dumps({"receiver": url, "answer": answer}))
    else:
        output.data(f"{safe_text(url)}: {safe_text(answer)}")
    return ExitCode.OK


def _search(target: Target) -> tuple[str, str]:
    """Return the address of what answers on a port alone, and what it says of itself."""
    port = safe_text(target.port)
    try:
        *_, (family, answer) = search(target, output.meanwhile)
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


LIST = Command(_configure_list, _list)
PROBE = Command(_configure_probe, _probe)
