# Linkgate: `make demo` and `make test` work on a fresh machine that has git, make and a Rust toolchain. They install what
# is missing (and say so), resolve the pinned Kafka jars, build RocksDB once into a cache outside target/, and run.
# LINKGATE_CACHE moves the cache (default: ~/.cache/linkgate).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: instructions help setup build-tests test check interop soak soak-pair stop-matrix hostile hostile-producers fuzz bench bench-quick bench-soak bench-setup demo fmt fmt-check lint deny advisories clean-demo

# What cargo needs to find RocksDB and libclang.
env = eval "$$(tests/setup/env.sh)"
# One way to build everything: a second one would select other features and compile the dependencies again.
build = cargo build --workspace --bins --tests
# Suites that run at the same time. The tests of one suite share clusters and run one after the other.
jobs ?= 2

include proxy/packaging/packaging.mk

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: ## Install and fetch what a build, the tests and the demo need
	@tests/setup/all.sh

build-tests: ## Build everything as the tests use it, in target/debug
	@tests/setup/all.sh packages
	@$(env); $(build)

test: setup ## All tests, on real Kafka brokers; ends with the time of each suite (SUITES="promote failover")
	@$(env); tests/suites.py --check $(SUITES); $(build); tests/suites.py --jobs $(jobs) $(SUITES)

check: ## Format, lints and unit tests, without brokers: the inner loop, under two minutes when warm
	@cargo fmt --all --check
	@tests/setup/all.sh packages
	@$(env); cargo clippy --workspace --all-targets -- -D warnings; tests/suites.py --unit --threads 4

interop: setup ## Every client library through the gateway, and a table (LINKGATE_CLIENTS, LINKGATE_STEPS)
	@$(env); $(build); LINKGATE_ALL_CLIENTS=1 cargo test --workspace --test client_matrix -- --nocapture --test-threads=1

soak: setup ## 1,000 faults of every kind, and an audit (LINKGATE_FAULTS, LINKGATE_SEED)
	@$(env); $(build); LINKGATE_FAULTS=$${LINKGATE_FAULTS:-1000} cargo test --workspace --test soak -- --nocapture --test-threads=1

soak-pair: setup ## Two Linkgates on the same partitions for ten minutes, with kills (LINKGATE_SECONDS)
	@$(env); $(build); LINKGATE_SECONDS=$${LINKGATE_SECONDS:-600} cargo test --workspace --test two_linkgates -- --nocapture --test-threads=1

stop-matrix: setup ## Promote and failover from every state, all 648 cases with every record compared (LINKGATE_CASES)
	@$(env); $(build); LINKGATE_MATRIX=all cargo test --workspace --test stop_matrix -- --nocapture --test-threads=1

hostile: setup ## Hostile clients, 20 s of each load, and what everybody else feels of them (LINKGATE_LOADS)
	@$(env); $(build); LINKGATE_HOSTILE=long cargo test --workspace --test hostile_loads -- --nocapture --test-threads=1

hostile-producers: setup ## Any batch that a broker takes is mirrored or told (LINKGATE_BATCHES, LINKGATE_SEED)
	@$(env); $(build); LINKGATE_BATCHES=$${LINKGATE_BATCHES:-1000} cargo test --workspace --test hostile_producers -- --nocapture --test-threads=1

bench: bench-setup ## Beside MirrorMaker 2, Kafka's follower and HAProxy, in one run; writes docs/performance.md (ARGS=--jobs=lag)
	@LINKGATE_FULL_JIT=1 LINKGATE_BIN_DIR=target/release target/release/bench --docs docs $(ARGS)

bench-quick: bench-setup ## Less of it, in about ten minutes; writes nothing
	@LINKGATE_FULL_JIT=1 LINKGATE_BIN_DIR=target/release target/release/bench --quick $(ARGS)

bench-soak: bench-setup ## An hour at half the rate of a catch-up: memory, open files and lag must not grow
	@LINKGATE_FULL_JIT=1 LINKGATE_BIN_DIR=target/release target/release/bench --jobs=soak $(ARGS)

bench-setup: setup
	@bench/setup.sh
	@$(env); cargo build --release --workspace --bins

instructions: ## Instructions of each hot path for one run of it (callgrind): a report
	@$(env); cargo build --workspace --example hot_path && bench/instructions.sh target/debug/examples/hot_path

fuzz: setup ## Fuzz TARGET (see proxy/fuzz/fuzz_targets) for SECONDS (600); installs cargo-fuzz into the cache once
	@$(env); cargo="$$(tests/setup/cargo_fuzz.sh)"; cd proxy/fuzz && RUSTC_BOOTSTRAP=1 "$$cargo" run --fuzz-dir . $(or $(TARGET),session) -- -max_total_time=$(or $(SECONDS),600) -max_len=65536 -rss_limit_mb=4096

demo: ## The whole story on real data, in about three minutes (ARGS=--keep leaves it running)
	@tests/setup/all.sh demo
	@$(env); cargo build --workspace --exclude linkgate-bench --bins; target/debug/demo $(ARGS)

fmt: ## Format the source
	@cargo fmt --all

fmt-check: ## Check the format
	@cargo fmt --all --check

lint: ## Clippy, warnings denied
	@tests/setup/all.sh packages
	@$(env); cargo clippy --workspace --all-targets -- -D warnings

advisories: ## Known weaknesses of the dependencies, and yanked ones: needs network, and the answer depends on the day
	@"$$(tests/setup/cargo_deny.sh)" --all-features check advisories

deny: ## Licences, bans and sources of the dependencies
	@"$$(tests/setup/cargo_deny.sh)" --all-features check bans licenses sources
