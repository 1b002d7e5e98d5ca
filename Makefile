# Everything a checkout needs, with Python 3.11+ and make alone. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8000
POLICY ?= policies/wecustomers.toml
TESTS ?= tests
SEEDS ?= 11-70
VENV := .venv
BIN := $(VENV)/bin
# The lock files are made with uv and installed by it (or by pip, where uv can't work).
COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

.PHONY: help setup run test test-slow lint types check lock bench format

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Kept needs Python 3.11 or newer; try: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV)

# A stamp per lock file: a second start installs nothing. Removing .venv starts anew.
$(VENV)/.runtime: requirements.lock requirements-uv.lock | $(BIN)/python
	@.ci/install requirements.lock && touch $@

$(VENV)/.dev: requirements-dev.lock requirements-uv.lock | $(BIN)/python
	@.ci/install requirements-dev.lock && touch $@ $(VENV)/.runtime

setup: $(VENV)/.runtime ## Make the environment (.venv) and nothing else

run: $(VENV)/.runtime ## Run the whole site: make run [PORT=8000] [POLICY=policies/wecustomers.toml]
	@exec $(BIN)/python -m config.run --port $(PORT) --policy $(POLICY)

test: $(VENV)/.dev ## Run all tests, browser included: make test [TESTS=tests/policy]
	@exec $(BIN)/python -m tests.run $(TESTS)

test-slow: $(VENV)/.dev ## Kill processes by sixty more schedules than `make test` does: an hour
	@KEPT_FAULT_SEEDS=$(SEEDS) exec $(BIN)/python -m tests.run tests/faults/test_schedules.py

lint: $(VENV)/.dev ## Style of code and templates, and the floors between the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/djlint --check --lint templates
	@$(BIN)/lint-imports

types: $(VENV)/.dev ## Types, strictly
	@KEPT_ENV=test $(BIN)/mypy

check: lint types ## Lint, types, migrations in step, the API's schema, Django's deployment check
	@KEPT_ENV=test $(BIN)/python manage.py makemigrations --check --dry-run
	@KEPT_ENV=test $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	@.ci/check-deploy

format: $(VENV)/.dev ## Bring code and templates into shape
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format . ; $(BIN)/djlint --reformat --quiet templates

lock: $(VENV)/.dev ## Renew the lock files: names, versions and hashes, no address
	@$(COMPILE) --upgrade pyproject.toml --output-file requirements.lock
	@$(COMPILE) --upgrade --extra dev --constraints requirements.lock pyproject.toml --output-file requirements-dev.lock
	@echo uv | $(COMPILE) --upgrade - --output-file requirements-uv.lock

bench: $(VENV)/.dev ## Figures beside their limits: make bench [BENCH=sweep] [ROWS=20000]
	@BENCH="$(BENCH)" ROWS="$(ROWS)" $(BIN)/python -m benchmarks --write
