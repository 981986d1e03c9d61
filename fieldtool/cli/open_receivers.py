"""The receivers that a command names, opened for it."""

from __future__ import annotations

from argparse import Namespace

from fieldtool.cli.mqtt_option import receiver_defaults
from fieldtool.errors import UsageError
from fieldtool.sources.events import Source
from fieldtool.sources.registry import open_source


def open_receivers(arguments: Namespace) -> list[Source]:
    """Return a source for each address; nothing is listened to yet.

    Raises `UsageError` for an address that is none, and for a receiver that is named twice.
    """
    defaults = receiver_defaults(arguments)
    sources = [open_source(text, defaults=defaults) for text in arguments.receivers]
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise UsageError("the same receiver is named twice", "name each receiver once")
    return sources
