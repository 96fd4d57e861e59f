# The two commands of the README: `make demo` and `make test`. Each sets up what it needs.
#   make demo PHOTOS=folder   finds the people in the album here and in your folder
#   make test                 format, lint, types, tests
# PYTHON names the interpreter (3.11 or newer), VENV the folder of the environment.

PYTHON ?= python3
VENV ?= .venv
PHOTOS ?=
GALLERY := demo/gallery.db
SHEET := demo/people.jpg

export PHOTOS
install := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test format clean

demo: $(VENV)/.base
	@mkdir -p demo
	$(VENV)/bin/fusiform index fusiform/album $${PHOTOS:+"$$PHOTOS"} --gallery $(GALLERY)
	$(VENV)/bin/fusiform people --gallery $(GALLERY) --sheet $(SHEET)
	@echo
	@echo "The people found are drawn in $(CURDIR)/$(SHEET). Try next:"
	@echo "  $(VENV)/bin/fusiform show 1 --gallery $(GALLERY)"
	@echo "  $(VENV)/bin/fusiform name 1 'Some Name' --gallery $(GALLERY)"
	@echo "  $(VENV)/bin/fusiform find fusiform/album/grace_hopper.jpg --gallery $(GALLERY)"
	@echo "  make demo PHOTOS=/your/photos"

test: $(VENV)/.dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest

format: $(VENV)/.dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf .venv build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.base: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing fusiform into $(VENV) (some 150 MB to download)"
	$(install) -e .
	@touch $@

# What develops also runs, so the second stamp follows the first.
$(VENV)/.dev: pyproject.toml | $(VENV)/bin/pip
	@echo "Installing fusiform and its tools into $(VENV)"
	$(install) -e '.[dev]'
	@touch $@ $(VENV)/.base

# pip is there only if ensurepip was: a half-made environment is made again.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "fusiform needs Python 3.11 or newer and '$(PYTHON)' is not that." \
	    "Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON) -m venv' is not available. On Debian and Ubuntu install it with:" \
	    "sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
