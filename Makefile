# The one entry for people and for CI.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# One binary for each folder in tests. The control plane's comes last, because it closes with the count.
suites := $(filter-out control_plane simulate simulation,$(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)))
control_plane := $(patsubst tests/%/main.rs,--test %,$(wildcard tests/control_plane/main.rs))

.PHONY: help test simulation examples sweep soak bench-judge bench-promotion bench-scale bench-traffic crds

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

test: ## Set up what the machine lacks, check format and lints, run every test
	@variables="$$(.ci/setup)" && eval "$$variables" \
	&& cargo fmt --check \
	&& cargo clippy --locked --all-targets -- -D warnings \
	&& cargo test --locked --lib $(suites:%=--test %) \
	&& $(MAKE) simulation \
	$(if $(control_plane),&& cargo test --locked $(control_plane))

# What simulates much is built as for release, but linked in parts: linking it as one takes minutes.
optimised := cargo test --locked --profile bench
simulation := $(optimised) --test simulation --
SEEDS ?= 10000

simulation: ## Simulate every example, play every scene, the sweep, and ten thousand seeds
	@$(optimised) --test simulate
	@$(simulation)
	@$(MAKE) sweep
	@$(MAKE) soak

examples: ## Simulate every example, the one of six days too
	@$(optimised) --test simulate every_example

sweep: ## Play every fault at every call of the operator, in every scene
	@$(simulation) sweep

soak: ## Play SEEDS random runs; every one of them has to be safe, and come to rest
	@$(simulation) soak $(SEEDS)

bench-judge: ## Measure how often verdicts are wrong, how fast they are, and what they cost
	@cargo bench --locked --bench judge

bench-promotion: ## Measure a promotion on the real control plane: writes, events, time to revert
	@variables="$$(.ci/setup)" && eval "$$variables" && cargo bench --locked --bench promotion

bench-scale: ## Measure the operator among 10,000 Rollouts at rest and 1,000 in progress, on the embedded cluster
	@cargo bench --locked --bench scale

bench-traffic: ## Measure what customers notice behind Envoy and behind Traefik: lost requests, shares, time to revert
	@variables="$$(.ci/setup)" && eval "$$variables" && cargo bench --locked --bench traffic

.PHONY: test-oldest
test-oldest: ## Run every behaviour on the oldest version of Kubernetes that is tested, of which make test runs a part
	@variables="$$(.ci/setup)" && eval "$$variables" && cargo test --locked --test control_plane -- oldest:

crds: ## Write crds/ and the chart's from the Rust types
	TIDEGATE_WRITE_CRDS=1 cargo test --locked --quiet --test packaging the_definitions_in_the_repository
