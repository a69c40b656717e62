# A convenience: every target is one or two plain commands, which README.md gives too (Windows, or no make).
PY ?= python3
BIN := .venv/bin
PYTHON := $(BIN)/python

# Own data: make notebooks PHOTO=~/me.jpg SERIES=~/scan SONAR_CSV=~/t.csv PETS=~/pictures
RUN_OPTIONS = $(if $(PHOTO),--photo "$(PHOTO)") $(if $(FACES),--faces "$(FACES)") $(if $(SERIES),--series "$(SERIES)") \
  $(if $(GAPS),--gaps "$(GAPS)") $(if $(SONAR_CSV),--sonar-csv "$(SONAR_CSV)") $(if $(PETS),--pets "$(PETS)") \
  $(if $(VGG16_WEIGHTS),--vgg16-weights "$(VGG16_WEIGHTS)")

.DEFAULT_GOAL := help
.PHONY: help setup setup-test notebooks test lab data bench fuzz mutants lint format normalise store lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: ## the environment alone (.venv, from the hashed lock)
	@$(PY) tools/setup_environment.py

setup-test:
	@$(PY) tools/setup_environment.py --test

notebooks: setup ## run the three notebooks; results in build/ (PHOTO= SERIES= SONAR_CSV= PETS= for your own data)
	@$(PYTHON) tools/run_notebooks.py $(RUN_OPTIONS)

test: setup-test ## everything CI runs
	@$(PYTHON) tools/run_tests.py

lab: setup ## JupyterLab on the notebooks
	@$(PYTHON) -m helpers.datasets sonar --quiet || true
	@$(PYTHON) -m jupyterlab --notebook-dir=notebooks

data: setup ## an optional data set: make data SET=lidc-0001 (without SET: the list)
	@$(PYTHON) -m helpers.datasets $(SET)

bench: setup-test ## the speed table, as ratios measured in one run
	@$(PYTHON) -m bench

fuzz: setup-test ## 10,000 damaged DICOM files through the loader (N=... for more)
	@$(PYTHON) -m tests.fuzz.fuzz_dicom --n $(or $(N),10000)

mutants: setup-test ## break the code on purpose; a test must notice each time
	@$(PYTHON) -m tests.mutations

lint: setup-test ## ruff, normal form and style of the notebooks
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) tools/normalise.py --check notebooks/*.ipynb
	@$(PYTHON) tools/check_notebooks.py notebooks/*.ipynb

format: setup-test ## let ruff format everything
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

normalise: setup-test
	@$(PYTHON) tools/normalise.py notebooks/*.ipynb

store: setup-test ## maintainers: run the notebooks and store their outputs in git's copies
	@$(PYTHON) tools/run_notebooks.py --store

lock: setup-test ## maintainers: renew both lock files from pyproject.toml
	@$(PYTHON) tools/lock.py

clean: ## remove build/ and caches (the environment and fetched data stay)
	@$(PY) tools/clean.py
