# Everything a person or a build server runs. Each target makes .venv itself when it is missing
# or when requirements.lock or pyproject.toml have changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Prefect, MLflow, Great Expectations and Evidently report usage unless told not to.
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# Servers, runs and tests start again and again: what is compiled once stays compiled.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
INSTALLED := .venv/.installed
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for each in python3 python3.12 python3.11; do \
	"$$each" -c '$(FITS)' 2>/dev/null && echo "$$each" && break; done)

.PHONY: help demo power promises judges looks serving docs-messages test test-unit test-long test-browser test-slow lint format types imports policies check lock clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

demo: $(INSTALLED) ## release a better model and stop a broken one, on real flights
	$(BIN)/seatrial demo

power: $(INSTALLED) ## print how often the demo's policy decides rightly
	$(BIN)/python -m deployments.demo.power

judges: $(INSTALLED) ## judge recorded releases by our rule and by those of other systems
	$(BIN)/python -m tests.benchmarks.judges

looks: $(INSTALLED) ## measure what a look costs as a release grows
	$(BIN)/python -m tests.benchmarks.looks

serving: $(INSTALLED) ## measure what serving costs, beside a bare app and mlflow models serve
	$(BIN)/python -m tests.benchmarks.serving

promises: $(INSTALLED) ## simulate and print the error rates of docs/statistics.md
	$(BIN)/python -m tests.statistical.promises
	$(BIN)/python -m tests.statistical.flights

docs-messages: $(INSTALLED) ## write the reference page of all Slack messages
	$(BIN)/python -m deployments.messages

# Stories mostly wait, the voyage for its own stack: they run beside the others.
STORIES := tests/faults/test_voyage.py tests/flows

test: test-unit ## every test that needs no browser, the fast ones first
	@echo "$(STORIES) run beside the others; their report follows"
	@report=$$(mktemp); \
	$(BIN)/python -m pytest $(STORIES) -m "not slow and not long" --durations=10 >"$$report" 2>&1 & stories=$$!; \
	status=0; \
	$(BIN)/python -m pytest tests --ignore=tests/unit --ignore=tests/browser \
		$(addprefix --ignore=,$(STORIES)) -m "not slow and not long" --durations=10 || status=$$?; \
	wait $$stories || status=$$?; \
	cat "$$report"; rm -f "$$report"; exit $$status

test-unit: $(INSTALLED) ## the pure tests: seconds
	$(BIN)/python -m pytest tests/unit -m "not slow"

test-long: $(INSTALLED) ## the tutorial as it is typed, the rehearsal, a model of another kind
	$(BIN)/python -m pytest tests --ignore=tests/unit --ignore=tests/browser -m long --durations=5

test-browser: $(INSTALLED) ## the pages people use, in Chromium (with its chromedriver on PATH)
	$(BIN)/python -m pytest tests/browser --durations=10

test-slow: $(INSTALLED) ## simulations of the error rates, laws on many examples: minutes
	$(BIN)/python -m pytest tests --ignore=tests/browser -m slow
	$(BIN)/python -m pytest tests/unit --hypothesis-profile=thorough

lint: $(INSTALLED) ## ruff: faults and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED) ## ruff: mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED) ## mypy --strict
	$(BIN)/mypy

imports: $(INSTALLED) ## who may import whom
	$(BIN)/lint-imports

policies: $(INSTALLED) ## every policy of the catalogue
	$(BIN)/seatrial policy check

check: lint types imports policies test test-long test-browser ## everything a build server runs

lock: $(INSTALLED) ## compile requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --group dev pyproject.toml \
		--generate-hashes -o requirements.lock

clean: ## remove .venv and caches; a running stack is stopped by `seatrial down`
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv comes first, checked against its hashes in the lock; it installs the rest the same way.
# Compiled once here, else the first start of every server and run would do it (or every start,
# where Python may not write bytecode).
$(INSTALLED): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "Seatrial needs Python 3.11 or 3.12, and found neither as python3."; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..."; exit 1; fi
	@$(PYTHON) -c '$(FITS)' || { echo "$(PYTHON) is not Python 3.11 or 3.12."; exit 1; }
	$(PYTHON) -m venv .venv
	@awk '/^uv==/ {own = 1; print; next} /^[^ ]/ {own = 0} own && !/^ *#/' requirements.lock \
		> .venv/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m compileall -q policies tasks flows deployments
	@touch $@
