"""LoRaWAN uplinks on one core: MIC checked, payload decrypted and decoded; uplinks a second.

    python -m benchmarks.lorawan [--uplinks N] [--devices N] [--seed N] [--rounds N]

The devices are of five kinds in turn, with made-up keys and values: Elvaco CMi4110 on a heat meter (nine records),
INTEGRA aquastream (a whole OMS telegram), Axioma W1 (hourly log of six values), Arad Sonata, Sontex (records alone).
Each uplink has a value and a counter of its own, and all are made before the clock starts. The best round counts; it
begins without sessions or plans, so it pays for learning them. The second figure is the general decoder alone.
"""

from __future__ import annotations

import platform
import random
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from protocols.lorawan.encode import Message, data_frame
from protocols.lorawan.facts import LoraReception
from protocols.lorawan.follower import LorawanFollower
from protocols.lorawan.keys import RootKeys, SessionKeys
from protocols.lorawan.learned import LorawanSighting
from protocols.lorawan.phy import MType
from protocols.model import Key, Link, RawFrame, Telegram

UPLINKS = 50_000
DEVICES = 1000
SEED = 868
ROUNDS = 3
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of device: its profile, port, a payload, and where its first value stands."""

    profile: str
    fport: int
    payload: str
    value: tuple[int, int]
    bcd: bool = False


KINDS = (
    Kind(
        "elvaco-cmi4110",
        2,
        "000c06748823000c14099850000b2d0801000b3b6201000a5a54090a5e79030c788851276702fd170000",
        (3, 7),
        bcd=True,
    ),
    Kind(
        "integra-aquastream",
        2,
        "2d44b42509930310050e7221535104b4250107010000200413e02e00008410130000000002fd17000002fd74cb16",
        (25, 29),
    ),
    Kind("axioma-w1", 100, "4036006b0029350000201a006b00290000b800b900b800b800b900b800", (5, 9)),
    Kind("arad-sonata", 1, "0600005a00037f71070000000100080e43070000", (6, 9)),
    Kind("sontex-sc5", 2, "0406100000000414200000000259200a025d2a0a", (2, 6)),
)


@dataclass(frozen=True, slots=True)
class Filed:
    """The keys of all devices."""

    sessions: dict[str, tuple[SessionKeys, ...]]

    def root_keys(self, dev_eui: str) -> Sequence[RootKeys]:
        """None: the devices have fixed keys."""
        return ()

    def session_keys(self, dev_addr: str) -> Sequence[SessionKeys]:
        """The keys of one device."""
        return self.sessions.get(dev_addr, ())


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when an uplink did not decode."""
    parser = ArgumentParser(prog="python -m benchmarks.lorawan", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--uplinks", type=int, default=UPLINKS, help=f"how many (default: {UPLINKS})")
    parser.add_argument("--devices", type=int, default=DEVICES, help=f"of how many devices (default: {DEVICES})")
    parser.add_argument("--seed", type=int, default=SEED, help="of the made-up keys and values")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"the best counts (default: {ROUNDS})")
    asked = parser.parse_args(argv)
    filed, frames = made(asked.uplinks, asked.devices, asked.seed)
    print(f"{len(frames)} uplinks of {asked.devices} devices, Python {platform.python_version()}")
    failed = 0
    for name, way in (("as they are heard", LorawanFollower.sight), ("general decoder alone", LorawanFollower.decode)):
        rounds = [measured(filed, frames, way) for _ in range(asked.rounds)]
        failed += sum(bad for _, _, bad in rounds)
        wall, cpu = max(wall for wall, _, _ in rounds), max(cpu for _, cpu, _ in rounds)
        print(f"{name}: {wall:.0f} uplinks a second, {cpu:.0f} a second of processor time")
    print(f"{failed} uplinks were not verified or not decoded")
    return 1 if failed else 0


def made(uplinks: int, devices: int, seed: int) -> tuple[Filed, list[RawFrame]]:
    """Keys and uplinks, the devices in turn."""
    draw = random.Random(seed)
    keys = [
        SessionKeys.of_1_0(
            f"{0x26000000 + number:08x}",
            Key(draw.randbytes(16)),
            Key(draw.randbytes(16)),
            f"{0x70B3D5E75E000000 + number:016x}",
            KINDS[number % len(KINDS)].profile,
        )
        for number in range(devices)
    ]
    receptions = {kind.profile: LoraReception(data_rate=5, channel=1) for kind in KINDS}
    frames = []
    for number in range(uplinks):
        device = keys[number % devices]
        kind = KINDS[number % devices % len(KINDS)]
        payload = bytearray.fromhex(kind.payload)
        first, last = kind.value
        payload[first:last] = _value(number, last - first, bcd=kind.bcd)
        message = Message(MType.UNCONFIRMED_DATA_UP, 65_530 + number // devices, kind.fport, bytes(payload))
        data = data_frame(message, device)
        frames.append(RawFrame(data, AT, "benchmark", rssi_dbm=-97, link=Link.LORAWAN, lora=receptions[kind.profile]))
    return Filed({each.dev_addr: (each,) for each in keys}), frames


def _value(number: int, size: int, *, bcd: bool) -> bytes:
    if bcd:
        return bytes.fromhex(f"{number:0{2 * size}}")[::-1]
    return number.to_bytes(size, "little")


def measured(
    filed: Filed, frames: Sequence[RawFrame], way: Callable[[LorawanFollower, RawFrame], Telegram | LorawanSighting]
) -> tuple[float, float, int]:
    """Uplinks a second of wall time and of processor time, and how many were not decoded with a MIC that fits."""
    follower = LorawanFollower(filed)
    bad = 0
    began, began_cpu = time.perf_counter(), time.process_time()
    for frame in frames:
        seen = way(follower, frame)
        if isinstance(seen, Telegram):
            bad += not (seen.ok and seen.lorawan is not None and seen.lorawan.mic_ok and seen.readings)
        else:
            bad += not seen.readings
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return len(frames) / wall_s, len(frames) / cpu_s, bad


if __name__ == "__main__":
    sys.exit(main())
