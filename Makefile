# What a person types. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Two processes, each with a broker of its own: the tests wait more than they compute.
PROCESSES ?= 2

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/installed ## Start everything here and watch sample posts come out tagged (ARGS=--stay to go on)
	@$(BIN)/rpbert demo $(ARGS)

test: browser ## Run the whole suite on a real Kafka and a real Valkey (ARGS='-k name' for a part, PROCESSES=0 for one process)
	@$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

browser: $(VENV)/installed ## Have a Chromium for the tests of the live page: Playwright's, else Debian's
	@$(BIN)/python -m tests.browser

test-faults: $(VENV)/installed ## Kill workers, brokers and Redis under 200,000 posts, check every result (ARGS='--seed 7')
	@$(BIN)/python -m tests.faults $(ARGS)

test-autoscale: $(VENV)/installed ## Let the real KEDA scale real workers under bursts, check every result; needs Go (ARGS='--most 3 --burst 12000')
	@$(BIN)/python -m tests.deploy.control_plane.build keda
	@$(BIN)/python -m tests.autoscale $(ARGS)

bench: $(VENV)/installed ## Measure what it costs here, all of it or a part (ARGS=model); results in bench/results
	@for bench in $(or $(ARGS),model pictures padding stages pipeline 'pipeline --stand-in' latency scale); do $(BIN)/rpbert bench $$bench || exit; done
	@$(if $(ARGS),,$(MAKE) --no-print-directory bench-peers)

bench-peers: .venv-peers/installed ## Measure the worker against a plain loop, Quix Streams and Faust (ARGS='--only rpbert --only loop')
	@$(BIN)/rpbert bench peers $(ARGS)

check-deploy: $(VENV)/installed ## Render and check all of deploy/, with Go also on a real Kubernetes API server
	@$(BIN)/python -m tests.deploy.control_plane.build
	@$(BIN)/pytest tests/deploy $(ARGS)

check: $(VENV)/installed ## Format, lint, types, layers: what the hook and CI run
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/installed ## Put the code in its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(VENV)/installed ## Build the documentation into build/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

hook: ## Run `make check` before each commit
	@git config core.hooksPath .githooks

LOCK := $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --quiet
IMAGES := worker trainer viewer
worker_packages := --extra store-s3 --extra tracing
trainer_packages := --extra store-s3 --extra tracing --extra train
viewer_packages := --extra store-s3 --extra tracing --extra viewer --override requirements/without-torch.txt

# An image's lock begins as a copy of the suite's, which uv keeps to where it can: what ships is what was tested.
lock: $(VENV)/installed ## Pin the dependencies anew after a change in pyproject.toml
	@$(LOCK) --extra local --extra store-s3 --extra tracing --extra train --extra viewer --group dev --output-file requirements/dev.txt
	@$(foreach image,$(IMAGES),cp requirements/dev.txt requirements/$(image).txt && \
		$(LOCK) $($(image)_packages) --output-file requirements/$(image).txt &&) true
	@$(BIN)/uv pip compile --group pyproject.toml:peers --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --quiet --output-file requirements/peers.txt

licences: $(VENV)/installed ## List the licences of all that the images ship
	@$(BIN)/python -m tests.deploy.licences

# Strict: where the advisories can't be asked for, that is a failure and no clean bill.
audit: $(VENV)/installed ## Ask for known vulnerabilities of all that the images ship
	@for image in $(IMAGES); do $(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement requirements/$$image.txt || exit 1; done

clean: ## Remove the environment and what tools left behind
	@rm -rf $(VENV) .venv-peers *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis runs

# Compiled here, once: where Python may not write (PYTHONDONTWRITEBYTECODE) each of the many workers that the
# tests start would compile torch and its kin anew, 12 s of a core to start instead of 5.
# uv comes first, by pip and pinned: it installs the rest in a fifth of pip's time and shows its progress.
$(VENV)/installed: requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rpbert-stream needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	@echo "Making the environment in $(VENV); the first time torch and its CUDA libraries take a while."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --compile-bytecode --python $(VENV) --require-hashes requirements/uv.txt requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(VENV) --no-deps --no-build-isolation --editable .
	@touch $@

# The peers' libraries first, then ours: Quix Streams wants an older pydantic.
.venv-peers/installed: $(VENV)/installed requirements/peers.txt
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-peers
	@$(BIN)/uv pip sync --quiet --python .venv-peers --require-hashes requirements/peers.txt
	@$(BIN)/python -c 'import site; print(*site.getsitepackages())' > "$$(.venv-peers/bin/python -c 'import site; print(site.getsitepackages()[0])')/ours.pth"
	@touch $@

.PHONY: help demo test browser test-faults test-autoscale bench bench-peers check-deploy check format docs hook lock licences audit clean
