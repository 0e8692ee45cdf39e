# make lab    the main job: the lab, live on this machine
# make test   all tests, on every CPython from 3.11 up that is found
# make sanitize  the tests of what is compiled, under the sanitizers of gcc
# make coverage  which lines of the lower floors their own tests leave out; make test says so too
# make fuzz   look for bytes that break a promise: SECONDS=60 for each target
# make mutants  change the framing floor in some 5500 ways, and see which its tests do not notice: hours
# make fire   the tests of faults on real sockets, with FIRE=20 times as many of what is random
# make catalogue  write the catalogue of docs/framings.md anew, from the docstrings
# make proofs  write the table of what was proven against which program, into docs/framings.md
# make load   5 000 connections at once on one server
# make soak   connections come and go, and nothing may grow: SECONDS=60, or as many as you have
# make simulate  thousands of connections in virtual time; SEED=17 shows one of them again
# make check  format, lint, types, and the snippets of the docs
# make bench  how fast it is beside its peers: 15 minutes, writes benchmarks/RESULTS.md and results.svg
# make bench-quick  only what it sets out to reach: two minutes, prints the tables
#
# Each sets up what it needs, in .venv and .envs inside the checkout. PYTHON=/path/to/python3 chooses the default one.

PYTHON ?= $(shell python3 tools/interpreters.py --first)
VENV := .venv
SOURCES := pyproject.toml setup.py $(wildcard src/mezha/*/*.pyx src/mezha/*/*.pxd)
INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable

.PHONY: lab test sanitize coverage fuzz mutants simulate fire catalogue proofs load soak check bench bench-quick format clean

lab: $(VENV)/ready-cli
	$(VENV)/bin/mezha lab

test:
	PYTHON=$(PYTHON) $(PYTHON) tools/test.py

sanitize:
	PYTHON=$(PYTHON) $(PYTHON) tools/sanitize.py

coverage: $(VENV)/ready-dev
	$(VENV)/bin/python tools/coverage_by_module.py

SECONDS ?= 60
fuzz: $(VENV)/ready-dev
	$(VENV)/bin/python -m fuzz --seconds $(SECONDS)

mutants: $(VENV)/ready-mutants
	rm -rf mutants
	MEZHA_PURE=1 HYPOTHESIS_PROFILE=light $(VENV)/bin/mutmut run
	$(VENV)/bin/mutmut results

simulate: $(VENV)/ready-dev
	PYTHONPATH=tests $(VENV)/bin/python -m simulation $(if $(SEED),--seed $(SEED)) $(if $(WORLDS),--worlds $(WORLDS))

fire: $(VENV)/ready-dev
	FIRE=$(or $(FIRE),20) $(VENV)/bin/python -m pytest -q --timeout=600 tests/fire

proofs: $(VENV)/ready-dev
	python3 tools/debian.py
	PYTHONPATH=tests:tools:tests/peers $(VENV)/bin/python -m peers.table

load: $(VENV)/ready-dev
	PYTHONPATH=tests $(VENV)/bin/python -m fire.load
	PYTHONPATH=tests $(VENV)/bin/python -m fire.load --loop uvloop

soak: $(VENV)/ready-dev
	PYTHONPATH=tests $(VENV)/bin/python -m fire.soak --seconds $(SECONDS)

catalogue: $(VENV)/ready-dev
	$(VENV)/bin/python tools/catalogue.py

check: $(VENV)/ready-dev
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright
	$(VENV)/bin/python -m pytest -q tests/test_docs.py

bench: $(VENV)/ready-bench
	$(VENV)/bin/python -m benchmarks

bench-quick: $(VENV)/ready-bench
	$(VENV)/bin/python -m benchmarks --quick

format: $(VENV)/ready-dev
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

clean:
	rm -rf $(VENV) .envs build dist mutants src/*.egg-info src/mezha/*/*.so .*_cache .hypothesis .coverage* htmlcov

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready-cli: $(SOURCES) | $(VENV)/bin/python
	$(INSTALL) '.[cli]'
	touch $@

$(VENV)/ready-dev: $(SOURCES) | $(VENV)/bin/python
	$(INSTALL) '.[dev]'
	touch $@

$(VENV)/ready-mutants: $(SOURCES) | $(VENV)/bin/python
	$(INSTALL) '.[mutants]'
	touch $@

# What is called compiled must be: without a compiler, say MEZHA_BUILD=pure.
$(VENV)/ready-bench: export MEZHA_BUILD ?= native
$(VENV)/ready-bench: $(SOURCES) | $(VENV)/bin/python
	$(INSTALL) '.[bench]'
	touch $@
