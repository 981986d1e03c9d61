"""Captures from files, streamed."""

from __future__ import annotations

from fieldtool.replay.capture import open_capture

__all__ = ["open_capture"]
