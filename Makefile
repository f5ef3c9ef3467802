# One command for each wish. `make` alone lists them.

PYTHON := $(shell for name in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$name; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
ARGS ?=
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help setup lock check format test test-all demo bench clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## virtual environment with the locked dependencies and the package itself

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Matins needs Python 3.11 or later, and none was found on PATH." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: python3-venv)." >&2; exit 1; }
	@PYTHON=$(BIN)/python tools/install.sh
	@touch $@

lock: $(READY) ## resolve the dependencies anew into requirements/
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--all-extras --group dev --output-file requirements/dev.txt pyproject.toml

check: $(READY) ## lint, format, types, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(READY) ## the ordinary loop: everything that is not slow
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(READY) ## every test; those that judge punctuality under faults alone, so that nothing else makes them late
	$(PYTEST) -m "not faults" $(ARGS)
	$(BIN)/python -m pytest -m faults $(ARGS)

demo: $(READY) ## the example news desk, running within seconds
	$(BIN)/python examples/demo.py

bench: $(READY) ## measure against peers and print the table
	$(BIN)/python -m bench.run $(ARGS)

clean: ## remove what was made: environments, caches, the demo's database
	rm -rf $(VENV) bench/.venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
