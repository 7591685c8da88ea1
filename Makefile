# Everything is one of these. They need Python 3.11 or later, Node and make; the rest they set up themselves.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# To compile all that is installed takes as long as to install it; what is imported is compiled then.
PIP := --quiet --disable-pip-version-check --no-compile
# The locks name every package with the hashes of its files: nothing else is installed.
LOCKED := --require-hashes --no-deps
PORT ?=
KEEP ?=
DATA ?=
REVIEW ?= script
ENGINE ?= rekognition
# jsii prints a banner on Node releases that are past their end of life; the CDK works all the same.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 18,20

.PHONY: help demo check test up down bench bench-data bench-detect bench-engine bench-review pictures chaos locks browser setup setup-dev clean format

help:  ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

demo: setup  ## Show the whole loop on generated images (REVIEW=me: you answer at the review desk; ENGINE=serverless)
	@$(BIN)/python -m demo --review $(REVIEW) --engine $(ENGINE)

check: setup-dev  ## Format, lint, imports, types and unit tests: some five minutes
	@$(BIN)/python -m tests --quick

test: setup-dev browser  ## Everything that guards the project
	@$(BIN)/python -m tests

up: setup  ## Start the embedded stack and deploy into it (PORT=..., KEEP=1 keeps its state, ENGINE=both)
	@$(BIN)/python -m local up $(if $(PORT),--port $(PORT)) $(if $(KEEP),--keep) --engine $(ENGINE)

down:  ## Stop the embedded stack
	@$(BIN)/python -m local down

bench: setup-dev  ## Print the measured figures
	@$(BIN)/python -m benchmarks

bench-data: setup-dev  ## Import, registration and snapshots of 250,000 images
	@$(BIN)/python -m benchmarks importing registration data

bench-engine: setup-dev  ## How well the engine learns and how fast it answers (DATA=folder of datasets)
	@$(BIN)/python -m benchmarks.engine_learning $(if $(DATA),--data $(DATA))
	@$(BIN)/python -m benchmarks.active_choice $(if $(DATA),--data $(DATA))
	@$(BIN)/python -m benchmarks.engine_serving

bench-detect: setup-dev  ## How fast applications and batches are answered, and what tiles find
	@$(BIN)/python -m benchmarks detection batches tiling

bench-review: setup-dev browser  ## How fast the review desk goes on, and 20 reviewers at once
	@$(BIN)/python -m benchmarks review

pictures: setup-dev browser  ## Take the console's pictures that the README shows
	@$(BIN)/python -m docs.pictures

# The tests of web pages need a Chromium: the system's, Debian's package, or Playwright's own.
browser: setup-dev
	@$(BIN)/python -m tests.browser

chaos: setup-dev  ## Attack a deployment in an embedded stack for some minutes, and print what came of it
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only "$(ONLY)")

locks: setup-dev  ## Write the packages' locks anew after a change of requirements.in and its like
	@$(BIN)/python -m infra.locks

format: setup-dev  ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

setup: $(VENV)/.installed node_modules/.installed

setup-dev: setup $(VENV)/.installed-dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "LabelLoop needs Python 3.11 or later; set PYTHON=... to one"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt requirements-torch.txt requirements-torch-cpu.txt lambdas/requirements.txt lambdas/requirements-video.txt pyproject.toml | $(VENV)/bin/python
	@echo "Setting up the virtual environment (once; some minutes)"
	@$(BIN)/pip install $(PIP) $(LOCKED) -r requirements.txt
	@# PyTorch's build for processors where pip is offered it: PyPI has not.
	@$(BIN)/pip install $(PIP) $(LOCKED) -r requirements-torch-cpu.txt 2>/dev/null || \
	  $(BIN)/pip install $(PIP) $(LOCKED) -r requirements-torch.txt
	@$(BIN)/pip install $(PIP) --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Adding what the tests need"
	@$(BIN)/pip install $(PIP) $(LOCKED) -r requirements-dev.txt
	@touch $@

node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "LabelLoop needs Node.js with npm, for the CDK CLI"; exit 1; }
	@npm ci --silent --no-audit --no-fund
	@touch $@

clean: down  ## Remove everything that was set up or built
	rm -rf $(VENV) node_modules .build .embedded cdk.out demo-output
