# Everything a contributor types. Needs Python 3.11 or newer, git and make; the rest comes from the lock file.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FAST_TESTS := tests/unit tests/architecture tests/contract

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check prove containers screenshots bench demo proto lock fmt clean

help: ## say what can be done here
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## run the whole system, data in ./data, Ctrl-C stops it
	@exec $(BIN)/python -m supervisor

demo: $(VENV)/.installed ## play a conversation against the running system
	@$(BIN)/python -m cli.demo

test: $(VENV)/.installed ## run all tests but the long proofs
	$(BIN)/python -m pytest -m "not prove and not containers" --numprocesses auto --dist loadfile --no-loadscope-reorder

prove: $(VENV)/.installed ## run the long proofs: races, crash loops, resuming watchers
	$(BIN)/python -m pytest -m "prove and not timed and not by_hand" --numprocesses 2 --dist loadgroup
	$(BIN)/python -m pytest -m "prove and timed and not by_hand"

containers: $(VENV)/.installed ## let every container of a running compose file fail in turn
	$(BIN)/python -m pytest tests/containers -m containers --capture=no

screenshots: $(VENV)/.installed ## take pictures of every screen of the page, into build/screenshots
	@$(BIN)/python -m tools.screenshots

bench: $(VENV)/.installed ## measure sends against an empty call; on=postgresql
	$(BIN)/python -m bench $(if $(on),--$(on))

check: $(VENV)/.installed ## format, lint, types, layers, contract, fast tests
	$(BIN)/ruff format --check --diff
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/buf lint
	$(BIN)/buf format protos --diff --exit-code
	$(BIN)/python -m tools.breaking
	$(BIN)/python -m pytest -m "not slow and not prove" $(FAST_TESTS)

fmt: $(VENV)/.installed ## format code and protos, mend what can be mended
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format
	$(BIN)/buf format protos --write

proto: $(VENV)/.installed ## generate stubs/ from protos/
	$(BIN)/python -m tools.proto

# The full lock is made first and the runtime one under its constraint, so that both hold the same versions.
# `make lock UPGRADE=--upgrade` takes what is newest, without it only what pyproject.toml asks for changes.
UPGRADE ?=
LOCK_OF := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)
LOCK := $(LOCK_OF) pyproject.toml
lock: $(VENV)/bin/uv ## lock the dependencies of pyproject.toml, with hashes
	$(LOCK) --group dev --output-file requirements-dev.lock
	$(LOCK) --constraints requirements-dev.lock --output-file requirements.lock
	$(LOCK_OF) --group pyproject.toml:edge --constraints requirements-dev.lock --output-file requirements-edge.lock

clean: ## remove the environment, caches and build output; data stays
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# ---- the environment ------------------------------------------------------------------------------------------------

PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Paperplane needs Python 3.11 or newer and '$(PYTHON)' is not; name another: make PYTHON=python3.12 ..." >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "'$(PYTHON)' lacks the venv module; install it (on Debian and Ubuntu: python3-venv)." >&2; \
		exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

# Stamps, so that a changed lock installs what changed and nothing else runs pip. The lock is complete (--no-deps), and
# Python compiles what is imported when it is (--no-compile): together a third of the time.
$(VENV)/.locked: requirements-dev.lock | $(BIN)/python
	$(PIP) install --no-deps --no-compile --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# Not in the lock: it makes the lock and nothing else.
$(BIN)/uv: | $(BIN)/python
	$(PIP) install uv
