# crlgate. "make" alone says what can be made.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
BUILD     := build
FUNCTIONS := preprocessor authorizer
ARCHES    := arm64 amd64
HOSTARCH   = $(shell $(GO) env GOARCH)

# Binaries come out the same on every machine: no paths, no version control
# stamps, no symbols, no cgo.
GOFLAGS_FUNCTION := -trimpath -buildvcs=false -tags lambda.norpc -ldflags='-s -w -buildid='
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
	@$(GO) build -trimpath -buildvcs=false -o $(BUILD)/bin/crlgate ./cmd/crlgate

.PHONY: build
build: crlgate functions ## Build everything

.PHONY: demo
demo: crlgate functions-host ## Run everything on this machine, with a throwaway PKI
	@$(BUILD)/bin/crlgate demo

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BUILD)
