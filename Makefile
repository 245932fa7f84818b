# crlgate. "make" alone says what can be made.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
BUILD     := build
FUNCTIONS := preprocessor authorizer truststore fetcher
ARCHES    := arm64 amd64
HOSTARCH   = $(shell $(GO) env GOARCH)

# What "crlgate --version" says of a build from a clone; empty outside of one.
REVISION  := $(shell git describe --tags --always --dirty 2>/dev/null)

# Binaries come out the same on every machine: no paths, no version control
# stamps, no symbols, no cgo. TAGS=otel links OpenTelemetry traces (docs/operations.md).
comma := ,
TAGS  ?=
GOFLAGS_FUNCTION := -trimpath -buildvcs=false -tags lambda.norpc$(addprefix $(comma),$(TAGS)) -ldflags='-s -w -buildid='
GO_VERSION_WANT  := 1.26

.PHONY: help
help: ## Say what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: need-go
need-go:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go $(GO_VERSION_WANT) or newer (https://go.dev/dl/)." >&2; exit 1; }
	@v=$$($(GO) env GOVERSION); v=$${v#go}; \
	if [ "$$(printf '%s\n' "$(GO_VERSION_WANT)" "$$v" | sort -V | head -n1)" != "$(GO_VERSION_WANT)" ]; then \
	  echo "Go $$v is too old: install Go $(GO_VERSION_WANT) or newer (https://go.dev/dl/)." >&2; exit 1; fi

.PHONY: need-node
need-node:
	@command -v node >/dev/null || { echo "Node.js is missing: the CDK needs it; install Node.js 20 or newer (https://nodejs.org/)." >&2; exit 1; }

## Building

.PHONY: functions-host
functions-host: need-go ## Build the functions for this machine
	@for f in $(FUNCTIONS); do \
	  CGO_ENABLED=0 $(GO) build $(GOFLAGS_FUNCTION) -o $(BUILD)/lambda/$(HOSTARCH)/$$f/bootstrap ./functions/$$f; done

.PHONY: functions
functions: need-go ## Build the functions for Lambda, arm64 and amd64
	@for arch in $(ARCHES); do for f in $(FUNCTIONS); do \
	  CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build $(GOFLAGS_FUNCTION) -o $(BUILD)/lambda/$$arch/$$f/bootstrap ./functions/$$f; done; done

.PHONY: crlgate
crlgate: need-go ## Build the command line, build/bin/crlgate
	@[ -x $(BUILD)/bin/crlgate ] || echo "Building crlgate and the local S3 server; the first time takes a few minutes …" >&2
	@$(GO) build -trimpath -buildvcs=false -ldflags='-X main.revision=$(REVISION)' -o $(BUILD)/bin/crlgate ./cmd/crlgate

.PHONY: build
build: crlgate functions ## Build everything

.PHONY: demo
demo: crlgate functions-host ## Run everything on this machine, with a throwaway PKI
	@$(BUILD)/bin/crlgate demo

## Checking

TOOL := $(GO) tool -modfile=tools/go.mod

# testdata/ is passed over by ./..., and its generator is Go all the same.
PACKAGES := ./... ./testdata/generate

.PHONY: fmt
fmt: need-go ## Format the code
	@$(TOOL) gofumpt -w $$(git ls-files '*.go')

.PHONY: fmt-check
fmt-check: need-go
	@out=$$($(TOOL) gofumpt -l $$(git ls-files '*.go')); \
	if [ -n "$$out" ]; then echo "not formatted (make fmt):" >&2; echo "$$out" >&2; exit 1; fi

.PHONY: lint
lint: fmt-check ## Check format, go vet, staticcheck, tidiness of go.mod
	$(GO) vet $(PACKAGES)
	$(TOOL) staticcheck $(PACKAGES)
	$(GO) vet -C tools ./...
	$(TOOL) actionlint .github/workflows/*.yml
	$(GO) mod tidy -diff
	$(GO) mod verify >/dev/null

# End-to-end tests run the real binaries, so these are built first; the CDK
# needs Node. -count=1: what runs processes is not cached.
.PHONY: test
test: need-go need-node crlgate functions-host ## Run all tests: units, and end to end over real S3, TLS and binaries
	CRLGATE_BIN="$(CURDIR)/$(BUILD)/bin/crlgate" CRLGATE_FUNCTIONS="$(CURDIR)/$(BUILD)/lambda/$(HOSTARCH)" \
	  $(GO) test -count=1 -timeout 20m -cover $(PACKAGES)
	$(GO) test -C tools -count=1 ./...

# MinIO is another implementation of S3, with notifications of its own. Its binary is built from the Go module proxy,
# run as a process and never linked; that takes some minutes the first time.
.PHONY: minio test-minio
minio: need-go
	@[ -x $(BUILD)/bin/minio ] || echo "Building MinIO; the first time takes some minutes …" >&2
	@CGO_ENABLED=0 $(GO) build -C tools/minio -o "$(CURDIR)/$(BUILD)/bin/minio" github.com/minio/minio

test-minio: crlgate functions-host minio ## Run the end-to-end tests against a second S3 server, MinIO
	CRLGATE_MINIO="$(CURDIR)/$(BUILD)/bin/minio" CRLGATE_BIN="$(CURDIR)/$(BUILD)/bin/crlgate" CRLGATE_FUNCTIONS="$(CURDIR)/$(BUILD)/lambda/$(HOSTARCH)" \
	  $(GO) test -count=1 -timeout 20m ./cmd/crlgate/e2e

# step-ca is a CA that publishes CRLs over HTTP; built and run as MinIO is.
.PHONY: step-ca test-step-ca
step-ca: need-go
	@[ -x $(BUILD)/bin/step-ca ] || echo "Building step-ca; the first time takes some minutes …" >&2
	@CGO_ENABLED=0 $(GO) build -C tools/stepca -trimpath -buildvcs=false -o "$(CURDIR)/$(BUILD)/bin/step-ca" github.com/smallstep/certificates/cmd/step-ca

test-step-ca: crlgate functions-host step-ca ## Revoke at a real step-ca, and be denied at the gateway
	CRLGATE_STEP_CA="$(CURDIR)/$(BUILD)/bin/step-ca" CRLGATE_BIN="$(CURDIR)/$(BUILD)/bin/crlgate" CRLGATE_FUNCTIONS="$(CURDIR)/$(BUILD)/lambda/$(HOSTARCH)" \
	  $(GO) test -count=1 -timeout 10m -v -run '^TestStepCA$$' ./cmd/crlgate/e2e

# The race detector watches what is ours. The S3 server's own package is left
# out: it links a server of a million lines that is not ours to mend. The CDK
# is driven from one goroutine.
.PHONY: race
race: need-go crlgate functions-host ## Run the tests under the race detector
	CRLGATE_BIN="$(CURDIR)/$(BUILD)/bin/crlgate" CRLGATE_FUNCTIONS="$(CURDIR)/$(BUILD)/lambda/$(HOSTARCH)" \
	  $(GO) test -race -count=1 -timeout 25m $$($(GO) list $(PACKAGES) | grep -v -e /s3local -e /infra -e 'cmd/crlgate$$')

.PHONY: conformance
conformance: need-go ## Run the third-party cases in the folder CRLGATE_CONFORMANCE
	@[ -n "$${CRLGATE_CONFORMANCE:-}" ] || { echo "CRLGATE_CONFORMANCE is not set: it names the folder of the third-party cases, which are not part of this repository." >&2; exit 1; }
	@$(GO) test -count=1 -v -run 'TestConformance|TestThirdParty' ./cmd/crlgate/internal/check ./cmd/crlgate/internal/explain ./pkg/crl

# Every interleaving of S3 calls of several preprocessors, with a crash or fault at each: docs/design/invariants.md.
.PHONY: model
model: need-go ## Go through the whole model of the write path; takes half an hour
	CRLGATE_MODEL=full $(GO) test -count=1 -v -timeout 180m -run '^TestModel$$' ./pkg/preprocess

# A run whose time ends while an input is under way fails with "context deadline exceeded" and no failing input; it is
# made once more.
FUZZTIME ?= 10s
.PHONY: fuzz
fuzz: need-go ## Run each fuzz target for FUZZTIME (default 10s)
	@for pkg in $$($(GO) list ./pkg/... ./internal/... ./cmd/...); do \
	  dir=$$($(GO) list -f '{{.Dir}}' $$pkg); \
	  for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go 2>/dev/null | sed 's/func //' | sort -u); do \
	    echo "fuzzing $$pkg $$target for $(FUZZTIME)"; \
	    for try in 1 2; do \
	      out=$$($(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s $$pkg 2>&1) && { echo "$$out"; break; }; \
	      echo "$$out"; \
	      if [ $$try = 2 ] || grep -q 'Failing input' <<<"$$out" || ! grep -q 'context deadline exceeded' <<<"$$out"; then exit 1; fi; \
	      echo "the time ran out within an input, which go test takes for a failure: once more"; done; done; done

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BUILD)

include infra/infra.mk
include cmd/crlgate/internal/console/console.mk
include bench/bench.mk
include cmd/crlgate/faults/faults.mk
include cmd/crlgate/faults/soak/soak.mk
include tools/release/release.mk
include tools/mutants/mutants.mk
