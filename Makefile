# The two entrances are `make explore` and `make test`; each sets up everything it needs first.
PYTHON ?= python3
VENV := .venv/bin

.PHONY: setup explore test lint clean

setup:
	@$(PYTHON) scripts/setup.py

explore: setup
	@$(VENV)/heddle explore $(ARGS)

lint: setup
	$(VENV)/ruff check .
	$(VENV)/mypy

test: lint
	$(VENV)/pytest -n 2 $(ARGS)

# Empties the store: everything in it can be made again.
clean:
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m flows.run.store clean; else echo "nothing is set up, nothing to clean"; fi
