# The only commands a newcomer needs. Each one does its own set-up.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
ENV ?= local
PYTHON ?= python3
UV_VERSION := 0.13.8
UV := $(or $(shell command -v uv 2>/dev/null),.cache/uv/bin/uv)
RUN := $(UV) run --quiet --no-sync
# Simulated platforms side by side: each takes up to 3 GiB, so a laptop with 8 GiB plays one at a time.
PYTEST_WORKERS ?= $(shell awk '/^MemTotal/ {print ($$2 > 12000000) ? 2 : 1}' /proc/meminfo)
SIDE_BY_SIDE = $(if $(filter-out 1,$(PYTEST_WORKERS)),-n $(PYTEST_WORKERS) --dist loadfile)
# Sites behind an inspecting proxy have their own CA in the system store; older uv knows the second name.
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1

.PHONY: help up down status plan test test-fast check toolchain images docs bench sync

help: ## Show these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: sync ## Plan, then build the platform of ENV (default: local, simulated) and follow it until it is ready
	@$(RUN) slipway plan $(ENV)
	@$(RUN) slipway toolchain build
	@$(RUN) slipway up $(ENV) --yes

down: sync ## Destroy the platform of ENV=local and prove that nothing is left
	@$(RUN) slipway destroy local --yes
	@$(RUN) slipway local down

status: sync ## Show clusters, GPUs, storage and runs of ENV
	@$(RUN) slipway status $(ENV)

plan: sync ## Show what ENV would be: resources, GPUs, addresses (Python only, no toolchain)
	@$(RUN) slipway plan $(ENV)

test: sync ## Run every tier of tests that this machine can run now
	@$(RUN) pytest -n 2 --dist loadfile tests/unit tests/contract tests/snapshot
	@$(RUN) python -m tests.workloads
	@$(RUN) pytest $(SIDE_BY_SIDE) tests/simulation

test-fast: sync ## Run the tier that needs Python only
	@$(RUN) pytest -n 2 --dist loadfile tests/unit tests/contract tests/snapshot

check: sync ## Format, lint, types, import rules, docs: what CI runs
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) python -m tests.workloads types
	@$(RUN) lint-imports
	@$(RUN) python -m docs.build --check
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --quiet --strict --site-dir .cache/site

toolchain: sync ## Find or build the engine and the control plane (cached outside the repository)
	@$(RUN) slipway toolchain build

images: sync ## Build the images of what runs on a platform (BASE=image@sha256:…, CA=authorities.pem, PREFIX=registry)
	@$(RUN) python -m workloads.images.build trainer $(if $(BASE),--base $(BASE)) $(if $(CA),--ca $(CA)) $(if $(PREFIX),--prefix $(PREFIX))

docs: sync ## Regenerate the reference and build the documentation into site/
	@$(RUN) python -m docs.build
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --quiet --strict

bench: sync ## Run the benchmarks; they print figures with machine and ratio and assert none
	@$(RUN) pytest tests/benchmarks -s -m benchmark

sync: $(UV)
	@$(UV) sync --quiet --locked

.cache/uv/bin/uv:
	@echo "uv not found: installing $(UV_VERSION) into .cache/uv"
	@$(PYTHON) -c 'import sys; sys.exit("Slipway needs Python 3.11 or newer, found %d.%d: set PYTHON=/path/to/python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .cache/uv
	@.cache/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
