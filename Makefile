# One word for each thing that is done here; `make` alone lists them.
# Needs GNU make and Python 3.11, 3.12 or 3.13; everything else goes into $(VENV).

VENV ?= .venv
PYTHON ?=
PYTHONS ?= python3.11 python3.12 python3.13
ARGS ?=
RUNS ?= 20
BIN := $(VENV)/bin
NEWEST ?= 13
SUITABLE := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, $(NEWEST)))
COVERAGE := $(BIN)/coverage
# The SDK of the oldest version leaves maps and nothing out of attributes, and so out of what goes by gRPC.
OLDEST := --deselect tests/pipeline/test_grpc.py::test_all_fields_arrive tests/others tests/correlation tests/decision tests/testing/test_capture.py \
    $(addprefix tests/pipeline/,test_sdk.py test_grpc.py) \
    $(patsubst %,tests/setup/test_setup_%.py,accounts basics provider foreign distro logs grpc)
STACK = $(if $(DEMO),ARES_DEMO=$(DEMO)) $(if $(LOGS),COMPOSE_PROFILES=logs) $(BIN)/python deploy/stack.py

# The tests start hundreds of programs. Where nothing keeps what was compiled, each compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo up down status logs test check check-static check-oldest check-drift coverage e2e test-stack test-faults test-compose bench bench-drift bench-store bench-push bench-prune bench-drifted bench-stack soak soak-hour servers docs fmt constraints clean

help: ## list these words
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/demo.stamp ## watch models decide on real market data (ARGS="--decisions 200" ends it after 200)
	@exec $(BIN)/ares-otel demo $(ARGS)

up: $(VENV)/demo.stamp ## start the whole stack in Docker, with a demo bot (DEMO=0: without; BOT=host:port: scrape your own; LOGS=1: Loki)
	@$(STACK) up $(if $(BOT),--bot '$(BOT)')

down: $(VENV)/demo.stamp ## end the stack (ARGS=--volumes also removes all that it kept)
	@$(STACK) down $(ARGS)

status: $(VENV)/demo.stamp ## what of the stack runs, how healthy it is, and where it is
	@$(STACK) status $(ARGS)

logs: $(VENV)/demo.stamp ## what the stack's servers say (ARGS=tempo: one of them)
	@$(STACK) logs $(ARGS)

test: $(VENV)/dev.stamp ## run the tests (ARGS="tests/orders -k fill" runs some of them); `make e2e` has the rest
	@$(COVERAGE) erase
	$(COVERAGE) run -m pytest --ignore=tests/e2e $(ARGS)

check: check-static test coverage check-oldest ## all that must hold before a commit: static checks, tests, coverage, oldest versions

check-static: $(VENV)/dev.stamp ## ruff, mypy, generated files up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/setup/conftest.py deploy/servers.py deploy/constraints.py deploy/oldest.py deploy/stack.py deploy/preparing.py
	$(BIN)/mypy tests/e2e/stack/conftest.py
	$(BIN)/ares-otel generate --check

check-oldest: $(VENV)-oldest/oldest.stamp ## what touches OpenTelemetry, with the oldest versions that a bot may have (and with Logfire)
	$(VENV)-oldest/bin/python -m pytest -p no:cacheprovider $(OLDEST) $(ARGS)

check-drift: $(VENV)-drift/drift.stamp ## the second opinion with the real alibi-detect and River (Python 3.11 or 3.12; 1 GB in the user's cache)
	$(VENV)-drift/bin/python -m pytest -p no:cacheprovider tests/e2e/drift $(ARGS)

coverage: $(VENV)/dev.stamp ## branch coverage of the tests that ran since the last `make test`; fails below the limit
	@$(COVERAGE) combine --quiet --keep
	@$(COVERAGE) report

e2e: $(VENV)/dev.stamp servers ## end-to-end tests with the real servers (needs Go)
	$(COVERAGE) run -m pytest tests/e2e --ignore=tests/e2e/stack --ignore=tests/e2e/faults --ignore=tests/e2e/compose --ignore=tests/e2e/drift $(ARGS)

test-stack: $(VENV)/dev.stamp servers ## the stack's files with the real servers (needs Go; Tempo and Loki by TEMPO_BIN, LOKI_BIN or Docker)
	$(COVERAGE) run -m pytest tests/e2e/stack -rfEs $(ARGS)

test-faults: $(VENV)/dev.stamp servers ## outages of full length under load, one and a half hours (ARES_FAULTS_MINUTES=6: shorter; needs Tempo and root)
	$(BIN)/python -m pytest tests/e2e/faults -s $(ARGS)

test-compose: $(VENV)/dev.stamp $(VENV)/compose.stamp servers ## `make up` in a Docker of its own with images made here (needs root; see CONTRIBUTING)
	PATH="$(abspath $(BIN)):$$PATH" $(COVERAGE) run -m pytest tests/e2e/compose -rs $(ARGS)

bench: $(VENV)-bench/bench.stamp ## what a decision costs, beside what people use instead (ARGS=--quick takes 5 minutes instead of 17)
	$(VENV)-bench/bin/python tests/benchmarks/run.py $(ARGS)

bench-drift: $(VENV)-drift/drift.stamp ## every figure about drift, beside other detectors (ARGS=--quick is short; ARGS=nulls: one section)
	$(VENV)-drift/bin/python tests/benchmarks/drift/run_drift.py $(ARGS)

bench-store: $(VENV)/dev.stamp ## the server's store with 1 million decisions, under load (ARGS="--decisions 20000 --seconds 5" is quick; --postgres, --tempo: beside these)
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/store_load.py $(ARGS)

bench-push: $(VENV)/dev.stamp ## what 200 clients of the live stream cost the server's ingestion
	$(BIN)/python tests/benchmarks/push.py $(ARGS)

bench-prune: $(VENV)/dev.stamp ## what retention costs the server's ingestion while it runs
	$(BIN)/python tests/benchmarks/prune.py $(ARGS)

bench-drifted: $(VENV)/dev.stamp ## what drift adds to the page of a decision, and what its own pages take, by models watched (ARGS=--postgres: there, too)
	PYTHONPATH=tests:tests/server $(BIN)/python tests/benchmarks/drifted.py $(ARGS)

bench-stack: $(VENV)/dev.stamp servers ## memory, processor, disk and series of the stack at 200 spans a second (ARGS="--minutes 2" is quick)
	PYTHONPATH=tests:tests/e2e/stack:tests/server $(BIN)/python tests/benchmarks/stack_load.py $(ARGS)

soak: $(VENV)/dev.stamp ## the tests of faults twenty times (RUNS=3: as often; docs/faults.md)
	@for run in $$(seq $(RUNS)); do \
	    echo "soak: $$run of $(RUNS)"; \
	    $(BIN)/python -m pytest tests/setup/test_setup_fault_*.py tests/setup/test_setup_ending.py $(ARGS) || exit 1; \
	done

soak-hour: $(VENV)/dev.stamp ## a bot at 500 decisions a second for an hour: memory, threads, files, where every span went (ARGS="--minutes 5" is short)
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/soak.py $(ARGS)

servers: | $(BIN)/python ## build the real collector, Prometheus and Alertmanager into the user's cache (needs Go)
	@$(BIN)/python deploy/servers.py

docs: $(VENV)/dev.stamp ## write the generated pages and tables again
	$(BIN)/ares-otel generate

fmt: $(VENV)/dev.stamp ## format, and repair what can be repaired without thought
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

constraints: | $(BIN)/python ## resolve all dependencies anew, on every supported Python
	@$(BIN)/python deploy/constraints.py $(PYTHONS)

clean: ## remove the environment and all that tools left behind (not built servers, nor the stack's data, settings and secrets)
	rm -rf .venv .venv-bench .venv-drift .venv-oldest build dist htmlcov demo-data .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, a stamp for each set of extras in it. A stamp is written last: what was interrupted is done again.
$(VENV)/compose.stamp $(VENV)/demo.stamp $(VENV)/dev.stamp: $(VENV)/%.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing ares-otel[$*] into $(VENV); the first time takes a minute or two …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@

# The libraries that `make bench` compares with stay out of the environment of everything else.
$(VENV)-bench/bench.stamp: pyproject.toml constraints.txt tests/benchmarks/requirements.txt
	@$(MAKE) --no-print-directory VENV=$(VENV)-bench $(VENV)-bench/bin/python
	@echo "Installing what ares-otel is compared with into $(VENV)-bench; the first time takes a minute …"
	@$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    -r tests/benchmarks/requirements.txt -e .
	@touch $@

# Data sets and detectors, for `make bench-drift` too. alibi-detect has no release for a Python after 3.12.
$(VENV)-drift/drift.stamp: pyproject.toml tests/benchmarks/drift/requirements.txt deploy/environments.py
	@rm -rf $(VENV)-drift
	@$(MAKE) --no-print-directory VENV=$(VENV)-drift NEWEST=12 PYTHON='$(PYTHON) python3.12 python3.11 python3 python' $(VENV)-drift/bin/python
	@echo "Filling $(VENV)-drift; the first time takes some minutes and 1 GB …"
	@$(VENV)-drift/bin/python deploy/environments.py drift --extra ml --extra drift \
	    -r tests/benchmarks/drift/requirements.txt --import alibi_detect.cd --import alibi_detect.od --import river.drift --import pytest
	@touch $@

# What a bot may have at least: the lower ends of the ranges in pyproject.toml. Logfire caps OpenTelemetry, so it is here.
$(VENV)-oldest/oldest.stamp: pyproject.toml constraints.txt deploy/oldest.py deploy/environments.py tests/others/requirements.txt
	@rm -rf $(VENV)-oldest
	@$(MAKE) --no-print-directory VENV=$(VENV)-oldest $(VENV)-oldest/bin/python
	@echo "Filling $(VENV)-oldest; the first time takes a minute …"
	@$(VENV)-oldest/bin/python deploy/oldest.py $(VENV)-oldest/constraints.txt
	@$(VENV)-oldest/bin/python deploy/environments.py oldest --extra grpc --extra instrument \
	    -c $(VENV)-oldest/constraints.txt -r tests/others/requirements.txt \
	    --import logfire --import hypothesis --import pytest --import requests --import grpc
	@touch $@

# A name on the PATH proves nothing (shims, Python without venv), so each candidate has to run.
$(BIN)/python:
	@for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
	    if "$$python" -c '$(SUITABLE)' 2>/dev/null; then \
	        echo "Making $(VENV) by $$("$$python" -V)"; \
	        exec "$$python" -m venv --clear '$(VENV)'; \
	    fi; \
	done; \
	echo "No Python from 3.11 to 3.$(NEWEST) with venv was found (tried: $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python))." >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python3.13 …" >&2; \
	exit 1
