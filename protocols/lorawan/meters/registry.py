"""Which meter a LoRaWAN device is: by its filed profile, else by its DevEUI where that says it alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from protocols.lorawan.meters.model import LoraMeter
from protocols.profiles.errors import ProfileError

SUFFIX = ".toml"
PACKAGE = "protocols.lorawan.meters"


class MeterRegistry:
    """Meters by id and by the beginning of their DevEUIs."""

    def __init__(self, meters: Iterable[LoraMeter]) -> None:
        self._meters: dict[str, LoraMeter] = {}
        self._prefixes: dict[str, set[str]] = {}
        for meter in meters:
            if meter.id in self._meters:
                raise ProfileError(meter.id + SUFFIX, f"a second meter {meter.id!r}", "choose another id for one")
            self._meters[meter.id] = meter
            for prefix in meter.dev_euis:
                self._prefixes.setdefault(prefix, set()).add(meter.id)

    @property
    def meters(self) -> Mapping[str, LoraMeter]:
        """All meters by id."""
        return self._meters

    def by_dev_eui(self, dev_eui: str) -> tuple[LoraMeter, ...]:
        """The meters that claim the longest beginning of a DevEUI; several where a maker uses one for all."""
        digits = plain_eui(dev_eui)
        for size in range(len(digits), 5, -1):
            if digits[:size] in self._prefixes:
                return tuple(self._meters[name] for name in sorted(self._prefixes[digits[:size]]))
        return ()


def plain_eui(dev_eui: str) -> str:
    """An EUI as lower-case hex without separators."""
    return dev_eui.lower().translate(_SEPARATORS)


_SEPARATORS: Final = str.maketrans("", "", "-: ")


@lru_cache(maxsize=1)
def shipped_meters() -> MeterRegistry:
    """All meters of this package, read at the first need of them all."""
    return MeterRegistry(_shipped(name) for name in meter_ids())


@lru_cache(maxsize=1)
def meter_ids() -> tuple[str, ...]:
    """The ids of all shipped meters, without reading a file."""
    files = (file.name for file in resources.files(PACKAGE).iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX)))


def find_meter(dev_eui: str | None, profile: str | None) -> LoraMeter | None:
    """The meter filed as `profile`, else the only one whose DevEUIs begin as `dev_eui` does; None when unknown."""
    if profile is not None:
        found = named_meter(profile)
        if found is not None:
            return found
    if dev_eui is None:
        return None
    candidates = shipped_meters().by_dev_eui(dev_eui)
    return candidates[0] if len(candidates) == 1 else None


def named_meter(name: str) -> LoraMeter | None:
    """The meter of an id, written with hyphens or underscores; None when there is none such."""
    return _named(name)


@lru_cache(maxsize=512)
def _named(name: str) -> LoraMeter | None:
    wanted = name.strip().lower().replace("_", "-")
    return _shipped(wanted) if wanted in meter_ids() else None


@cache
def _shipped(name: str) -> LoraMeter:
    # Reading TOML is loaded with the first meter: frames of other devices do not need it.
    from protocols.lorawan.meters.schema import parse_meter

    return parse_meter((resources.files(PACKAGE) / (name + SUFFIX)).read_text(encoding="utf-8"), name + SUFFIX)
