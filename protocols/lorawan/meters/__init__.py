"""Families of LoRaWAN meters: one TOML file each beside this one."""

from protocols.lorawan.meters.model import Confidence, Encoding, LoraMeter
from protocols.lorawan.meters.registry import MeterRegistry, find_meter, meter_ids, named_meter, shipped_meters

__all__ = [
    "Confidence",
    "Encoding",
    "LoraMeter",
    "MeterRegistry",
    "find_meter",
    "meter_ids",
    "named_meter",
    "shipped_meters",
]
