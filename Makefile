# Needs Python >= 3.11, make and the package registries; Node >= 18 for the tests with JavaScript clients.
# Overrides: PYTHON=python3.13  JOBS=6 (test processes)  ONCE=1 (run: stop after the tour)  UPGRADE=1 (lock: newest)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
unexport PYTHONDONTWRITEBYTECODE # containers set it, and compiling relay anew is a third of each start

PYTHON ?= python3
JOBS ?= 3
ONCE ?=
UPGRADE ?=

bin := .venv/bin
venv_ready := .venv/.ready
js_ready := tests/js/node_modules/.ready
pip := $(bin)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

.PHONY: venv
venv: $(venv_ready) ## build .venv with everything locked, and relay in it from this checkout

$(venv_ready): requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "relay needs Python >= 3.11, and there is no $(PYTHON):" \
	  "install it, or name another with make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "relay needs Python >= 3.11, and" \
	  "$(PYTHON) is $$($(PYTHON) -V 2>&1): name another with make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments with pip:" \
	  "install its venv package (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "building .venv (about a minute the first time)"
	@$(PYTHON) -m venv .venv
	@$(pip) --require-hashes --requirement requirements-dev.lock
	@$(pip) --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: run
run: $(venv_ready) ## start relay with the demo directory and take its tour
	@$(bin)/relay serve --demo --tour $(if $(filter-out 0,$(ONCE)),--once)

.PHONY: test
test: lint clients ## run every check and all tests
	$(bin)/pytest --numprocesses $(JOBS) --dist worksteal

.PHONY: lint
lint: $(venv_ready) ## check format, style, types and the import contracts
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/lint-imports --no-logo

.PHONY: clients
clients: # the JavaScript clients the tests drive; a laptop may lack Node, CI may not
	@if node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null; then \
	  $(MAKE) --no-print-directory $(js_ready); \
	elif [ "$$CI" = true ]; then \
	  echo "the tests with JavaScript clients need Node >= 18 and npm, and CI=true lets nothing be skipped" >&2; exit 1; \
	else \
	  echo "*** SKIPPED: the tests with JavaScript clients need Node >= 18 and npm ***" >&2; \
	fi

$(js_ready): tests/js/package.json tests/js/package-lock.json
	cd tests/js && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: bench
bench: $(venv_ready) ## measure commands, SSE fan-out and webhook deliveries
	$(bin)/python -m bench

.PHONY: faults
faults: $(venv_ready) ## run every fault at full length, and show what became of events (README=1: there, too)
	FAULTS=full $(if $(filter-out 0,$(README)),FAULTS_README=README.md) \
	  $(bin)/pytest tests/faults tests/journal/test_store_faults.py --ignore tests/faults/test_churn.py

.PHONY: churn
churn: $(venv_ready) ## have clients come and go for half an hour, and see that nothing of them is left
	FAULTS=full $(bin)/pytest tests/faults/test_churn.py

.PHONY: lock
lock: ## re-make the lock files from pyproject.toml (UPGRADE=1: with the newest versions)
	PYTHON=$(PYTHON) .ci/lock $(if $(filter-out 0,$(UPGRADE)),--upgrade)

.PHONY: clean
clean: ## remove .venv, the JavaScript clients and every cache; the data in .relay stays
	rm -rf .venv tests/js/node_modules dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
