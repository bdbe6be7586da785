# Everything runs in the repository's own virtual environment, .venv, made on first use.
PYTHON ?= python3
PY := .venv/bin/python
ifeq ($(OS),Windows_NT)
PY := .venv/Scripts/python.exe
endif
INSTALLED := .venv/.installed
ARGS ?=
# Processes that share the tests out; more than a few get in the way of the kernels' own threads.
JOBS ?= $(shell $(PY) -c 'import os; print(min(os.cpu_count() or 1, 8))')

# Packages are installed uncompiled (see below): each process would compile what it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint format types check bench peers programs clean

help:
	@echo "make demo    set up and run the first example"
	@echo "make test    set up, then lint, type check and test"
	@echo "make lint    ruff, check only      make format  ruff, rewriting"
	@echo "make types   mypy"
	@echo "make check   the tests alone       (ARGS='-k softmax' goes to pytest; JOBS=0: one process)"
	@echo "make bench   the benchmarks        (ARGS='softmax --quick' goes to the harness)"
	@echo "make peers   Numba, JAX, torch, ... in ../peers, to compare with"
	@echo "make programs  classic NumPy programs under mlc and those"
	@echo "make clean   remove .venv and caches"

demo: $(INSTALLED)
	@$(PY) examples/01_digits.py

test: lint
	@$(MAKE) --no-print-directory -j 2 types check  # mypy takes one core, for half a minute

lint: $(INSTALLED)
	@echo "== lint"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(INSTALLED)
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: $(INSTALLED)
	@echo "== types"
	@$(PY) -m mypy

check: $(INSTALLED)
	@echo "== tests"
	@$(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

bench: $(INSTALLED)
	@$(PY) -m benchmarks $(ARGS)

PEERS ?= ../peers

peers: $(INSTALLED)
	@$(PY) -m benchmarks.environment $(PEERS)

programs:
	@test -x $(PEERS)/bin/python || $(MAKE) peers
	@$(PEERS)/bin/python -m benchmarks.programs $(ARGS)

clean:
	@rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A stale or half-made environment is completed, not rebuilt; the stamp is written last. Of what
# packages hold a tenth is ever imported: Python compiles that itself.
$(INSTALLED): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "mlc needs Python 3.10 or later; '$(PYTHON)' was not found (make PYTHON=/path/to/python)"; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "mlc needs Python 3.10 or later; $(PYTHON) is older (make PYTHON=/path/to/python)"; \
	  exit 1; }
	@test -x $(PY) || { echo "== making .venv"; $(PYTHON) -m venv .venv; } || { \
	  echo "'$(PYTHON) -m venv' failed: on Debian and Ubuntu install the package python3-venv"; \
	  rm -rf .venv; exit 1; }
	@echo "== installing mlc and its development tools into .venv (once; a minute or two)"
	@$(PY) -m pip install -qq --disable-pip-version-check --no-compile -e '.[dev]'
	@touch $@
