# Bare `make` prints this help. Everything that a target needs it builds or installs itself;
# heavy parts (Kubernetes, Envoy) are kept under the user's cache directory.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= dev
LDFLAGS := -s -w -X main.version=$(VERSION)
CLUSTER := go -C test/cluster run .
TEST_FLAGS ?=
export GOFLAGS := -buildvcs=false $(GOFLAGS)

##@ See it

.PHONY: demo
demo: ## Bring up a cluster, install Sluice, run the walk-through and leave it running (FAST=1: short intervals; USE_CLUSTER=1: the cluster of your kubeconfig)
	go run ./test/e2e/demo $(if $(FAST),--fast) $(if $(USE_CLUSTER),--use-cluster)

.PHONY: cluster-up cluster-down cluster-status kubeconfig images
cluster-up: ## Start a real Kubernetes: kind where Docker works, else its own components
	@$(CLUSTER) up
cluster-down: ## Stop it and leave nothing behind
	@$(CLUSTER) down
cluster-status: ## Say what runs
	@$(CLUSTER) status
kubeconfig: ## Print the path of the cluster's kubeconfig
	@$(CLUSTER) kubeconfig
images: ## Build our images without Docker and load them into the cluster
	@$(CLUSTER) images

##@ Build

.PHONY: build
build: ## Compile every command into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: image
image: ## Build the three images with Docker
	for target in sluice sluice-proxy sluice-loadtester; do \
	  docker build --target $$target --build-arg VERSION=$(VERSION) -t ghcr.io/sluice-mesh/$$target:$(VERSION) . || exit 1; done

.PHONY: krew
krew: ## Pack kubectl sluice for krew into bin/krew (VERSION=v1.2.3)
	go run ./config/krew/pack -version '$(VERSION)'

.PHONY: generate
generate: ## Regenerate deepcopy and CRDs from pkg/api, the pages of fields and docs/rules from the cases of fields and rules, the chart from config
	go generate ./pkg/api/... ./test/fields ./test/rulebook ./charts/...

##@ Test

.PHONY: test
test: test-unit test-modules test-walkthrough ## Everything: pure code, real API server, real Envoy, and the walk-through on a real cluster

.PHONY: test-unit
test-unit: ## All Go tests of the product, with a real kube-apiserver, etcd, Envoy and Prometheus
	@assets=$$($(CLUSTER) assets) && envoy=$$($(CLUSTER) tool envoy) && prometheus=$$($(CLUSTER) tool prometheus) && set -x && \
	SLUICE_REQUIRE=1 KUBEBUILDER_ASSETS=$$assets SLUICE_ENVOY=$$envoy SLUICE_PROMETHEUS=$$prometheus go test $(TEST_FLAGS) -timeout 20m ./...

.PHONY: test-modules
test-modules: ## The tests of the cluster tool, of the API's conformance, of the chart and with cert-manager, in modules of their own
	go -C test/cluster test $(TEST_FLAGS) ./...
	go -C test/conformance test $(TEST_FLAGS) ./...
	assets=$$($(CLUSTER) assets) && for partner in helm certmanager; do \
	  SLUICE_REQUIRE=1 KUBEBUILDER_ASSETS=$$assets go -C test/partners/$$partner test $(TEST_FLAGS) ./... || exit 1; done

.PHONY: test-walkthrough
E2E_TIMEOUT := 40m
test-walkthrough: ## The walk-through of the README on a real cluster, and what callers in a mesh rely on most
	go test $(TEST_FLAGS) -tags e2e -count 1 -v -timeout $(E2E_TIMEOUT) $(if $(TOPIC),-run '$(TOPIC)') ./test/e2e

.PHONY: e2e
e2e: export SLUICE_TIMED := 1
e2e: export SLUICE_MESH := all
e2e: export SLUICE_PARTNERS := $(PARTNERS)
e2e: E2E_TIMEOUT := 120m
e2e: laws test-walkthrough ## The same with every topic and the timed promises: for a quiet machine (PARTNERS=1: with Flagger and Prometheus, too; TOPIC=TestInjection/jobs: that alone)

LAWS := 100000

.PHONY: laws
laws: ## The laws of the release engine over LAWS random stories each, the process dying between any two writes (minutes)
	SLUICE_LAWS=$(LAWS) go test $(TEST_FLAGS) -timeout 120m -run 'TestLaws|TestAnything' ./pkg/canary

.PHONY: bench
bench: ## Measure what the design promises, side by side with peers where there are any; figures, no verdicts
	@assets=$$($(CLUSTER) assets) && envoy=$$($(CLUSTER) tool envoy) && set -x && ulimit -n $$(ulimit -Hn) && \
	SLUICE_REQUIRE=1 KUBEBUILDER_ASSETS=$$assets SLUICE_ENVOY=$$envoy go test $(TEST_FLAGS) -timeout 60m -run '^$$' -bench . -benchtime 20x ./test/bench/...

.PHONY: bench-rollback
bench-rollback: ## Measure on the real cluster how long users get errors from a release that begins to fail, beside an unmodified Flagger (half an hour)
	go run ./test/bench/rollback $(ROLLBACK_FLAGS)

.PHONY: judges
judges: ## Simulate the continuous judge and write its tables into docs/judges.md, some minutes
	go run ./test/judges -o docs/judges.md

.PHONY: golden
golden: ## Rewrite the golden files from what the code does now; review the diff
	@envoy=$$($(CLUSTER) tool envoy) && SLUICE_ENVOY=$$envoy go test ./pkg/inject ./pkg/mesh ./pkg/xds ./pkg/canary ./pkg/validate ./cmd/webhook/settings -update

.PHONY: lint
lint: ## go vet and golangci-lint, pinned in golangci.mod
	go vet ./...
	go tool -modfile=golangci.mod golangci-lint run ./...

.PHONY: verify
verify: ## Generate in a copy and compare: what is checked in is what the generators make
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && git ls-files -z | xargs -0 cp --parents -t "$$copy" && \
	( cd "$$copy" && go generate ./pkg/api/... ./test/fields ./test/rulebook ./charts/... ) && \
	diff -ru pkg/api "$$copy/pkg/api" && diff -ru config/crd "$$copy/config/crd" && \
	for page in fields.md release-fields.md; do diff -u docs/$$page "$$copy/docs/$$page" || exit 1; done && diff -ru docs/rules "$$copy/docs/rules" && \
	diff -ru charts "$$copy/charts" && echo "generated files are up to date"

.PHONY: check
check: lint verify test-unit ## What to run before a commit

.PHONY: clean
clean: ## Remove bin/
	rm -rf bin

.PHONY: help
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "; print "Usage: make <target>"} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
