# Every target sets up what it needs in .venv; nothing outside this folder is touched.
PYTHON ?= python3
PROJECT ?=
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/lead-scoring
SAMPLE := sample
MONTH := sample-month
export UV_PYTHON_DOWNLOADS := never
.DEFAULT_GOAL := help

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

$(BIN)/python:
	@if command -v uv >/dev/null 2>&1; then uv venv -q --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV); \
	else $(PYTHON) -m venv $(VENV); fi

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,.)
	@touch $@

$(VENV)/.review: pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,.[review])
	@touch $@ $(VENV)/.core

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,.[dev$(comma)tune$(comma)review])
	@touch $@ $(VENV)/.core $(VENV)/.review

comma := ,
define install
if command -v uv >/dev/null 2>&1; then uv pip install -q --python $(BIN)/python -c constraints.txt -e '$(1)'; \
else $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '$(1)'; fi
endef

setup: $(VENV)/.core ## Make .venv and install the pipeline; EXTRAS=tune,postgres,review for more
	@$(if $(EXTRAS),$(call install,.[$(EXTRAS)]))

$(SAMPLE)/lead-scoring.toml: | $(VENV)/.core
	@$(RUN) simulate --leads 20000 --seed 1 -o $(SAMPLE)

# exit 3 says "done, with rows in quarantine": a success, its count is printed
define tolerate
$(1); code=$$?; if [ $$code -ne 0 ] && [ $$code -ne 3 ]; then exit $$code; fi
endef

ifeq ($(PROJECT),)
train: PROJECT := $(SAMPLE)/lead-scoring.toml
score ui check-data: PROJECT := $(SAMPLE)/lead-scoring.toml
train score check-data: $(SAMPLE)/lead-scoring.toml
endif

train: $(VENV)/.core ## Train, track and score; PROJECT=path/lead-scoring.toml for your own data
	@$(call tolerate,$(RUN) train --score -p $(PROJECT))

score: $(VENV)/.core ## Score the open leads with the champion
	@$(call tolerate,$(RUN) score -p $(PROJECT))

check-data: $(VENV)/.core ## Audit the data of PROJECT without training
	@$(call tolerate,$(RUN) check -p $(PROJECT))

ui: $(VENV)/.core ## Open MLflow's page on the runs and versions
	@$(RUN) ui -p $(PROJECT)

# idle worker threads must sleep: spinning ones slow a busy machine many times over
month: export OMP_WAIT_POLICY := PASSIVE
month: $(VENV)/.core ## Simulate a month of nightly runs, with answers of sales, in sample-month/
	@rm -rf $(MONTH)
	@$(BIN)/python examples/month.py $(MONTH)

review: $(VENV)/.review ## Open the page for sales on the ledger of PROJECT, else of sample-month/
	@$(RUN) review -p $(or $(PROJECT),$(MONTH)/lead-scoring.toml)

test: $(VENV)/.dev ## Run the quick tests
	@$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: $(VENV)/.dev ## Run every test
	@$(BIN)/python -m pytest -q -n 2

check: $(VENV)/.dev ## Lint, types and import contracts; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## Fix lint and layout
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

golden: $(VENV)/.dev ## Rewrite the golden files of the tests; read the diff
	@UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests -k golden

bench: $(VENV)/.dev ## Measure speed, write benchmarks/results.json
	@$(BIN)/python benchmarks/speed.py

bench-quality: $(VENV)/.dev ## Measure quality beside other learners, write benchmarks/quality.md
	@$(BIN)/python benchmarks/quality.py

campaign-leaks: $(VENV)/.dev ## Plant leaks, write docs/leaks.md (20 minutes)
	@$(BIN)/python benchmarks/leaks.py --write docs/leaks.md

campaign-truth: $(VENV)/.dev ## Train on simulated worlds whose truth is known, write docs/campaigns/ (an hour)
	@$(BIN)/python benchmarks/rolling.py --write
	@$(BIN)/python benchmarks/truth.py shuffled --leads 2500 --seeds $$(seq 100) --write
	@$(BIN)/python benchmarks/truth.py clean --leads 4000 --seeds $$(seq 40) --write
	@$(BIN)/python benchmarks/truth.py small --seeds 1 2 3 4 5 --write
	@$(BIN)/python benchmarks/truth.py coverage --leads 2500 --seeds $$(seq 100) --write
	@$(BIN)/python benchmarks/truth.py capacity --leads 7000 --seeds $$(seq 50) --write
	@$(BIN)/python benchmarks/truth.py targets --leads 12000 --seeds 1 2 3 --write
	@$(BIN)/python benchmarks/truth.py half_lives --leads 7000 --seeds 1 2 3 4 5 --write
	@$(BIN)/python benchmarks/truth.py segments --leads 12000 --seeds 1 2 3 --write
	@$(BIN)/python benchmarks/truth.py colleagues --leads 6000 --seeds 1 2 3 --write
	@$(BIN)/python benchmarks/truth.py oracle --leads 75000 --seeds 1 2 3 4 5 --write

clean: ## Remove the samples and their results
	@rm -rf $(SAMPLE) $(MONTH)

campaigns = campaign-leaks campaign-truth
.PHONY: $(campaigns) help setup train score check-data ui month review test test-all check format golden bench bench-quality \
	clean
