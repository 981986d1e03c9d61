"""What goes wrong with a profile file."""

from __future__ import annotations


class ProfileError(Exception):
    """A profile file that cannot be used: which file, what is wrong, what to do."""

    def __init__(self, file: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{file}: {problem}" + (f"; {hint}" if hint else ""))
        self.file = file
        self.problem = problem
        self.hint = hint
