"""The field meter over real ports: TCP, pseudo terminal, and a cable that is pulled."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from protocols.actions.commands import build_command
from protocols.actions.messages import Challenge, Hello
from protocols.actions.results import ResultCode
from protocols.decode import decode, no_keys
from protocols.model import Outcome, RawFrame
from simulators.field_meter.wired import WiredMeter
from simulators.field_meter.wired_bench import WiredBench
from simulators.ports import PtyPort, TcpPort
from tests.keystore.certificates.desks import START
from tests.simulators.field_meters import DESK, make_lock
from tests.simulators.wired_masters import ACK, DEADLINE_S, INSTALLER, RealLine, exchange, install, select, short


@contextmanager
def over_tcp(bench: WiredBench) -> Iterator[RealLine]:
    host, _, number = bench.at.partition(":")
    with socket.create_connection((host, int(number)), timeout=DEADLINE_S) as master:
        yield RealLine(master.sendall, lambda: master.recv(4096))


@contextmanager
def over_pty(bench: WiredBench) -> Iterator[RealLine]:
    import serial

    with serial.Serial(bench.at, 2400, timeout=0.05) as master:
        yield RealLine(master.write, lambda: master.read(4096))


def check_real_line(line: RealLine, bench: WiredBench) -> None:
    lock = bench.meters[0].lock
    assert line(select()) == ACK
    telegram = decode(RawFrame(line(short(0x7B, 253))), no_keys)
    assert (telegram.outcome, telegram.meter) == (Outcome.OK, lock.meter.address)
    assert install(line).code is ResultCode.DONE
    assert lock.state.customer_number == "C-4711"


def make_bench(port: PtyPort | TcpPort) -> WiredBench:
    lock = make_lock(DESK)
    lock.state = replace(lock.state, primary_address=5)
    start_s = time.monotonic()
    return WiredBench(
        [WiredMeter(lock)], port, clock=lambda: START + timedelta(hours=1, seconds=time.monotonic() - start_s)
    )


def test_over_tcp() -> None:
    with make_bench(TcpPort()) as bench:
        assert bench.url.startswith("mbus+socket://127.0.0.1:")
        with over_tcp(bench) as line:
            check_real_line(line, bench)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
def test_over_a_pseudo_terminal() -> None:
    with make_bench(PtyPort(2400)) as bench:
        assert bench.url == f"mbus://{bench.at}"
        with over_pty(bench) as line:
            check_real_line(line, bench)


def test_a_bench_loses_its_cable_and_comes_back() -> None:
    with make_bench(TcpPort()) as bench:
        lock = bench.meters[0].lock
        with over_tcp(bench) as line:
            line(select())
            challenge = exchange(line, Hello(Random(3).randbytes(16)), 1)
            assert isinstance(challenge, Challenge)
            lock.faults.cut_after = "received"
            proof = INSTALLER.prove(challenge, build_command("customer-number", number="1").application)
            lost = RealLine(line._write, lambda: _some(line._read()))
            with pytest.raises(OSError, match=r"."):
                exchange(lost, proof, 2)
        assert lock.state.customer_number == ""
        bench.replug()
        with over_tcp(bench) as line:
            assert install(line).code is ResultCode.DONE
        bench.unplug()
        assert not bench.port.plugged
    assert not any(name.startswith("simulated wired") for name in _threads())


def _some(data: bytes) -> bytes:
    """A socket that was closed reads nothing, again and again."""
    if not data:
        raise OSError("the line is gone")
    return data


def _threads() -> list[str]:
    return [one.name for one in threading.enumerate()]
