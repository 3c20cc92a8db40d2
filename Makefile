# Everything a contributor types. `make` lists the targets.

VENV   := .venv
BIN    := $(VENV)/bin
USER_INSTALL := $(VENV)/.installed
DEV_INSTALL  := $(VENV)/.installed-dev
SPEC   := specs/quickstart.fuse
PEERS  := .venv-peers

# The first interpreter that is new enough and can make environments; `make PYTHON=...` overrides it. Each
# candidate is run, not only looked up: version managers leave names on the PATH that do not start.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$p; break; }; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP := $(BIN)/python -m pip install --quiet --no-input -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-slow check bench bench-peers docs editor clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

quickstart: $(USER_INSTALL)  ## plan and run specs/quickstart.fuse: experts trained, merged, evaluated
	$(BIN)/fusec run $(SPEC)

test: $(DEV_INSTALL)  ## run the tests; ARGS="-k merge" goes to pytest
	$(BIN)/python -m pytest -n 2 $(ARGS)

test-slow: $(DEV_INSTALL)  ## run the tests that take minutes: kills, memory, hundreds of certificates
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(DEV_INSTALL)  ## lint, formatting, types, import borders
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV_INSTALL)  ## run every benchmark; each first says what it measures
	@set -e; for f in bench/*.py; do \
		$(BIN)/python -c 'import ast, sys; print("\n" + sys.argv[1] + ": " + ast.get_docstring(ast.parse(open(sys.argv[1]).read())).splitlines()[0])' $$f; \
		$(BIN)/python $$f; \
	done

bench-peers: $(PEERS)/.installed  ## install mergekit into its own environment, for python -m bench.merge

docs: $(DEV_INSTALL)  ## generate the reference and the page of messages
	$(BIN)/python docs/build.py
	$(BIN)/python docs/messages.py

editor:  ## test and package the Visual Studio Code extension; needs npm
	cd editors/vscode && npm ci --no-audit --no-fund && npm test && npm run package

clean:  ## remove caches and build output; environments and stores of results stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(USER_INSTALL): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "fusec needs Python 3.11 or newer with venv and pip (on Debian: apt install" \
		"python3 python3-venv); none found on the PATH. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "installing fusec into $(VENV) with $$($(PYTHON) -V) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) torch
	@$(PIP) -e .
	@touch $@

$(PEERS)/.installed: constraints.txt
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --no-input -c constraints.txt torch
	@$(PEERS)/bin/python -m pip install --quiet --no-input -c constraints.txt mergekit==0.1.5
	@touch $@

$(DEV_INSTALL): $(USER_INSTALL)
	@echo "installing the development tools ..."
	@$(PIP) -e ".[dev]"
	@touch $@
