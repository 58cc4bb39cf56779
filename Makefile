# Needs only make, a POSIX shell and a Python >= 3.12. Every target that runs something first sees to .venv.

VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m
ARGS ?=

# Settings of the caller's shell that would lead pip or Python out of .venv.
unexport PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX

.DEFAULT_GOAL := help
.PHONY: help setup forecast test coverage test-slow test-notebooks test-browser docs lint types clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

forecast: setup ## fit the embedded data and forecast two 70B runs: a table, forecast.png, posterior.nc
	@$(BIN)/bayes-scaling forecast pile-families --law chinchilla --at params=70e9,tokens=1.4e12 \
		--group-value new --group-value cerebras-gpt --plot forecast.png --out posterior.nc

test: setup ## run the test suite; make test ARGS="tests/test_law.py -x" runs a part
	@$(RUN) pytest -q -n auto --maxprocesses 4 --dist loadfile $(ARGS)

coverage: setup ## run the test suite and show which branches of the package it takes
	@$(RUN) pytest -q -n auto --maxprocesses 4 --dist loadfile --cov --cov-report=term $(ARGS)

test-slow: setup ## run the slow tests, about 75 minutes; what is finished is kept
	@$(RUN) pytest -q -m slow $(ARGS)

test-notebooks: setup ## run every notebook with few draws
	@$(RUN) pytest -q -n auto --maxprocesses 2 -m notebooks $(ARGS)

test-browser: setup ## look at the review page in a headless Chromium (Debian: apt-get install chromium)
	@$(RUN) pytest -q -m browser $(ARGS)

# The stamp says for which set-up the packages of the site were installed; a new .venv has none.
docs: setup ## build the site into docs/_build/html: runs the notebooks, warnings are errors, no network
	@if ! cmp -s $(VENV)/.installed $(VENV)/.installed-docs || ! $(BIN)/python -c 'import myst_nb' 2>/dev/null; then \
		echo "Installing what builds the site into $(VENV)"; \
		$(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]' || exit 1; \
		cp $(VENV)/.installed $(VENV)/.installed-docs; \
	fi
	@$(RUN) sphinx -b html -q -W --keep-going $(ARGS) docs docs/_build/html
	@echo "The site: docs/_build/html/index.html"

lint: setup ## ruff: rules and format
	@$(RUN) ruff check
	@$(RUN) ruff format --check

types: setup ## pyright
	@$(RUN) pyright

clean: ## remove .venv, caches and what the commands above wrote
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist forecast.png posterior.nc \
		docs/_build docs/laws docs/api docs/notebooks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A Python serves if it is new enough, finished, has the GIL (there are wheels for it) and can make
# environments (Debian ships venv and ensurepip apart).
FITS := import sys, sysconfig, venv, ensurepip; sys.exit(sys.version_info < (3, 12) \
	or sys.version_info.releaselevel != "final" or bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
# An environment is usable if its Python runs, is new enough and has pip; whole, if it also has what is started.
USABLE := import sys, pip; sys.exit(sys.version_info < (3, 12))
WHOLE := import sys, importlib.util as u; sys.exit(sys.version_info < (3, 12) or not \
	all(map(u.find_spec, ("pip", "numpyro", "arviz", "pandas", "pytest", "ruff", "pyright"))))

# The stamp is written last and says what was installed, and where. Changed requirements or a set-up that broke
# off are installed over; an environment that is damaged or was moved is made anew.
setup: ## make .venv, or mend it; the targets above do it by themselves
	@stamp=$(VENV)/.installed; have=$$(cat $$stamp 2>/dev/null); \
	want="$$(cat pyproject.toml constraints.txt | cksum) $(CURDIR)"; \
	if [ "$$have" = "$$want" ] && [ -x $(BIN)/bayes-scaling ] && $(BIN)/python -c '$(WHOLE)' 2>/dev/null; \
		then exit 0; fi; \
	rm -f $$stamp; \
	case "$$have" in "$$want") keep=no;; ""|*" $(CURDIR)") keep=yes;; *) keep=no;; esac; \
	if [ $$keep = no ] || ! $(BIN)/python -c '$(USABLE)' 2>/dev/null; then \
		$(FIND_PYTHON); \
		echo "Making $(VENV) with $$python"; \
		"$$python" -m venv --clear $(VENV) || exit 1; \
	fi; \
	echo "Installing into $(VENV): done once, takes a minute or more"; \
	$(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' || exit 1; \
	echo "$$want" > $$stamp

# Sets $$python. A name on PATH may be a shim that leads nowhere, so each candidate is tried, not only found.
define FIND_PYTHON
if [ -n "$$PYTHON" ]; then \
	set -- "$$PYTHON"; \
else \
	set --; \
	for found in "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python; do set -- "$$found" "$$@"; done; \
	set -- python3.14 python3.13 python3.12 python3 "$$@"; \
fi; \
python=; \
for candidate do \
	if "$$candidate" -c '$(FITS)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
	echo "No Python >= 3.12 with its venv module found$${PYTHON:+ at PYTHON=$$PYTHON}: install Python 3.12 or newer" \
		"(on Debian or Ubuntu: python3 and python3-venv), or name one: make PYTHON=/path/to/python3.12" >&2; \
	exit 1; \
fi
endef
