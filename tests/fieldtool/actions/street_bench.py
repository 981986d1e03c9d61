"""A street of simulated meters on one line, a list of them, and the command line: for tests of lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from keystore.certificates.grant import Scope
from keystore.model import KeyRecord, Provenance
from keystore.vault import Vault
from simulators.certificate_desk.desk import CertificateDesk
from simulators.field_meter.lock import MeterLock
from simulators.field_meter.meter import factory_state, make_meter
from simulators.field_meter.wired import WiredMeter
from simulators.field_meter.wired_bench import WiredBench
from simulators.ports import TcpPort
from tests.fieldtool.actions.action_bench import PASSPHRASE, Bench, Clock, open_bench
from tests.fieldtool.conftest import Ran, Run

NUMBERS = ("10002345", "10002346", "10002347", "10002348")
NOWHERE = "10009999"


@dataclass
class Street:
    """Meters on one line, a store, a list in a file, and the command line."""

    run: Run
    folder: Path
    clock: Clock
    bench: Bench
    locks: dict[str, MeterLock]
    line: WiredBench

    @property
    def path(self) -> Path:
        return self.folder / "street.csv"

    def write(self, *rows: str) -> None:
        self.path.write_text("\n".join(rows) + "\n")

    def meters(self, action: str, *more: str | Path, code: int = 0) -> Ran:
        at = f"{self.line.url}?timeout=0.1"
        ran = self.run("meter", action, "--list", self.path, "--at", at, *more)
        assert ran.code == code, ran.out + ran.err
        assert "Traceback" not in ran.err
        assert "internal error" not in ran.err
        return ran

    def rows(self, action: str, *more: str | Path, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.meters(action, *more, "--yes", "--json", code=code).lines]

    def states(self, action: str, *more: str | Path, code: int = 0) -> list[str]:
        return [row["state"] for row in self.rows(action, *more, code=code)]

    def enrol(self, level: str, scope: Scope | None = None) -> None:
        with Vault.open(self.folder / "keys.vault") as vault:
            vault.unlock(PASSPHRASE)
            self.bench.vault = vault
            self.bench.enrol(level, scope)

    def pulses(self) -> list[int]:
        return [lock.state.pulse_litres for lock in self.locks.values()]

    def events(self) -> list[int]:
        """How many proofs each meter was shown."""
        return [len(lock.state.events) for lock in self.locks.values()]

    def log(self) -> list[tuple[str, str]]:
        entries = [json.loads(line) for line in self.run("audit", "list", "--json").lines]
        return [(one["subject"], one["detail"]["became"]) for one in entries if one["action"] == "meter_action"]


def make_lock(number: str, clock: Clock, desk: CertificateDesk) -> MeterLock:
    meter = make_meter(number, now=clock())
    state = replace(factory_state(meter, clock()), clock_offset_s=0, latest_seen=int(clock().timestamp()))
    return MeterLock(meter, state, [desk.anchor.certificate], Random(int(number)).randbytes)


@contextmanager
def open_street(run: Run, folder: Path, clock: Clock) -> Iterator[Street]:
    """A store with the keys of the street's meters, and the meters, that trust the same desk."""
    with open_bench(folder / "keys.vault", clock) as bench:
        locks = {number: make_lock(number, clock, bench.desk) for number in NUMBERS}
        records = [
            KeyRecord(number=number, manufacturer="SIM", value=lock.state.key or b"", source=Provenance("test", "list"))
            for number, lock in locks.items()
            if number != NUMBERS[0]
        ]
        bench.vault.put(records)
    with WiredBench([WiredMeter(lock, reply_delay_s=0.0) for lock in locks.values()], TcpPort(), clock=clock) as line:
        made = Street(run, folder, clock, bench, locks, line)
        made.write(*(f"SIM {number};flat {place}" for place, number in enumerate(NUMBERS, 1)))
        yield made
