# Needs Python 3.11 or newer and make; everything else is installed into .venv, with the versions of constraints.txt.
# Windows without make:  py -m venv .venv  &&  .venv\Scripts\pip install -c constraints.txt -e .[dev]
#                        .venv\Scripts\fieldtool demo     .venv\Scripts\python -m pytest
PYTHON ?= python3
CORPUS ?= ../shared/conformance
PYTEST_WORKERS ?= auto

BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check format profiles conformance fuzz fuzz-import fuzz-lorawan torture bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## run the whole chain on simulated meters; needs no hardware
	$(BIN)/fieldtool demo

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS)

check: $(READY) ## check format, lint, types and layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(READY) ## format the code, and fix what can be fixed safely
	$(BIN)/ruff check --fix --exit-zero
	$(BIN)/ruff format

profiles: $(READY) ## write what is generated from the meter profiles: their index, the list of readings
	$(BIN)/python -m tools.profiles

conformance: $(READY) ## score the corpora in CORPUS=folder against tests/conformance/expected.toml
	$(BIN)/python tests/conformance/run.py "$(CORPUS)"
	$(BIN)/python tests/conformance/run_lora.py "$(CORPUS)"

fuzz: $(READY) ## decode a million mutated frames; takes minutes
	$(BIN)/python -m tests.fuzz.run

fuzz-import: $(READY) ## read a million changed key files of all formats; takes minutes
	$(BIN)/python -m tests.fuzz.run_key_files

fuzz-lorawan: $(READY) ## decode a million mutated LoRaWAN frames; takes minutes
	$(BIN)/python -m tests.protocols.lorawan.lorawan_fuzz

torture: $(READY) ## kill a thousand processes while they write a keystore, and cut the power as often; takes minutes
	$(BIN)/python -m tools.torture_keystore

bench: $(READY) ## measure telegrams a second and peak memory
	$(BIN)/python -m benchmarks

clean: ## remove .venv and everything that was built
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "$(PYTHON) is missing or older than Python 3.11: install a newer one, or name it, as in: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e ".[dev]"
	@touch $@
