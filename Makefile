# Isthmus: `make run` and `make test` each set everything up by themselves.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
FORGE = "$$($(PY) -c 'from chains.tools import foundry; print(foundry("forge"))')"
SOL := $(shell find contracts/src contracts/test contracts/tools -type f 2>/dev/null)
STAMP := var/setup

.PHONY: help setup run test lint types contracts-test pytest bench torture fuzz clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)/twin $(STAMP)/kernels ## Install everything into .venv and node_modules, compile, build the twin

run: setup ## Run the bot on the local twin, with its dashboard (ARGS="--for 60s --json")
	@exec $(VENV)/bin/isthmus run $(ARGS)

test: lint types pytest ## Run every test (forge runs inside pytest)

lint: setup
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: setup
	@$(VENV)/bin/mypy

contracts-test: setup
	@$(FORGE) test

pytest: setup
	@$(VENV)/bin/pytest $(ARGS)

bench: setup ## Run the benchmarks, each beside its peer, and write docs/benchmarks.md (ARGS="--only detect")
	@$(PY) -m benchmarks $(ARGS)

torture: setup ## Run what is too long for the tests, and write docs/torture.md (ARGS=--short)
	@$(PY) -m tests.torture $(ARGS)

fuzz: setup ## Fuzz every decoder of what others wrote (ARGS="--seconds 600")
	@$(PY) -m tests.fuzz $(ARGS)

clean: ## Remove what was built (not the ledgers in var/runs)
	rm -rf $(VENV) node_modules $(STAMP) var/twin contracts/out contracts/cache

# --- the steps of the set-up; each runs again only when what it is made from has changed ---

$(STAMP)/tools: scripts/check_tools.sh
	@mkdir -p $(STAMP)
	@bash scripts/check_tools.sh $(STAMP)/python
	@touch $@

$(STAMP)/python-packages: requirements.lock pyproject.toml $(STAMP)/tools
	@echo "setup 1/4  Python packages into $(VENV) (one to three minutes the first time)"
	@test -x $(PY) || $$(cat $(STAMP)/python) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(STAMP)/kernels: $(wildcard chains/kernels/*.py chains/codec/*.py bot/market/packed/*.py bot/market/integers/*.py bot/market/dual/*.py) $(STAMP)/python-packages
	@$(VENV)/bin/isthmus warmup
	@touch $@

$(STAMP)/node-packages: package-lock.json package.json $(STAMP)/tools
	@echo "setup 2/4  Foundry, solc and the protocols' bytecode into node_modules"
	@npm ci --silent --no-progress --ignore-scripts 2>&1 | { grep -v '^npm warn' || true; }
	@touch $@

$(STAMP)/contracts: $(SOL) foundry.toml $(STAMP)/python-packages $(STAMP)/node-packages
	@echo "setup 3/4  contracts"
	@$(FORGE) build --quiet
	@touch $@

$(STAMP)/twin: $(wildcard chains/twin/*.py chains/twin/data/*) $(STAMP)/contracts
	@echo "setup 4/4  the twin of mainnet (about a minute the first time)"
	@$(VENV)/bin/isthmus twin --build-only
	@touch $@
