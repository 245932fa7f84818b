# A release: what is handed on, with checksums, software bills of materials and the notices of others. Included by the
# top-level Makefile; run from the top of the repository. docs/release.md says how to make one and how to check one.

RELEASE     ?= $(BUILD)/release
RELEASE_TOOL = $(BUILD)/bin/release
CLI_NAME     = crlgate-$(shell $(GO) env GOOS)-$(shell $(GO) env GOARCH)
SBOM         = "$$sbom" app -json -licenses -std -noserial -notimestamp

$(RELEASE_TOOL): $(wildcard tools/release/*.go) tools/go.mod | need-go
	@$(GO) build -C tools -o "$(CURDIR)/$@" ./release

.PHONY: release-functions
release-functions: functions $(RELEASE_TOOL)
	@mkdir -p $(RELEASE)
	@for f in $(FUNCTIONS); do \
	  $(RELEASE_TOOL) notices -o $(BUILD)/lambda/$$f.notices ./functions/$$f; \
	  for arch in $(ARCHES); do \
	    $(RELEASE_TOOL) zip -o $(RELEASE)/$$f-linux-$$arch.zip \
	      $(BUILD)/lambda/$$arch/$$f/bootstrap $(BUILD)/lambda/$$f.notices=THIRD_PARTY_NOTICES LICENSE; done; done

# The command line is built for the machine that builds; GOOS and GOARCH name another.
.PHONY: release-cli
release-cli: $(RELEASE_TOOL)
	@mkdir -p $(RELEASE)
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='-s -w -buildid= -X main.revision=$(REVISION)' -o $(BUILD)/release-cli/crlgate ./cmd/crlgate
	@$(RELEASE_TOOL) notices -o $(BUILD)/release-cli/THIRD_PARTY_NOTICES ./cmd/crlgate
	@$(RELEASE_TOOL) zip -o $(RELEASE)/$(CLI_NAME).zip \
	  $(BUILD)/release-cli/crlgate $(BUILD)/release-cli/THIRD_PARTY_NOTICES LICENSE

# CycloneDX reads the version of the main module from the repository, so this wants a clone, not an archive.
.PHONY: release-sbom
release-sbom: need-go
	@mkdir -p $(RELEASE)
	@sbom=$$($(GO) tool -n -modfile=tools/go.mod cyclonedx-gomod); for f in $(FUNCTIONS); do for arch in $(ARCHES); do \
	  GOOS=linux GOARCH=$$arch CGO_ENABLED=0 GOFLAGS=-tags=lambda.norpc $(SBOM) -main functions/$$f -output "$(CURDIR)/$(RELEASE)/$$f-linux-$$arch.cdx.json" . ; done; done
	@sbom=$$($(GO) tool -n -modfile=tools/go.mod cyclonedx-gomod); CGO_ENABLED=0 $(SBOM) -main cmd/crlgate -output "$(CURDIR)/$(RELEASE)/$(CLI_NAME).cdx.json" .

.PHONY: release
release: ## Make a release in build/release: archives, SBOMs, checksums
	@rm -rf $(RELEASE)
	@$(MAKE) --no-print-directory release-functions release-cli release-sbom
	@$(RELEASE_TOOL) sums $(RELEASE)
	@cat $(RELEASE)/SHA256SUMS

# Twice from the same commit, the second time in another folder and with nothing compiled before: the same bytes.
.PHONY: release-check
release-check: release-functions ## Make the functions' archives again elsewhere, and compare
	@tmp=$$(mktemp -d); trap 'chmod -R u+w "$$tmp"; rm -rf "$$tmp"' EXIT; \
	git clone --quiet . "$$tmp/another folder"; \
	GOCACHE="$$tmp/cache" $(MAKE) --no-print-directory -C "$$tmp/another folder" release-functions; \
	for zip in $(RELEASE)/*-linux-*.zip; do case $$zip in */crlgate-*) continue;; esac; \
	  cmp "$$zip" "$$tmp/another folder/$(RELEASE)/$$(basename "$$zip")"; sha256sum "$$zip"; done; \
	echo "the functions' archives are the same, byte for byte"

.PHONY: licences licences-check
licences: $(RELEASE_TOOL) ## Write docs/licences.md: the modules linked, and their licences
	@$(RELEASE_TOOL) licences -o docs/licences.md

licences-check: $(RELEASE_TOOL) ## Check that the licences of linked modules are listed and allowed
	@$(RELEASE_TOOL) licences -check docs/licences.md

