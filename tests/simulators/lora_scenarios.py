"""Simulated LoRaWAN devices as a scenario names them."""

from __future__ import annotations

JOIN_EUI = "8c83fc0500000000"


def dev_eui(number: int) -> str:
    """The DevEUI of the device with that number."""
    return f"8c83fc05{number:08d}"


def axioma(name: str = "x", number: int = 1, **settings: str | float) -> str:
    """Return the `[[device]]` of a water meter; `settings` are what else stands in it."""
    given: dict[str, str | float] = {
        "name": name,
        "kind": "axioma_w1",
        "dev_eui": dev_eui(number),
        "join_eui": JOIN_EUI,
        "manufacturer": "AXI",
        "number": f"{number:08d}",
        "version": 1,
        "medium": 7,
        **settings,
    }
    lines = (f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in given.items())
    return "\n".join(("[[device]]", *lines, ""))
