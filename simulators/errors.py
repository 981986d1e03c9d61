"""Errors of the simulators.

SimulatorError           what happened, to which thing; `hint` says what to do
├─ ScenarioError         a scenario file cannot be used; names the file and the key
└─ PortError             a port cannot be opened here
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Something that keeps a simulator from running: one line of what, and one of what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ScenarioError(SimulatorError):
    """A scenario file cannot be used; the message names the file and the key."""


class PortError(SimulatorError):
    """A port cannot be opened here."""
