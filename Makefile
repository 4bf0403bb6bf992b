PYTHON ?= python3
BIN := .venv/bin
MLSERVER := build/mlserver

.DEFAULT_GOAL := help
.PHONY: help setup drill test up lint audit fmt bench clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(BIN)/.installed  ## Install the project into .venv, fetch Prometheus, train the models
	@$(BIN)/driftdrill doctor --fix --quiet

drill: setup  ## Run the first drill: a feature drifts, the right alerts must fire
	$(BIN)/driftdrill run covariate-sudden --live

test: setup $(BIN)/.installed-dev $(MLSERVER)/.installed  ## Run every check and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -m "not live and not long" --numprocesses auto --dist worksteal
	$(BIN)/pytest -m live --numprocesses 2 --dist loadfile --no-loadscope-reorder

up: setup  ## Start everything and choose a drill in Locust's web page
	$(BIN)/driftdrill up

lint: $(BIN)/.installed-dev  ## Check style, types and import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

audit:  ## Look the pinned dependencies up in PyPI's advisories
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet pip-audit
	build/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

fmt: $(BIN)/.installed-dev  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## Print the benchmarks' figures
	$(BIN)/python benchmarks/instrumentation.py
	$(BIN)/python benchmarks/replay.py

clean:  ## Remove everything that was installed, built or recorded here
	rm -rf .venv build runs *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	$(PYTHON) -m driftdrill.rig.venv .venv

$(BIN)/.installed: $(BIN)/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

# Pins of its own that do not go with ours, all of them written down: nothing is left to resolve.
$(MLSERVER)/.installed: tests/peers/mlserver_requirements.txt
	$(PYTHON) -m driftdrill.rig.venv $(MLSERVER)
	$(MLSERVER)/bin/pip install --quiet --no-deps --no-compile --requirement $<
	@touch $@

$(BIN)/.installed-dev: $(BIN)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
