"""The layers hold when the program runs, not only in the import graph."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("protocols", "keystore", "simulators", "fieldtool")

IO_MODULES = frozenset(
    {"asyncio", "concurrent.futures", "multiprocessing", "serial", "socket", "sqlite3", "subprocess"}
)
SCREEN_MODULES = frozenset({"textual", "rich"})

# Module: what must not be loaded once it has been imported.
NOT_LOADED_BY = {
    "protocols.decode": IO_MODULES | SCREEN_MODULES | {"keystore", "simulators", "fieldtool"},
    "keystore": frozenset({"simulators", "fieldtool", "serial"}) | SCREEN_MODULES,
    "simulators": frozenset({"fieldtool"}) | SCREEN_MODULES,
    "fieldtool": frozenset({"fieldtool.cli", "fieldtool.tui"}) | SCREEN_MODULES,
    "fieldtool.cli.main": frozenset({"fieldtool.tui"}) | SCREEN_MODULES,
}

# Names that reach the world from inside protocols without an import of their own.
CLOCKS_AND_FILES = frozenset({"open", "input", "print", "exec", "eval", "breakpoint"})
CLOCK_METHODS = frozenset({"now", "today", "utcnow"})


def loaded_after_import(module: str) -> set[str]:
    """Names in `sys.modules` of a fresh interpreter that has imported one module."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{module} cannot be imported: {done.stderr.strip().splitlines()[-1]}"
    return set(done.stdout.split())


@pytest.mark.parametrize("module", NOT_LOADED_BY)
def test_importing_a_package_loads_nothing_from_its_right(module: str) -> None:
    # construct loads Python's debugger, which since Python 3.14 loads much of what may not be loaded.
    loaded = loaded_after_import(module) - loaded_after_import("construct")
    assert sorted(NOT_LOADED_BY[module] & loaded) == []


def modules_of(package: str) -> list[str]:
    files = sorted((ROOT / package).rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return [name for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize("package", LAYERS)
def test_every_module_can_be_imported_without_a_word(package: str) -> None:
    code = f"import importlib\nfor name in {modules_of(package)!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def reaches_outside(tree: ast.AST) -> list[str]:
    """Calls that open files, talk, or read a clock, as `line: name`."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in CLOCKS_AND_FILES:
            found.append(f"{node.lineno}: {called.id}")
        elif isinstance(called, ast.Attribute) and called.attr in CLOCK_METHODS:
            found.append(f"{node.lineno}: {called.attr}")
    return found


def test_protocols_opens_no_file_and_reads_no_clock() -> None:
    found = {
        str(file.relative_to(ROOT)): calls
        for file in sorted((ROOT / "protocols").rglob("*.py"))
        if (calls := reaches_outside(ast.parse(file.read_text(encoding="utf-8"))))
    }
    assert found == {}


def test_the_search_for_calls_finds_them() -> None:
    source = "open('x')\ndatetime.now(UTC)\nre.compile('x')\nself.open('x')\n"
    assert reaches_outside(ast.parse(source)) == ["1: open", "2: now"]
