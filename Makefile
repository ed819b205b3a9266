# Everything starts from a bare python3 (3.11 or newer); `make help` lists the targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Other workers by `make test WORKERS=4`; tests, options by `make test ARGS="tests/api -x"`.
WORKERS ?= 2
ARGS ?=

# uv takes its index from its own variables only; where pip was given one, it is meant for both.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
export UV_NO_PROGRESS := 1

# $(call packages,WHAT): install WHAT with uv and, where uv cannot (no wheel of it, no index), with pip. Compiled
# here, since an environment that forbids Python to do so would pay two seconds at every start.
UV_INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-deps
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
packages = { test -x $(BIN)/uv && $(UV_INSTALL) $(1); } || $(PIP_INSTALL) $(1)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.installed ## build .venv: the pinned dependencies, and this project as `gateway`
	@:

.PHONY: dev
dev: $(VENV)/.installed-dev
	@:

.PHONY: demo
demo: install ## gateway, worker, sandbox and a shop to click through, on this machine
	@exec $(BIN)/gateway demo $(ARGS)

.PHONY: serve
serve: install ## the gateway, with the settings of the environment or .env
	@exec $(BIN)/gateway serve $(ARGS)

.PHONY: test
test: dev ## the whole test suite
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

.PHONY: lint
lint: dev ## ruff, mypy --strict, and the floors of the architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: bench
bench: dev ## a million orders in a PostgreSQL: how long finance's questions take; ARGS="--orders 20000"
	@$(BIN)/python -m bench.finance $(ARGS)

.PHONY: soak
soak: dev ## minutes of random faults, then the books; ARGS="--seconds 600 --seed 1"
	@$(BIN)/python -m bench.soak $(ARGS)

.PHONY: mutations
mutations: dev ## plant bugs in the adapters: the conformance kit must find every one
	@$(BIN)/python -m bench.mutations $(ARGS)

.PHONY: lock
lock: $(VENV)/.uv ## renew requirements/ from pyproject.toml; UPGRADE=1 takes the newest versions
	$(BIN)/uv --quiet pip compile $(COMPILE) -o requirements/runtime.txt pyproject.toml
	$(BIN)/uv --quiet pip compile $(COMPILE) -o requirements/dev.txt -c requirements/runtime.txt \
		--group dev pyproject.toml
	echo uv | $(BIN)/uv --quiet pip compile $(COMPILE) -o requirements/bootstrap.txt -

COMPILE = --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## remove .venv and everything else that git ignores, settings and data excepted
	rm -rf $(VENV) build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps below are newer than what they were made from, so a second run costs nothing.

$(VENV)/.uv: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not: try make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		echo "Building $(VENV) (once) ..." >&2; $(PYTHON) -m venv $(VENV); }
	@$(PIP_INSTALL) --require-hashes -r requirements/bootstrap.txt || echo "uv could not be had; pip will do, slower" >&2
	@touch $@

$(VENV)/.installed: $(VENV)/.uv requirements/runtime.txt pyproject.toml
	@echo "Installing the pinned dependencies ..." >&2
	@$(call packages,--require-hashes -r requirements/runtime.txt)
	@$(call packages,--no-index --no-build-isolation --editable .)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	@$(call packages,--require-hashes -r requirements/dev.txt)
	@touch $@
