"""The tools that write files of this project: asked for help they only help."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["levels", "profiles", "torture_keystore"])
@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("nonsense", 2)])
def test_a_tool_that_is_asked_for_help_writes_nothing(
    name: str, word: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> int:
        raise AssertionError(f"{path} was written")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(SystemExit) as ended:
        import_module(f"tools.{name}").main([word])
    assert ended.value.code == code
    shown = capsys.readouterr()
    assert "usage: " in shown.out + shown.err
