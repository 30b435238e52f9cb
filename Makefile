# The one entry for people and for CI.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help test simulation examples sweep soak bench-judge bench-metrics bench-notify bench-promotion bench-scale bench-traffic bench-weather crds reference printed dist

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

test: ## Set up what the machine lacks, check format and lints, run every test; say how long each step took
	@.ci/test

simulation := cargo test --locked --test simulation --
SEEDS ?= 10000

simulation: ## Simulate every example whole, play every scene, the whole sweep, and SEEDS seeds
	@$(MAKE) examples
	@$(simulation)
	@$(MAKE) sweep
	@$(MAKE) soak

examples: ## Simulate every example and every runbook, those of weeks too
	@EXAMPLES=whole cargo test --locked --test simulate -- every_example runbooks:: releases_in_the_weather

sweep: ## Play every fault at every call of the operator, in every scene
	@$(simulation) sweep

soak: ## Play SEEDS random runs; every one of them has to be safe, and come to rest
	@$(simulation) soak $(SEEDS)

bench-judge: ## Measure how often verdicts are wrong, how fast they are, and what they cost
	@cargo bench --locked --bench judge

bench-metrics: ## Measure one look at 10,800 series of a real Prometheus: processor time, bytes, memory
	@variables="$$(.ci/setup)" && eval "$$variables" && cargo bench --locked --bench metrics

bench-notify: ## Measure how fast versions go back while everything is told, to receivers that take it and to others that hang
	@cargo bench --locked --bench notify

bench-promotion: ## Measure a promotion on the real control plane: writes, events, time to revert
	@variables="$$(.ci/setup)" && eval "$$variables" && cargo bench --locked --bench promotion

bench-scale: ## Measure the operator among 10,000 Rollouts at rest and 1,000 in progress, on the embedded cluster
	@cargo bench --locked --bench scale

bench-traffic: ## Measure what customers notice behind Envoy and behind Traefik: lost requests, shares, time to revert
	@variables="$$(.ci/setup)" && eval "$$variables" && cargo bench --locked --bench traffic

.PHONY: test-oldest
test-oldest: ## Run every behaviour on the oldest version of Kubernetes that is tested, of which make test runs a part
	@variables="$$(.ci/setup)" && eval "$$variables" && cargo test --locked --test control_plane -- oldest:

bench-weather: ## Play SEEDS (50) seeds of every scenario of examples/weather, by Tidegate, and by the rules of Flagger and Argo Rollouts
	@SEEDS=$(if $(filter command line environment,$(origin SEEDS)),$(SEEDS),50) cargo bench --locked --bench weather

crds: ## Write crds/, the chart's and docs/reference from the Rust types
	TIDEGATE_WRITE_CRDS=1 cargo test --locked --quiet --test packaging the_definitions_in_the_repository
	@$(MAKE) reference

reference: ## Write docs/reference from the code: fields, reasons, metrics, names on objects
	TIDEGATE_WRITE_REFERENCE=1 cargo test --locked --quiet --test packaging reference::

printed: ## Write into README and docs what the commands in them print
	@variables="$$(.ci/setup)" && eval "$$variables" && export TIDEGATE_WRITE_PRINTED=1 \
	&& cargo test --locked --quiet --test packaging in_the_documentation \
	&& cargo test --locked --quiet --test backtest in_the_documentation

.PHONY: screenshots
screenshots: ## Write docs/dashboard: the pictures that the browser test makes of the demo
	@variables="$$(.ci/setup)" && eval "$$variables" && TIDEGATE_WRITE_SCREENSHOTS=1 cargo test --locked --quiet --test dashboard the_demo

.PHONY: recording
recording: ## Write docs/watch: tidegate watch on the bad release of the demo, as a moving picture
	cargo build --locked
	TIDEGATE=target/debug/tidegate docs/watch/record

DOWNLOADS =
HOMEPAGE =
dist: ## Build the plugin of kubectl for this machine's platform, and its manifest for krew: DOWNLOADS=https://… HOMEPAGE=https://…
	$(if $(and $(DOWNLOADS),$(HOMEPAGE)),,$(error DOWNLOADS and HOMEPAGE say where the archives and the project are: give both))
	cargo build --profile dist --locked
	deploy/krew/dist target/dist/tidegate "$$(cargo pkgid --locked | sed 's/.*[@#]//')" \
		"linux/$$(uname -m | sed -e s/x86_64/amd64/ -e s/aarch64/arm64/)" "$(DOWNLOADS)" "$(HOMEPAGE)" target/dist/krew
