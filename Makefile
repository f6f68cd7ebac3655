# The commands of this repository. `make demo` and `make test` install what is missing on a fresh Debian or Ubuntu.

# Compiled files live outside the checkout: a fresh clone is warm, and a cleaned one leaves nothing behind.
CARGO_TARGET_DIR ?= $${XDG_CACHE_HOME:-$$HOME/.cache}/strangler/target
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# `$$` in the default above is expanded by the shell of each recipe.
CARGO := export CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)"; cargo

.DEFAULT_GOAL := help
.PHONY: help install demo test test-long lint format bench deny advisories cargo-deny

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install:
	@scripts/install.sh

demo: install ## The whole story on one screen: throw-away legacy shop and service database, live
	@$(CARGO) run --locked --quiet --bin strangler -- demo $(ARGS)

test: install ## All tests against real servers; TEST=name runs those whose name contains it
	@if root=$$(scripts/fetch-mysql.sh); then export STRANGLER_MYSQL_ROOT="$$root"; \
	else echo "make test: MySQL cannot be had here; its tests skip" >&2; export STRANGLER_MYSQL=absent; fi; \
	export CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" STRANGLER_REQUIRE_DB=1; scripts/test.sh $(TEST)

test-long: install ## The same tests with more rounds, larger data and the whole matrix of servers; half an hour of soak; the extremes; a rehearsal
	@root=$$(scripts/fetch-mysql.sh); export STRANGLER_MYSQL_ROOT="$$root"; \
	export CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" STRANGLER_REQUIRE_DB=1 STRANGLER_LONG=1; scripts/test.sh $(TEST); \
	for version in 17 18; do \
	  echo "make test-long: PostgreSQL $$version" >&2; folder=$$(scripts/fetch-postgres.sh $$version); \
	  STRANGLER_LONG=0 STRANGLER_PG_BIN="$$folder" scripts/test.sh target::postgres source::postgres migrate::tests::postgres from_postgres crm:: pairs::postgres \
	    scenarios::tls scenarios::state shop:: northwind; \
	done; \
	if [ -z "$(TEST)" ]; then \
	  cargo bench --locked --bench soak; \
	  EXTREME_ROWS="$${EXTREME_ROWS:-1000000}" EXTREME_BYTES="$${EXTREME_BYTES:-268435456}" cargo bench --locked --bench extremes; \
	  REHEARSAL_ORDERS="$${REHEARSAL_ORDERS:-200000}" cargo bench --locked --bench rehearsal; \
	fi

lint: ## Formatting and clippy, warnings refused
	@$(CARGO) fmt --check
	@$(CARGO) clippy --locked --all-targets -- -D warnings

format: ## Format every file
	@$(CARGO) fmt

bench: install ## Measure against a raw SELECT drain and a raw COPY of the same run
	@export SOAK_MINUTES="$${SOAK_MINUTES:-2}" EXTREME_ROWS="$${EXTREME_ROWS:-200000}" EXTREME_BYTES="$${EXTREME_BYTES:-134217728}" REHEARSAL_ORDERS="$${REHEARSAL_ORDERS:-20000}"; $(CARGO) bench --locked $(ARGS)

deny: cargo-deny ## Licences, bans and sources of all dependencies
	@cargo deny --locked --log-level error check licenses bans sources

advisories: cargo-deny ## Known vulnerabilities in dependencies; fetches the advisory database
	@cargo deny --locked --log-level error check advisories

cargo-deny:
	@cargo deny --version >/dev/null 2>&1 || { export CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)"; cargo install --locked cargo-deny; }
