"""The kinds of sources by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from types import MappingProxyType
from typing import cast

from fieldtool.sources.events import Source
from fieldtool.sources.url import ReceiverUrl, parse_url

SOURCES: dict[str, str] = {
    "im871a": "fieldtool.sources.serial_receiver:open_source",
    "rc1180": "fieldtool.sources.serial_receiver:open_source",
    "cul": "fieldtool.sources.serial_receiver:open_source",
    "amb8465": "fieldtool.sources.serial_receiver:open_source",
    "rn2483": "fieldtool.sources.serial_receiver:open_source",
    "lora-e5": "fieldtool.sources.serial_receiver:open_source",
    "rak3172": "fieldtool.sources.serial_receiver:open_source",
    "iu891a": "fieldtool.sources.serial_receiver:open_source",
    "wimod": "fieldtool.sources.serial_receiver:open_source",
    "gwmp": "fieldtool.sources.gateway:open_source",
    "mqtt": "fieldtool.sources.mqtt:open_source",
    "mqtts": "fieldtool.sources.mqtt:open_source",
    "rtlwmbus": "fieldtool.sources.program_lines:open_source",
    "rtl433": "fieldtool.sources.program_lines:open_source",
    "file": "fieldtool.sources.file:open_source",
    "sim": "fieldtool.sources.simulated:open_source",
}
"""Kind, as in the receiver's URL, to `module:function`."""

OPTIONS: dict[str, tuple[str, ...]] = {
    "im871a": ("mode",),
    "rc1180": ("mode",),
    "cul": ("mode",),
    "amb8465": ("mode",),
    "rn2483": ("mode",),
    "lora-e5": ("mode",),
    "rak3172": ("mode",),
    "iu891a": ("mode",),
    "wimod": ("mode",),
    "mqtt": ("password-file", "qos"),
    "mqtts": ("ca", "password-file", "qos"),
    "sim": ("mode", "speed"),
}
"""The options that may follow the `?` of a URL."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_source(
    text: str, now: Callable[[], datetime] = _utc_now, defaults: Mapping[str, str] = MappingProxyType({})
) -> Source:
    """Return the source that a receiver URL names, not yet started; `UsageError` when there is no such source.

    `defaults` are options that hold where the URL does not say otherwise, for the kinds that take them.
    """
    url = parse_url(text, tuple(SOURCES), OPTIONS)
    taken = {name: value for name, value in defaults.items() if name in OPTIONS.get(url.kind, ())}
    url = replace(url, options=taken | url.options)
    module_name, _, function = SOURCES[url.kind].partition(":")
    factory = cast(
        Callable[[ReceiverUrl, Callable[[], datetime]], Source], getattr(import_module(module_name), function)
    )
    return factory(url, now)
