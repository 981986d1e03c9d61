"""`fieldtool simulate meter`: a meter, on a wire or on the air too, that checks for itself who may set it up."""

from __future__ import annotations

import json
import secrets
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from fieldtool import enrolment
from fieldtool.actions.wired_link import BAUDS
from fieldtool.cli import output
from fieldtool.cli.command import Command
from fieldtool.cli.options import seconds
from fieldtool.cli.simulate import stop_on_terminate, wait
from fieldtool.enrolment import read_source
from fieldtool.errors import ReceiverError, UsageError
from fieldtool.exit_codes import ExitCode
from keystore.certificates.certificate import read_certificate
from keystore.certificates.enrolment import read_anchor
from keystore.certificates.intake import read_anything
from keystore.certificates.payload import PayloadKind
from keystore.certificates.revocation import read_list
from protocols.text import safe_text
from simulators.bench import Bench
from simulators.errors import SimulatorError
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.meter import MANUFACTURER, NUMBER, factory_state, make_meter
from simulators.field_meter.obey import Refused
from simulators.field_meter.radio_bench import radio_bench
from simulators.field_meter.shared_lock import SharedLock
from simulators.field_meter.state_file import StateFile
from simulators.field_meter.wired import WiredMeter
from simulators.field_meter.wired_bench import DEFAULT_BAUD, WiredBench
from simulators.ports import best_port, open_port

PORTS = ("pty", "tcp")
RADIO_MODE = "c2"


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--at", default=best_port(), metavar="pty|tcp:PORT", help="where to connect to it")
    parser.add_argument("--number", default=NUMBER, help=f"its number, eight digits (default: {NUMBER})")
    parser.add_argument(
        "--manufacturer", default=MANUFACTURER, metavar="ABC", help=f"three letters (default: {MANUFACTURER}, nobody's)"
    )
    parser.add_argument("--family", metavar="NAME", help="the profile's name, for certificates that are limited to it")
    parser.add_argument(
        "--anchor", action="append", default=[], metavar="FILE", help="trust anchor; without one it obeys nobody"
    )
    parser.add_argument(
        "--revocations", action="append", default=[], metavar="FILE", help="revocation list that it knows"
    )
    parser.add_argument(
        "--issuer", action="append", default=[], metavar="FILE", help="certificate of that list's issuer"
    )
    parser.add_argument(
        "--optical", action="store_true", help="behind an optical head: it has to be woken up, and the head echoes"
    )
    parser.add_argument(
        "--baud",
        type=int,
        choices=BAUDS,
        default=DEFAULT_BAUD,
        metavar="N",
        help=f"its speed (default: {DEFAULT_BAUD})",
    )
    parser.add_argument(
        "--radio",
        default="",
        metavar="pty|tcp:PORT",
        help="put it on the air too; where to connect to a stick that hears it",
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="file that keeps its settings over a restart")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another meter: other consumption, another made-up key"
    )
    parser.add_argument("--seconds", type=seconds, metavar="N", help="end after N seconds (default: never)")
    parser.add_argument("--json", action="store_true", help="print its address, identity and made-up key as JSON")


def _run(arguments: Namespace) -> ExitCode:
    try:
        bench = _bench(arguments)
        radio = _radio(arguments, bench)
    except SimulatorError as error:
        raise UsageError(str(error), error.hint) from error
    stop = threading.Event()
    stop_on_terminate(stop)
    with ExitStack() as running:
        try:
            for one in (bench, radio):
                if one is not None:
                    running.enter_context(one)
        except SimulatorError as error:
            raise ReceiverError(str(error), error.hint) from error
        _say(arguments, bench, radio)
        wait(stop, arguments.seconds)
    return ExitCode.OK


def _radio(arguments: Namespace, bench: WiredBench) -> Bench | None:
    """The meter of a wire on the air as well, where that was asked for; on the meter's own clock."""
    if not arguments.radio:
        return None
    if arguments.radio.partition(":")[0] not in PORTS:
        raise UsageError(
            f"a simulated stick cannot be reached at {safe_text(arguments.radio)!r}", "write pty, or tcp:PORT"
        )
    return radio_bench(bench.meters[0].lock, arguments.radio, starts=enrolment.now(), seed=arguments.seed)


def _bench(arguments: Namespace) -> WiredBench:
    if arguments.at.partition(":")[0] not in PORTS:
        raise UsageError(f"a wired meter cannot be reached at {safe_text(arguments.at)!r}", "write pty, or tcp:PORT")
    now = enrolment.now()
    try:
        meter = make_meter(
            arguments.number,
            now=now,
            seed=arguments.seed,
            manufacturer=arguments.manufacturer,
            family=arguments.family,
        )
        port = open_port(arguments.at, arguments.baud)
    except ValueError as error:
        raise UsageError(safe_text(str(error)), "see `fieldtool simulate meter --help`") from error
    state_file = None if arguments.state is None else StateFile(arguments.state)
    state = None if state_file is None else state_file.load()
    # A challenge is good for longer over radio, where an answer is sent in many parts.
    lock_class = SharedLock if arguments.radio else MeterLock
    lock = lock_class(
        meter,
        state or factory_state(meter, now),
        [read_anchor(one) for one in _read(arguments.anchor, PayloadKind.ANCHOR)],
        secrets.token_bytes,
        state_file=state_file,
    )
    _take_lists(arguments, lock)
    # The clock is asked for by name, so that whoever sets it for a test sets this one too.
    return WiredBench([WiredMeter(lock, optical=arguments.optical)], port, clock=lambda: enrolment.now())


def _take_lists(arguments: Namespace, lock: MeterLock) -> None:
    issuers = [read_certificate(one) for one in _read(arguments.issuer, PayloadKind.CERTIFICATE)]
    lists = [read_list(one).data for one in _read(arguments.revocations, PayloadKind.REVOCATIONS)]
    now = enrolment.now()
    lock.tick(now)
    try:
        lock.take_lists(lists, issuers, now)
    except Refused as refused:
        hint = "name the certificate of the list's issuer with --issuer, and its trust anchor with --anchor"
        raise UsageError(f"the meter does not take a revocation list: {safe_text(str(refused))}", hint) from refused


def _read(names: Iterable[str], kind: PayloadKind) -> list[bytes]:
    """Read files of any form; raises `InputError`, `CertificateRejected`."""
    return [read_anything(read_source(name).data, kind).data for name in names]


def _say(arguments: Namespace, bench: WiredBench, radio: Bench | None) -> None:
    lock = bench.meters[0].lock
    address, key = lock.meter.address, lock.state.key
    if arguments.json:
        facts = {
            "at": bench.at,
            "url": _url(arguments, bench),
            "radio_url": None if radio is None else radio.url(RADIO_MODE),
            "number": address.number,
            "manufacturer": address.manufacturer,
            "version": address.version,
            "medium_code": address.medium_code,
            "primary_address": lock.state.primary_address,
            "key": None if key is None else key.hex().upper(),
            "key_version": lock.state.key_version,
            "anchors": [one.fingerprint for one in lock.anchors],
        }
        output.data(json.dumps(facts), flush=True)
        return
    output.data(f"simulated meter {address.manufacturer} {address.number} at {bench.at}", flush=True)
    command = f"fieldtool meter read-out --at '{_url(arguments, bench)}' --meter {address.number}"
    output.talk(f"read it out with: {command}; end with Ctrl-C")
    if radio is not None:
        state = "" if lock.state.radio_on else ", once its radio has been started (start-radio)"
        output.talk(f"over radio: --at '{radio.url(RADIO_MODE)}'{state}")
    if not lock.anchors:
        output.talk("it trusts nobody: give --anchor FILE, else it obeys no certificate")


def _url(arguments: Namespace, bench: WiredBench) -> str:
    """Return the link's URL; a TCP port has no speed."""
    is_usual = arguments.baud == DEFAULT_BAUD or bench.port.scheme_suffix
    return bench.url if is_usual else f"{bench.url}?baud={arguments.baud}"


METER = Command(_configure, _run)
