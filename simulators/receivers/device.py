"""What a simulated receiver is, to the port that carries its bytes and the air that it listens to."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import ClassVar, Final, Protocol, cast, runtime_checkable

from simulators.air import Transmission
from simulators.devices.model import SimulatedDevice

DEVICES: Final[dict[str, str]] = {
    "im871a": "simulators.receivers.im871a:Im871aStick",
    "rc1180": "simulators.receivers.rc1180:Rc1180Stick",
    "rc1180-framed": "simulators.receivers.rc1180:FramedRc1180Stick",
    "cul": "simulators.receivers.cul:CulStick",
    "cul-recent": "simulators.receivers.cul:RecentCulStick",
    "cul-old": "simulators.receivers.cul:OldCulStick",
    "amb8465": "simulators.receivers.amb8465:Amb8465Stick",
    "amb8465-bare": "simulators.receivers.amb8465:BareAmb8465Stick",
    "iu891a": "simulators.receivers.iu891a:Iu891aStick",
    "rn2483": "simulators.receivers.rn2483:Rn2483Stick",
    "lora-e5": "simulators.receivers.lora_e5:LoraE5Stick",
    "rak3172": "simulators.receivers.rak3172:Rak3172Stick",
    "wimod": "simulators.receivers.wimod:WimodModule",
    "gwmp": "simulators.receivers.gwmp:PacketForwarder",
    "mqtt": "simulators.receivers.network_server:NetworkServer",
    "mqtt-chirpstack": "simulators.receivers.network_server:ChirpStackServer",
    "rtlwmbus": "simulators.receivers.sdr_programs:RtlWmbus",
    "rtl433": "simulators.receivers.sdr_programs:Rtl433",
}
"""Kind to `module:Class`; the kind is that of the receiver's URL but for `SCHEMES`."""

SCHEMES: Final[dict[str, str]] = {
    "mqtt-chirpstack": "mqtt",
    "amb8465-bare": "amb8465",
    "rc1180-framed": "rc1180",
    "cul-recent": "cul",
    "cul-old": "cul",
}

STANDS_AT: Final[dict[str, str]] = {
    "gwmp": "udp",
    "mqtt": "mqtt",
    "mqtt-chirpstack": "mqtt",
    "rtlwmbus": "stdout",
    "rtl433": "stdout",
}
"""The kind of port of what does not stand on a serial line."""

STANDS_ALSO_AT: Final[dict[str, tuple[str, ...]]] = {"stdout": ("tcp", "fifo")}
"""Other kinds of port that do instead."""

OF_PROGRAMS: Final = ("stdout", "fifo")
"""Ports that only programs stand at: what is on a serial line has to be asked, and to answer."""

STAND_AS: Final[dict[str, str]] = {
    "udp": "udp:127.0.0.1:1700",
    "mqtt": "mqtt:1883",
    "stdout": "stdout, tcp:5000, fifo:lines",
}
"""An example of each such port."""


class Device(Protocol):
    """The device side of a receiver, sans-IO: handed bytes, transmissions and the time; asked for bytes to write.

    Times are seconds of any monotonic clock. Each piece of `due` is one write.
    """

    KIND: ClassVar[str]
    BAUD: ClassVar[int]

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the host."""

    def hear(self, transmission: Transmission, now_s: float) -> None:
        """Take a transmission off the air."""

    def due(self, now_s: float) -> list[bytes]:
        """Return what is to be written by now, in order."""

    def power_cycle(self) -> None:
        """Forget whatever is not stored, as after pulling the plug."""

    @property
    def next_due_s(self) -> float | None:
        """When `due` will have something, None when nothing waits."""


@runtime_checkable
class KnowsDevices(Protocol):
    """What has to be told which LoRaWAN devices are its own."""

    def register(self, devices: Sequence[SimulatedDevice]) -> None:
        """Take devices into service."""


def device(kind: str, seed: int = 0) -> Device:
    """Return a new simulated receiver; `ValueError` names the nearest known kind."""
    try:
        module_name, _, class_name = DEVICES[kind].partition(":")
    except KeyError:
        near = get_close_matches(kind, DEVICES, n=1)
        guess = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(DEVICES))}"
        raise ValueError(f"no simulated receiver {kind!r}; {guess}") from None
    return cast(Device, getattr(import_module(module_name), class_name)(seed=seed))
