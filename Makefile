# batchguide: `make report` and `make test` are all you need. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROFILE ?=
REGION ?=
CAPTURE ?=

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(READY) ## make the environment alone (.venv, from the pinned requirements)

$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no python3 found; install Python 3.11 or newer" >&2; exit 64; }
	@command -v "$(PYTHON)" >/dev/null || { echo "make: there is no $(PYTHON); call make PYTHON=/path/to/python3.11" >&2; exit 64; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $(PYTHON) is older than Python 3.11; call make PYTHON=/path/to/python3.11" >&2; exit 64; }
	@echo "[1/2] making $(VENV) with $(PYTHON)"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "[2/2] installing the pinned requirements ($$(grep -c == requirements.txt) packages, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --compile-bytecode -r requirements.txt \
	  || $(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $(READY)

UV_VERSION := 0.13.9

report: $(READY) ## the health report and the disk forecast (PROFILE=… REGION=… for an account, CAPTURE=… for a file)
	@$(BIN)/batchguide report --fail-on never --out reports \
	  $(if $(PROFILE),--profile "$(PROFILE)") $(if $(REGION),--region "$(REGION)") $(if $(CAPTURE),-p capture="$(CAPTURE)")

lab: $(READY) ## JupyterLab, opened on the first page
	@$(BIN)/batchguide lab

lint: $(READY) ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint ## every test
	$(BIN)/python -m pytest -n 2 --dist loadscope

bench: $(READY) ## speed, as ratios measured in one run
	$(BIN)/python tests/bench/bench_engine.py

captures: $(READY) ## make the bundled captures again, from the fake accounts
	$(BIN)/python tests/accounts/make_captures.py

gallery: $(READY) ## draw the README's pictures again
	$(BIN)/python tests/make_gallery.py

lock: $(READY) ## write requirements.txt anew from pyproject.toml (upgrades everything; `make test` judges)
	@$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11.7 --upgrade --no-header --no-annotate --quiet -o $(VENV)/lock.txt
	@{ echo '# The full lock of pyproject.toml (the readable source), made by `make lock`. Do not edit by hand.'; cat $(VENV)/lock.txt; echo '-e .'; } > requirements.txt
	@echo "requirements.txt written; now: make test"

.PHONY: help setup report lab lint test bench captures gallery lock
