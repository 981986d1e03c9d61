"""Scores the LoRaWAN corpus of a folder through `fieldtool decode --jsonl`, with the folder's own `score_lora.py`.

    run_lora.py FOLDER [--update]

Checks that hold are compared with `expected_lora.toml` beside this file; `--update` only raises its numbers.
Exit: 0 nothing has dropped, or the folder has no such corpus; 1 a count dropped or the lines do not match the input.
"""

from __future__ import annotations

import argparse
import json
import runpy
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).with_name("expected_lora.toml")
DECODER = (sys.executable, "-m", "fieldtool", "decode", "--jsonl")
TIMEOUT_S = 600

HEAD = (
    "# Checks of the LoRaWAN corpus that hold at least, by kind. Written by run_lora.py --update, which only raises.\n"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Score, compare, and say what dropped."""
    parser = argparse.ArgumentParser(prog="run_lora.py", description="score the LoRaWAN corpus of a folder")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--update", action="store_true", help="write numbers that have risen")
    arguments = parser.parse_args(argv)
    corpus, scorer = arguments.folder / "lora.dev.jsonl", arguments.folder / "score_lora.py"
    if not corpus.is_file() or not scorer.is_file():
        print(f"no LoRaWAN corpus in {arguments.folder}: not scored")
        return 0
    reached, asked = _score(corpus, scorer)
    expected: dict[str, int] = tomllib.loads(EXPECTED.read_text(encoding="utf-8"))
    dropped = {kind: least for kind, least in expected.items() if reached[kind] < least}
    for kind in sorted(asked):
        print(f"lora.dev.jsonl {kind:10} {reached[kind]:5}/{asked[kind]} checks, at least {expected.get(kind, 0)}")
    if arguments.update and not dropped:
        lines = [f"{kind} = {max(reached[kind], expected.get(kind, 0))}" for kind in sorted(asked)]
        EXPECTED.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    for kind, least in dropped.items():
        print(f"dropped: {kind} holds {reached[kind]} checks, {least} before", file=sys.stderr)
    return 1 if dropped else 0


def _score(corpus: Path, scorer: Path) -> tuple[Counter[str], Counter[str]]:
    """Checks that hold and checks that are asked, by kind of case."""
    module: dict[str, Any] = runpy.run_path(str(scorer))
    cases = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]
    inputs = subprocess.run(
        [sys.executable, str(scorer), "--inputs", str(corpus)], capture_output=True, text=True, check=True
    ).stdout
    done = subprocess.run(
        DECODER, input=inputs, capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT_S, check=False
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(inputs.splitlines()):
        raise SystemExit(f"{len(inputs.splitlines())} lines in, {len(answers)} lines out")
    by_id = {answer["id"]: answer for answer in answers}
    reached: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for case in cases:
        if case["id"] in by_id:
            results = module["check"](case, by_id[case["id"]])
            asked[case["kind"]] += len(results)
            reached[case["kind"]] += sum(bool(good) for _, good in results)
    return reached, asked


if __name__ == "__main__":
    sys.exit(main())
