# `make` alone prints what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := functions:.
# Every process of the tests and of the local stack would compile all our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up audit deploy destroy test cloud chaos bench simulate bill schedules check openapi lock vendor pictures clean

help: ## print what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A dot every two seconds while a command is silent.
patiently = (while sleep 2; do printf .; done) & dots=$$!; ($(1)); code=$$?; kill $$dots; echo; exit $$code

$(BIN)/.ready: requirements.txt
	@echo "Installing the Python packages into $(VENV) (once; a minute or some) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(call patiently,$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt && $(BIN)/python -m pip --disable-pip-version-check --quiet check)
	@touch $@

setup: $(BIN)/.ready ## install the packages and find (or fetch) the emulators and Java
	@$(BIN)/python -m local.setup

APP := tests/javascript
$(APP)/node_modules/.ready: $(APP)/package.json $(APP)/package-lock.json
	@command -v npm >/dev/null || { echo "make test runs the README's JavaScript: install Node.js 20 or newer (https://nodejs.org)."; exit 1; }
	@echo "Installing the Firebase JavaScript SDK for the tests (once) ..."
	@$(call patiently,cd $(APP) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	@touch $@

CLI := deploy/firebase-cli
$(CLI)/node_modules/.ready: $(CLI)/package.json $(CLI)/package-lock.json
	@command -v npm >/dev/null || { echo "The Firebase CLI runs on Node.js 20 or newer (https://nodejs.org)."; exit 1; }
	@echo "Installing the Firebase CLI into $(CLI) (once) ..."
	@$(call patiently,cd $(CLI) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	@touch $@

demo: setup ## the main job for real on the local stack: write jobs, watch them, see the answers (OPENAI_BASE_URL: that server; LIVE=1: OpenAI itself; STAY=1: until Ctrl-C)
	@$(BIN)/python -m local.demo $(if $(LIVE),--live) $(if $(STAY),--stay)

up: setup ## keep the local stack running, and print how an app connects (LAN=1: also for a phone in the same network; UPSTREAM=URL MODEL=... CONCURRENCY=1: that server answers)
	@$(BIN)/python -m local.up $(if $(LIVE),--live) $(if $(LAN),--lan) $(if $(UPSTREAM),--upstream "$(UPSTREAM)") \
		$(if $(MODEL),--model "$(MODEL)") $(if $(CONCURRENCY),--concurrency "$(CONCURRENCY)")

audit: $(BIN)/.ready ## check the invariants over the live database that the environment names (REPAIR=1: mend what is safe; YES=1: without asking)
	@$(BIN)/python -m cli audit $(if $(REPAIR),--repair) $(if $(YES),--yes) $(if $(JSON),--json)

# Asked first: without an answer nothing is installed.
project-of-%:
	@test -n "$(PROJECT)" || { echo "Say which project: make $* PROJECT=my-project"; exit 1; }

deploy: project-of-deploy $(BIN)/.ready $(CLI)/node_modules/.ready ## bring a Google Cloud project to what this checkout declares (PROJECT=...; REGION=asia-south1 EMAIL=...; PLAN=1: change nothing)
	@$(BIN)/python -m deploy --project "$(PROJECT)" $(if $(REGION),--region "$(REGION)") $(if $(EMAIL),--email "$(EMAIL)") $(if $(PLAN),--plan)

destroy: project-of-destroy $(BIN)/.ready $(CLI)/node_modules/.ready ## take away what make deploy made (PROJECT=...; REGION=...; ALSO=database,bucket: these too, for ever)
	@$(BIN)/python -m deploy.destroy --project "$(PROJECT)" $(if $(REGION),--region "$(REGION)") $(if $(ALSO),--also "$(ALSO)")

test: setup $(APP)/node_modules/.ready $(CLI)/node_modules/.ready ## all tests, side by side, against the real emulators
	@$(BIN)/python -m pytest -n 3 --dist worksteal

cloud: setup $(CLI)/node_modules/.ready ## a deployment by the real gcloud and Firebase CLI, against Google's APIs served on this computer
	@$(BIN)/python -m pytest -m cloud tests/deploy

chaos: setup ## faults at every journey's external calls, random nights, arbitrary inputs, hostile users, users who earn (EVERY=1: all cases; tests/chaos/__main__.py)
	@$(BIN)/python -m tests.chaos $(if $(CASE),--case $(CASE)) $(if $(NIGHT),--night $(NIGHT)) $(if $(JOURNEY),--journey $(JOURNEY)) $(if $(FAULT),--fault $(FAULT)) \
		$(if $(EVERY),--every $(EVERY)) $(if $(STEPS),--steps $(STEPS)) $(if $(SEED),--seed $(SEED)) $(if $(PROCESSES),--processes $(PROCESSES)) \
		$(if $(FUZZ),--fuzz $(FUZZ)) $(if $(KIND),--kind $(KIND)) $(if $(ROUND),--round $(ROUND)) $(if $(SIEGE),--siege $(SIEGE)) $(if $(EARNING),--earning $(EARNING)) $(if $(ONLY),--only $(ONLY))

bench: setup ## what it costs and how fast it is, against floors, into docs/BENCHMARKS.md (ONLY=ingest: one question, no page)
	@$(BIN)/python -m bench $(if $(ONLY),$(ONLY),--write)

simulate: setup ## how the whole system bears ten million jobs a month, bursts and outages, by measured service times, into docs/SCALE.md and docs/scale.svg
	@$(BIN)/python -m simulate --plot docs/scale.svg --page docs/SCALE.md

bill: setup ## what a month costs, from list prices and measured counts (JOBS=250000: another number; WRITE=1: docs/COST.md)
	@$(BIN)/python -m bench.bill $(if $(JOBS),--jobs $(JOBS)) $(if $(WRITE),--write)

schedules: $(BIN)/.ready ## bring Cloud Scheduler and Pub/Sub to the table of functions (PROJECT=..., REGION=...; PLAN=1: print the plan alone)
	@$(BIN)/python -m cli schedules sync $(if $(PROJECT),--project "$(PROJECT)") $(if $(REGION),--region "$(REGION)") $(if $(PLAN),--plan)

check: $(BIN)/.ready ## lint, strict types, import layers, terms, known vulnerabilities (VULNERABILITIES=offline: not those, where no network is)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m local.terms
	@$(BIN)/python -m local.vulnerabilities functions/requirements.txt

vendor: $(BIN)/.ready $(APP)/node_modules/.ready ## bring the dashboard's libraries from npm's packages into dashboard/vendor
	@$(BIN)/python -m local.vendor

pictures: setup ## draw docs/dashboard.png anew, by Chromium, from a night on the local stack
	@$(BIN)/python -m local.pictures

openapi: $(BIN)/.ready ## write docs/openapi.yaml from the API's route table
	@$(BIN)/python -m local.openapi

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-annotate --no-header
lock: $(BIN)/.ready ## pin all that the requirements.in files need, with hashes, into the requirements.txt files
	@$(LOCK) functions/requirements.in -o functions/requirements.txt
	@$(LOCK) requirements.in -c functions/requirements.txt -o requirements.txt

clean: ## remove what the commands above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache $(APP)/node_modules $(CLI)/node_modules $(CLI)/.config
