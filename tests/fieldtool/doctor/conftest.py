"""What tests of the doctor share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture
def mute_port() -> Iterator[str]:
    """A port on which nothing ever answers."""
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        os.close(master)
