"""What the end-to-end tests of sticks have in common: where they stand, meters that send often, and patience."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals on Windows")
PORTS = [pytest.param("pty", marks=needs_pty), "tcp"]


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until it holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)
