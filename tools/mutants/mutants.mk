# Mutation testing: how much the tests notice. Included by the top-level Makefile; run from the top of the repository.
# docs/mutants.md says how to read what it prints.

MUTANTS_TOOL     = $(BUILD)/bin/mutants
MUTANTS_PACKAGES = pkg/authorize,pkg/revocation,pkg/catalog,pkg/crl

# The tests of these packages are run on what a package's own tests let live.
MUTANTS_ALSO = pkg/authorize,pkg/revocation,cmd/crlgate/internal/check,cmd/crlgate/internal/explain,pkg/issuer,pkg/preprocess

# Flags given last win: MUTANTS_ARGS='-package pkg/crl' is that package alone.
MUTANTS_ARGS ?=
MUTANTS_RUN   = $(MUTANTS_TOOL) -package $(MUTANTS_PACKAGES) -also $(MUTANTS_ALSO) -explained tools/mutants/explained.txt

$(MUTANTS_TOOL): $(wildcard tools/mutants/*.go) tools/go.mod | need-go
	@$(GO) build -C tools -o "$(CURDIR)/$@" ./mutants

.PHONY: mutants mutants-docs
mutants: $(MUTANTS_TOOL) ## Change the code in thousands of small ways, and see that tests fail; takes an hour (MUTANTS_ARGS=--help)
	@$(MUTANTS_RUN) $(MUTANTS_ARGS)

mutants-docs: $(MUTANTS_TOOL) ## The same, and write the scores to docs/mutants.md
	@$(MUTANTS_RUN) -docs docs/mutants.md $(MUTANTS_ARGS)
