"""What is in the repository: no names of machines or registries, modules of one size, each saying what it is for."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocols", "keystore", "simulators", "fieldtool")
MODULE_LINES = 400

# Modules that are longer than the soft cap, and why they stay in one piece.
LONG_MODULES: dict[str, str] = {}

VAGUE_NAMES = frozenset({"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py"})
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")

# Put together here, so that this file does not hold what it looks for.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pypi", "python", "org"),
        ("anaconda", "org"),
        ("npmjs", "org"),
        ("jfrog", "io"),
        ("artifactory", ""),
        ("nexus", ""),
    )
)
INDEX_OPTIONS = re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host")
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:" + "|".join(("work", "tmp", "root", "opt", "Users")) + r")(?![\w-])")


def files_in_git() -> list[Path]:
    """Files that git tracks; outside a checkout (an unpacked release) every file that is not hidden or built."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
        return [file for file in files if file.is_file()]
    hidden_or_built = re.compile(r"^(?:\.|build$|dist$|__pycache__$)")
    return [
        file
        for file in ROOT.rglob("*")
        if file.is_file() and not any(hidden_or_built.match(part) for part in file.relative_to(ROOT).parts)
    ]


def text_lines(file: Path) -> list[str]:
    """Lines of a text file; none of a file that is not UTF-8 text."""
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []


def lines_matching(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        for number, line in enumerate(text_lines(file), 1)
        if pattern.search(line)
    ]


def modules() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def test_no_file_names_a_package_registry() -> None:
    hosts = re.compile("|".join(re.escape(host) for host in REGISTRY_HOSTS), re.IGNORECASE)
    assert hosts.search("https://" + "pypi." + "org/simple")
    assert lines_matching(hosts, files_in_git()) == []


def test_no_constraints_or_build_file_chooses_an_index() -> None:
    chosen = [ROOT / name for name in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run")]
    assert INDEX_OPTIONS.search("--index" + "-url x")
    assert lines_matching(INDEX_OPTIONS, chosen) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    for named in ("see /" + "tmp/x", '"/' + 'work"'):
        assert MACHINE_PATH.search(named)
    for other in ("meter/work", "/workflows", "../work"):
        assert not MACHINE_PATH.search(other)
    assert lines_matching(MACHINE_PATH, files_in_git()) == []


def test_modules_are_not_longer_than_the_soft_cap() -> None:
    python = [file for file in files_in_git() if file.suffix == ".py"]
    lengths = {str(file.relative_to(ROOT)): len(text_lines(file)) for file in {*python, *modules()}}
    too_long = {name: lines for name, lines in sorted(lengths.items()) if lines > MODULE_LINES}
    assert {name: lines for name, lines in too_long.items() if name not in LONG_MODULES} == {}
    assert sorted(set(LONG_MODULES) - set(too_long)) == [], "exceptions that are no longer needed"


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(file.relative_to(ROOT)) for file in modules() if file.name in VAGUE_NAMES] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_is_for(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"{package} has no modules"
    silent = [f for f in files if not ast.get_docstring(ast.parse(f.read_text(encoding="utf-8")))]
    assert [str(file.relative_to(ROOT)) for file in silent] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_nothing_is_left_unfinished_in_the_product() -> None:
    assert UNFINISHED.search("# TODO: x")
    assert lines_matching(UNFINISHED, modules()) == []
