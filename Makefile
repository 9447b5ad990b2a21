# Everything that a person runs. Each target sets up what it needs; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

# torch and transformers, for the tests of what needs them; TRAIN=0 leaves them out, and those tests are skipped by name
TRAIN ?= 1

# What requirements/*.txt lock is installed, each file with its SHA-256; LOCKED=0 takes what the index has in its place.
LOCKED ?= 1
PIP := $(BIN)/python -m pip
EDITABLE := $(PIP) install --no-build-isolation --editable

.DEFAULT_GOAL := help
.PHONY: help demo test captures test-vscode vsix check format bench reliability docs clean \
	lock lock-check audit sbom wheel bundle

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

demo: $(STAMP)-serve ## install, get and build the default model, then complete real files of this repository
	@$(BIN)/foretype model pull
	@$(BIN)/python -m foretype.eval.demo

test: $(STAMP)-test ## install what the tests need, and run them
	@$(BIN)/foretype model pull
	$(BIN)/pytest -m "not training"
	$(BIN)/pytest -m training

captures: $(STAMP)-test ## record docs/next-edits.svg in a real Neovim
	$(BIN)/python tests/e2e/nvim/get.py
	$(BIN)/python tests/e2e/nvim/capture.py

# WHEEL=1 packs the server's wheel too, which the extension then installs where there is no server.
WHEEL ?=
vsix: $(STAMP)-venv ## package the VS Code extension (needs Node 20 or newer); WHEEL=1: and the server in it
	@node -e 'process.exitCode = +(parseInt(process.versions.node) < 20)' || \
		{ echo "The extension is built with Node 20 or newer, and npm: install nodejs"; exit 1; }
	rm -rf editors/vscode/wheel
ifneq ($(WHEEL),)
	$(BIN)/python tools/wheels.py --out editors/vscode/wheel
endif
	cd editors/vscode && npm ci --ignore-scripts && npm run package

# As root on Debian it gets a browser where there is none; else CHROMIUM names one. No screen is needed.
test-vscode: $(STAMP)-test vsix ## the VS Code extension: types, logic, and end to end in a real VS Code
	cd editors/vscode && npm run check && npm test
	node tests/vscode/e2e/get.mjs
	$(BIN)/pytest tests/vscode tests/unit/test_report.py # the report is looked at in a browser, which is there by now
	cd tests/vscode/e2e && node --test --test-concurrency=1

check: $(STAMP)-test lock-check ## lint, format, types, and whether the locks are what pyproject.toml asks for
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p $(VENV)/src && ln -sfn ../.. $(VENV)/src/foretype
	MYPYPATH=$(VENV)/src $(BIN)/mypy -p foretype.context -p foretype.model -p foretype.lsp -p foretype.mining -p foretype.eval -m foretype.cli
	MYPYPATH=$(VENV)/src:tools $(BIN)/mypy -m bundle -m trial -m sbom -m install -m wheels -m locks

format: $(STAMP)-test ## rewrite the sources as `make check` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# For the benchmarks: a folder of HumanEval-Infilling, clones of repositories with a history, a llama-server's address.
DATA ?=
REPOS ?=
PEER ?=
FIGURES := docs/figures
bench: $(STAMP)-bench ## speed on this machine; DATA=folder: quality; REPOS="clone ..." PEER=url: typing; CROSSFILE=1: context
	@$(BIN)/foretype model bench $(if $(PEER),--against $(PEER))
	@mkdir -p $(FIGURES)
ifneq ($(DATA),)
	$(BIN)/foretype eval infill --data "$(DATA)" --split single-line --limit 150 --seed 7
endif
ifneq ($(REPOS),)
	$(BIN)/foretype eval replay $(REPOS) --commits 10 --limit-keys 32 --set model.engine=onnx --set model.share=false \
		$(if $(PEER),--against $(PEER)) --json > $(FIGURES)/replay.new && mv $(FIGURES)/replay.new $(FIGURES)/replay.json
endif
ifneq ($(CROSSFILE),)
	$(BIN)/foretype eval crossfile --split test --json > $(FIGURES)/crossfile.new && mv $(FIGURES)/crossfile.new $(FIGURES)/crossfile.json
endif
	@$(BIN)/python -m foretype.eval.figures $(FIGURES) README.md

# An hour or more. SOAK names clones whose changes are typed into the real server with the real model for SOAK_MINUTES,
# SOAK_SPEED times as fast as people type.
SOAK ?=
SOAK_MINUTES ?= 24
SOAK_SPEED ?= 10
TRIED := $(VENV)/reliability
reliability: $(STAMP)-test ## fuzzing, kills and faults at full size, SOAK="clone ...": a soak; rewrites docs/reliability.md
	@rm -rf $(TRIED) && mkdir -p $(TRIED)
	-FORETYPE_FUZZ=nightly $(BIN)/pytest tests/unit/test_documents.py tests/unit/test_fuzz_*.py -o junit_family=xunit1 --junitxml $(TRIED)/fuzz.xml
	-FORETYPE_KILLS=50 $(BIN)/pytest tests/e2e/test_kills*.py tests/e2e/test_events_kill.py -o junit_family=xunit1 --junitxml $(TRIED)/kills.xml
	-$(BIN)/pytest tests/e2e/test_faults*.py -o junit_family=xunit1 --junitxml $(TRIED)/faults.xml
ifneq ($(SOAK),)
	-$(BIN)/foretype eval soak $(SOAK) --minutes $(SOAK_MINUTES) --speed $(SOAK_SPEED) --json > $(TRIED)/soak.json
endif
	$(BIN)/python -m foretype.eval.reliability $(TRIED)/*.xml --soak $(TRIED)/soak.json --into docs/reliability.md

# Versions that are locked stay, unless UPGRADE=1 takes the newest.
UPGRADE ?=
lock: $(STAMP)-venv ## lock what pyproject.toml asks for in requirements/*.txt; UPGRADE=1: at the newest versions
	$(PIP) install --quiet "uv>=0.9" "packaging>=25"
	$(BIN)/python tools/locks.py $(if $(UPGRADE),--upgrade)

lock-check: $(STAMP)-serve ## whether requirements/*.txt are what pyproject.toml asks for; needs no network
	@$(BIN)/python tools/locks.py --check

# Asks the index's JSON interface and npm's service for advisories. Where a mirror has neither, this fails (--strict) rather
# than to call clean what nobody looked at.
AUDITED := serve openvino test train release
audit: $(STAMP)-release ## ask for known holes in what is locked: pip-audit, npm audit
	for lock in $(AUDITED); do \
		$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/$$lock.txt || exit 1; done
	cd editors/vscode && npm audit --omit dev

sbom: $(STAMP)-release ## write bills of materials to dist/, in CycloneDX
	$(BIN)/python tools/sbom.py

wheel: $(STAMP)-venv ## build the wheel in dist/, the same bytes for the same sources
	$(BIN)/python tools/wheels.py

# MODEL is a name of the catalogue, LOCK serve or openvino; VSIX=0 leaves the extension out, and with it the need for Node.
MODEL ?=
LOCK ?= serve
VSIX ?= 1
bundle: $(STAMP)-release $(if $(filter-out 0,$(VSIX)),vsix) ## one archive in dist/ that installs with the network off
	$(BIN)/python tools/bundle.py --lock $(LOCK) $(if $(MODEL),--model $(MODEL)) $(if $(filter 0,$(VSIX)),--no-vsix)

docs: $(STAMP)-serve ## write the table of docs/options.md from the option schema, and Neovim's reference from the plugin
	$(BIN)/python tools/options_page.py
	$(BIN)/python tools/vimdoc.py

clean: ## remove the virtual environment (models stay in the user's cache)
	rm -rf $(VENV)

# Stamps are written last, so that what was interrupted is done again.
$(STAMP)-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Foretype needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "This Python cannot make virtual environments: apt install python3-venv"; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=24.1"
	$(PIP) install --quiet $(if $(filter 0,$(LOCKED)),"setuptools>=77",--requirement requirements/build.txt)
	@touch $@

$(STAMP)-serve: pyproject.toml requirements/serve.txt $(STAMP)-venv
ifneq ($(LOCKED),0)
	$(PIP) install --requirement requirements/serve.txt
endif
	$(EDITABLE) .
	@touch $@

$(STAMP)-bench: pyproject.toml $(STAMP)-serve
	$(EDITABLE) '.[compare]'
	@touch $@

$(STAMP)-test: pyproject.toml requirements/test.txt $(STAMP)-serve
ifneq ($(LOCKED),0)
	$(PIP) install --requirement requirements/test.txt
endif
	$(EDITABLE) '.[test,check]'
ifneq ($(TRAIN),0)
	-$(EDITABLE) '.[train]'
endif
	-$(BIN)/python tests/e2e/nvim/get.py
	-$(BIN)/python tests/e2e/other_editors.py
	-$(BIN)/python tests/e2e/llama_server.py
	@touch $@

$(STAMP)-release: pyproject.toml requirements/release.txt $(STAMP)-serve
ifneq ($(LOCKED),0)
	$(PIP) install --requirement requirements/release.txt
endif
	$(EDITABLE) '.[release]'
	@touch $@
