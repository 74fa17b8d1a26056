# make app   sets everything up and starts the app on the bundled model
# make test  sets everything up and runs lint, types and all tests
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501

.PHONY: app test lint types bench bench-shapes accept clean

app: $(VENV)/.app
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: $(VENV)/.test lint types
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.test
	$(BIN)/mypy

bench: $(VENV)/.app
	$(BIN)/python -m benchmarks.heads
	$(BIN)/python -m benchmarks.neurons --model bundled
	$(BIN)/python -m benchmarks.neurons
	$(BIN)/python -m benchmarks.mediation

# takes hours on a CPU: every analysis in the shapes of real models, with its peak memory
bench-shapes: $(VENV)/.app
	$(BIN)/python -m benchmarks.shapes

# measures what the bundled models' cards say of them; `python -m training.accept --write` writes them
accept: $(VENV)/.app
	$(BIN)/python -m training.accept

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Abacus needs Python 3.11 or newer: make app PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.app: $(VENV)/.venv requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.test: $(VENV)/.app requirements-dev.txt tests/tokenizers/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/vocabularies \
	  -r tests/tokenizers/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
