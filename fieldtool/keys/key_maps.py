"""The user's column mappings, remembered by name: one TOML file in the configuration folder, one table a mapping."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from fieldtool.errors import ConfigError, OutputError
from keystore.formats import ColumnMapping, mapping_of, parse_mapping

MAPS_VARIABLE: Final = "FIELDTOOL_KEY_MAPS"
MAPS_NAME: Final = "key-maps.toml"
MAX_FILE_BYTES: Final = 1 << 20

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def maps_path() -> Path:
    """Return where mappings are kept: FIELDTOOL_KEY_MAPS, else the platform's configuration folder."""
    named = os.environ.get(MAPS_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_config_dir("fieldtool", appauthor=False)) / MAPS_NAME


def mapping_from(text: str) -> ColumnMapping:
    """Return the mapping that `--map` asks for: `serial=3,key=7`, or a remembered one's name; raises `ConfigError`."""
    if "=" not in text:
        return _remembered(text)
    try:
        return parse_mapping(text)
    except ValueError as error:
        raise ConfigError(f"--map: {error}", "see docs/keys.md for the names of columns") from None


def save_mapping(name: str, mapping: ColumnMapping) -> Path:
    """Remember a mapping, in place of another of that name; return the file. Raises `ConfigError`, `OutputError`."""
    if not _NAME.fullmatch(name):
        raise ConfigError("--save-map: a name has letters, digits, - and _", "as in: --save-map supplier-a")
    path = maps_path()
    maps = {**_load(path), name: mapping}
    lines = ["# Which column of a table holds what: fieldtool keys import --map NAME\n"]
    for one, kept in sorted(maps.items()):
        lines.append(f"\n[{one}]\n")
        # JSON strings and numbers are TOML strings and numbers.
        lines += [f"{json.dumps(key)} = {json.dumps(place)}\n" for key, place in kept.as_texts().items()]
    _write(path, "".join(lines))
    return path


def _remembered(name: str) -> ColumnMapping:
    path = maps_path()
    maps = _load(path)
    if name not in maps:
        known = f"known are: {', '.join(sorted(maps))}" if maps else "remember one with --save-map NAME"
        raise ConfigError(f"--map: no mapping of that name in {path}", known)
    return maps[name]


def _load(path: Path) -> dict[str, ColumnMapping]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "check whether you may read it") from error
    try:
        tables = tomllib.loads(data[:MAX_FILE_BYTES].decode())
        return {name: _mapping(table) for name, table in tables.items()}
    except ValueError as error:
        raise ConfigError(f"{path}: {error}", "correct it, or delete it and save the mappings again") from None


def _mapping(table: object) -> ColumnMapping:
    if not isinstance(table, dict) or not all(
        isinstance(place, int | str) and not isinstance(place, bool) for place in table.values()
    ):
        raise ValueError("a mapping is a table of names with column numbers or header texts")
    return mapping_of(table)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "set FIELDTOOL_KEY_MAPS to another") from error
