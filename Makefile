# Every target sets up what it needs. The one variable is PYTHON, any Python from 3.11 on: make setup PYTHON=python3.12

PYTHON = python3
VENV := .venv
BIN := $(VENV)/bin

# The environment is made anew when what it was made from has changed: the lock, the interpreter or the place.
STAMP := $(VENV)/made-of-$(shell { cat requirements.lock; $(PYTHON) -VV; pwd; } 2>&1 | sha256sum | cut -c1-16)

# What a user's shell says about other Pythons must not reach ours.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONOPTIMIZE VIRTUAL_ENV PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore

# Tests run on servers of their own, whatever installation the shell is set up for.
CLEAN := env $(patsubst %,-u %,$(filter-out QS_PG_BIN QS_REDIS_BIN,$(filter QS_%,$(.VARIABLES))))

.DEFAULT_GOAL := help
.PHONY: help setup demo up scheduler-run scheduler-api scheduler-build test-scheduler-api test test-fast proof proof-long fuzz coverage check bench build clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the environment in .venv from the locked dependencies

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "qs needs Python 3.11 or later and '$(PYTHON)' is not; name one: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "'$(PYTHON)' cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --no-input --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --quiet --no-input --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Play a published trial, enrollment to last expiry, in under 90 s
	@$(BIN)/qs demo --plot build/demo-retention.svg

up: setup ## Run everything on this machine until Ctrl-C
	@$(BIN)/qs up

scheduler-run: setup ## Run the clock and the workers of the jobs alone, until Ctrl-C
	@$(BIN)/qs worker --roles ticker,executions

scheduler-api: up ## Run the API with the jobs in its process group, until Ctrl-C

scheduler-build: build ## Build the package, which has the scheduler in it

test-scheduler-api: setup ## Run the tests of the scheduler's HTTP interface
	@$(CLEAN) $(BIN)/python -m pytest -q -n 2 tests/integration/jobs_http

test: setup ## Run the tests, all but those that need Debian's programs
	@$(CLEAN) $(BIN)/python -m pytest -n 2 --dist worksteal -m "not system and not fuzz and not proof and not proof_long"

test-fast: setup ## Run the tests that need no server
	@$(CLEAN) $(BIN)/python -m pytest -q tests/unit tests/architecture

proof: setup ## Kill, cut off, freeze and flood real processes, and count what was lost or done twice
	@$(CLEAN) $(BIN)/python -m tests.proof
	@$(CLEAN) $(BIN)/python -m pytest -q -m proof_long tests/proof

proof-long: setup ## The same with 5,000 random kills
	@$(CLEAN) $(BIN)/python -m tests.proof --rounds 5000

fuzz: setup ## Send 500 generated requests per operation, and sequences of them for half an hour
	@$(CLEAN) env QS_FUZZ_LONG=1 QS_FUZZ_EXAMPLES=500 QS_FUZZ_SECONDS=7200 $(BIN)/python -m pytest -q -rP -n 2 tests/fuzz

coverage: setup ## Run the tests and report what they do not reach, in htmlcov/
	@$(BIN)/coverage erase
	@$(CLEAN) $(BIN)/coverage run -m pytest -n 2 --dist worksteal -m "not system and not fuzz and not proof and not proof_long"
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage html --quiet
	@$(BIN)/coverage report --skip-covered

check: setup ## Lint, format, types, import contracts, security findings, known vulnerabilities
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict src workers tests bench
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src workers
	@$(BIN)/python .ci/audit.py

bench: setup ## Measure what the machine allows and what we reach, in under 10 minutes
	@$(BIN)/python -m bench

build: setup ## Build the wheel into dist/
	@$(BIN)/hatchling build --target wheel

clean: ## Remove everything that was made here, data in QS_HOME excepted
	@rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	    .import_linter_cache .grimp_cache .schemathesis
	@find src workers tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
