"""Scores the corpora of a folder: each goes through `fieldtool decode --jsonl` as a user would send it.

    run.py FOLDER [--update] [--verbose]

The folder brings its own `score.py`; what it counts is compared with `expected.toml` beside this file. Cases that are
missed are named, with the reason of `believed_wrong.toml` where they are believed to be wrong themselves. A corpus that
`expected.toml` does not name is scored and shown, but nothing is asked of it. With `--update` counts that have risen
are written to `expected.toml`, unless lines are missing or out of order; this program never lowers a count there.

Exit: 0 nothing has dropped; 1 a count dropped, or the lines do not match the input; 2 the corpora cannot be scored.
"""

from __future__ import annotations

import argparse
import io
import json
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).with_name("expected.toml")
BELIEVED_WRONG = Path(__file__).with_name("believed_wrong.toml")
DECODER = (sys.executable, "-m", "fieldtool", "decode", "--jsonl")
DECODE_TIMEOUT_S = 600
DECODED_EXIT_CODES = (0, 1)  # 1: some telegrams failed, as some of a corpus must

COLUMNS = ("full", "fields", "status", "media", "header")
HEADER_FIELDS = ("mfct", "id", "version", "type")
ALL = "all"

Count = tuple[int, int]  # reached, of so many
Row = dict[str, Count]  # by column
Scores = dict[str, dict[str, Row]]  # by run name, then by group of cases
Scorer = Callable[..., tuple[Any, list[tuple[dict[str, Any], dict[str, Any]]]]]

EXPECTED_HEAD = """\
# What the corpora score at least: [reached, of so many], by corpus and group of cases. Written by
# `python tests/conformance/run.py FOLDER --update`, which only raises; a number is lowered by hand.
#   full    cases with every scored field matched (error cases: refused, without values)
#   fields  scored fields matched; status  status words matched (loosely)
#   media   media matched; header  manufacturer, number, version and type matched
"""


class ConformanceError(Exception):
    """The corpora cannot be scored: what is missing, and where it was looked for."""


@dataclass(frozen=True, slots=True)
class Run:
    """One corpus scored one way."""

    path: Path
    strict: bool

    @property
    def name(self) -> str:
        """The corpus as `expected.toml` names it."""
        return f"{self.path.name} --strict" if self.strict else self.path.name


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the program printed for one corpus, and what was wrong with the way it did."""

    telegrams: tuple[dict[str, Any], ...]
    problems: tuple[str, ...]


def runs_of(folder: Path) -> list[Run]:
    """The corpora of a folder: wireless and wired cases; those named `*.encrypted.jsonl` are scored strictly too.

    `lora.*` has a scorer of its own.
    """
    runs = []
    for path in sorted(folder.glob("*.jsonl")):
        if path.name.startswith("lora."):
            continue
        runs.append(Run(path, strict=False))
        if path.name.endswith(".encrypted.jsonl"):
            runs.append(Run(path, strict=True))
    return runs


def asked(corpus: bytes) -> bytes:
    """The lines to send: those whose payload lies in the clear under a header that says encrypted say so.

    A decoder rightly refuses them unless it is told; lines that are no JSON are sent as they are.
    """
    lines = []
    for line in corpus.split(b"\n"):
        try:
            case = json.loads(line)
        except ValueError:
            case = None
        if isinstance(case, dict) and case.get("predecrypted"):
            line = json.dumps({**case, "already_decrypted": True}).encode()
        lines.append(line)
    return b"\n".join(lines)


def decode(path: Path, decoder: Sequence[str] = DECODER) -> Decoded:
    """Send a corpus through the decoder's standard input; check one JSON object a line, in the order of the input."""
    done = subprocess.run(  # the corpus goes in whole, as `fieldtool decode --jsonl < corpus` does
        decoder, input=asked(path.read_bytes()), capture_output=True, cwd=ROOT, timeout=DECODE_TIMEOUT_S, check=False
    )
    talk = done.stderr.decode("utf-8", "replace").strip().splitlines()
    problems = []
    if done.returncode not in DECODED_EXIT_CODES:
        reason = talk[-1] if talk else "no reason given"
        problems.append(f"the decoder ended with exit code {done.returncode}: {reason}")
    elif any(line.startswith("Traceback ") for line in talk):
        problems.append(f"the decoder printed a traceback: {talk[-1]}")
    telegrams, unreadable = _telegrams(done.stdout)
    problems += unreadable
    problems += order_problems([case["id"] for case in _cases(path)], [telegram.get("id") for telegram in telegrams])
    return Decoded(tuple(telegrams), tuple(problems))


def _telegrams(output: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    telegrams: list[dict[str, Any]] = []
    problems: list[str] = []
    for number, line in enumerate(output.decode("utf-8", "replace").splitlines(), 1):
        try:
            telegram = json.loads(line)
        except ValueError:
            telegram = None
        if not isinstance(telegram, dict):
            problems.append(f"output line {number} is not a JSON object")
            telegram = {}
        telegrams.append(telegram)
    return telegrams, problems


def order_problems(sent: Sequence[str], came_back: Sequence[object]) -> list[str]:
    """What breaks the rule of one line out for each line in, in order; the first break of the order only."""
    problems = []
    if len(sent) != len(came_back):
        problems.append(f"{len(sent)} lines went in, {len(came_back)} came out")
    for number, (wanted, got) in enumerate(zip(sent, came_back, strict=False), 1):
        if wanted != got:
            problems.append(f"output line {number} has the id {got!r} where {wanted!r} went in")
            break
    return problems


def _cases(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def load_scorer(folder: Path) -> Scorer:
    """The `run` function of the folder's own `score.py`; nothing is written beside it."""
    path = folder / "score.py"
    if not path.is_file():
        raise ConformanceError(f"{path} is missing: a corpus folder brings its own scorer")
    scorer: Scorer = runpy.run_path(str(path))["run"]
    return scorer


def group_of(case: Mapping[str, Any], is_error: bool) -> str:
    """The group that a case counts in: its class, or the kind of error that must be noticed."""
    if not is_error:
        return str(case["class"])
    return f"error {case['variant']}" if case.get("variant") else "error"


def counts_of(case: Mapping[str, Any], result: Mapping[str, Any]) -> Row:
    """One case's counts by column, from what the scorer found."""
    known = case.get("header") or {}
    asked = 0 if result["errcase"] else sum(known.get(field) is not None for field in HEADER_FIELDS)
    return {
        "full": (int(bool(result["full"])), 1),
        "fields": (result["m"], result["n"]),
        "status": (result["sm"], result["sn"]),
        "media": (int(bool(result["media"])), int(result["media"] is not None)),
        # The scorer passes over a header field that was not decoded; here it counts as missed.
        "header": (result["hdr"][0], asked),
    }


@dataclass(frozen=True, slots=True)
class Scored:
    """Counts by group for one corpus, with the group `all` first, and the ids of the cases that were not full."""

    rows: dict[str, Row]
    missed: tuple[str, ...]


def score(run: Run, telegrams: Sequence[dict[str, Any]], scorer: Scorer, verbose: bool = False) -> Scored:
    """Score one corpus."""
    misses = io.StringIO()
    _, results = scorer(_cases(run.path), list(telegrams), verbose, run.strict, out=misses)
    if verbose:
        print(misses.getvalue())
    rows: dict[str, Row] = {ALL: dict.fromkeys(COLUMNS, (0, 0))}
    for case, result in results:
        counts = counts_of(case, result)
        for group in (ALL, group_of(case, result["errcase"])):
            row = rows.setdefault(group, dict.fromkeys(COLUMNS, (0, 0)))
            for column, (reached, total) in counts.items():
                row[column] = (row[column][0] + reached, row[column][1] + total)
    missed = tuple(str(case["id"]) for case, result in results if not result["full"] or result["media"] is False)
    return Scored({group: rows[group] for group in (ALL, *sorted(set(rows) - {ALL}))}, missed)


def read_reasons(path: Path) -> dict[bool, dict[str, str]]:
    """Reasons by beginning of the id, for both ways of scoring: False as usual, True strictly."""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    return {False: tables["cases"], True: {**tables["strict"], **tables["cases"]}}


def explained(missed: Iterable[str], reasons: Mapping[str, str]) -> str:
    """One line for each case that was missed: why it is believed wrong, or that nobody has said so."""
    lines = []
    for name in missed:
        reason = next((text for start, text in reasons.items() if name.startswith(start)), "NOT EXPLAINED")
        lines.append(f"  missed {name}: {reason}")
    return "\n".join(lines)


def drops(expected: Scores, scores: Scores) -> list[str]:
    """What scores worse than expected, or was not scored, or is counted out of another total than before."""
    found = []
    for name, groups in expected.items():
        if name not in scores:
            found.append(f"{name}: expected.toml keeps its scores, but it is not in the folder")
            continue
        for group, row in groups.items():
            if group not in scores[name]:
                found.append(f"{name}, {group}: no case left in the corpus")
                continue
            for column, (least, total) in row.items():
                reached, total_now = scores[name][group][column]
                if reached < least:
                    found.append(f"{name}, {group}: {column} dropped from {least} to {reached} of {total_now}")
                elif total != total_now:
                    found.append(f"{name}, {group}: {column} counted out of {total_now}, was {total}: use --update")
    return found


def raised(expected: Scores, scores: Scores) -> Scores:
    """Expected scores with every count that has not dropped taken from `scores`; the others stay as they were."""
    merged: Scores = {name: {group: dict(row) for group, row in groups.items()} for name, groups in expected.items()}
    for name, groups in scores.items():
        for group, row in groups.items():
            kept = merged.setdefault(name, {}).setdefault(group, {})
            for column, count in row.items():
                if column not in kept or count[0] >= kept[column][0]:
                    kept[column] = count
    return merged


def read_expected(path: Path) -> Scores:
    """The kept scores; a file that is not there keeps none."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        tables = tomllib.load(file)
    return {
        name: {
            group: {column: (reached, total) for column, (reached, total) in row.items()}
            for group, row in groups.items()
        }
        for name, groups in tables.items()
    }


def write_expected(path: Path, scores: Scores) -> None:
    """Write scores as TOML, one table for each corpus and group."""
    lines = [EXPECTED_HEAD]
    for name in sorted(scores):
        for group, row in scores[name].items():
            lines.append(f"[{json.dumps(name)}.{json.dumps(group)}]")
            lines += [f"{column} = [{row[column][0]}, {row[column][1]}]" for column in COLUMNS if column in row]
            lines.append("")
    path.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")


def table(name: str, rows: Mapping[str, Row]) -> str:
    """Scores of one corpus as text, one line a group: reached/total and percent."""
    lines = [f"{name:<34}" + "".join(f"{column:>20}" for column in COLUMNS)]
    for group, row in rows.items():
        cells = []
        for column in COLUMNS:
            reached, total = row[column]
            cells.append(f"{reached}/{total} {100 * reached / total:5.1f} %" if total else "-")
        lines.append(f"  {group:<32}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def conformance(folder: Path, scorer: Scorer, *, verbose: bool, decoder: Sequence[str]) -> tuple[Scores, list[str]]:
    """Decode and score every corpus of a folder, print the tables, return scores and broken lines."""
    runs, reasons = runs_of(folder), read_reasons(BELIEVED_WRONG)
    if not runs:
        raise ConformanceError(f"no corpus (*.jsonl) in {folder}")
    scores: Scores = {}
    problems: list[str] = []
    decoded: dict[Path, Decoded] = {}
    for run in runs:
        if run.path not in decoded:
            decoded[run.path] = decode(run.path, decoder)
            problems += [f"{run.path.name}: {problem}" for problem in decoded[run.path].problems]
        scored = score(run, decoded[run.path].telegrams, scorer, verbose)
        scores[run.name] = scored.rows
        print(table(run.name, scored.rows))
        print(explained(scored.missed, reasons[run.strict]), end="\n\n")
    return scores, problems


def main(argv: Sequence[str] | None = None, *, decoder: Sequence[str] = DECODER, kept: Path = EXPECTED) -> int:
    """Score a folder, compare with the scores kept, return the exit code."""
    parser = argparse.ArgumentParser(description="Score corpora of known telegrams with `fieldtool decode --jsonl`.")
    parser.add_argument("folder", type=Path, help="folder with *.jsonl corpora and their score.py")
    parser.add_argument("--update", action="store_true", help="write the counts that have risen to expected.toml")
    parser.add_argument("--verbose", action="store_true", help="list every field that was missed")
    asked = parser.parse_args(argv)
    try:
        scorer = load_scorer(asked.folder)
        scores, problems = conformance(asked.folder, scorer, verbose=asked.verbose, decoder=decoder)
    except (ConformanceError, OSError, subprocess.TimeoutExpired) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    expected = read_expected(kept)
    if asked.update and not problems:  # a decoder that prints nothing scores well where silence is right
        expected = raised(expected, scores)
        write_expected(kept, expected)
    if expected.keys().isdisjoint(scores):
        print("expected.toml keeps no scores of these corpora: nothing was compared")
    else:
        problems += drops(expected, scores)
    for problem in problems:
        print(f"conformance: {problem}", file=sys.stderr)
    print(f"conformance: {'FAILED' if problems else 'passed'}, {len(scores)} runs, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
