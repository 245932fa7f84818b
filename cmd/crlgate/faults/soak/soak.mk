# The soak: what docs/reliability.md tells of. Included by the top-level Makefile,
# which has the targets crlgate and functions-host; run from the top of the
# repository.
#
#   make soak                        15 minutes
#   make soak SOAK_ARGS=-short       2 minutes
#   make soak SOAK_ARGS=-help        what else can be set
#   make soak-docs                   15 minutes, and docs/reliability.md with what came out

SOAK_ARGS ?=
SOAK_RUN   = $(BUILD)/faults/soak -crlgate $(BUILD)/bin/crlgate -functions $(BUILD)/lambda/$(HOSTARCH)

.PHONY: soak soak-docs soak-binary

soak-binary: crlgate functions-host
	@mkdir -p $(BUILD)/faults
	@$(GO) build -trimpath -buildvcs=false -o $(BUILD)/faults/soak ./cmd/crlgate/faults/soak

soak: soak-binary ## Keep the local stack under load for 15 minutes, and hold every answer against the truth
	@$(SOAK_RUN) $(SOAK_ARGS)

soak-docs: soak-binary ## The same, and write docs/reliability.md with it
	@$(SOAK_RUN) -docs docs/reliability.md $(SOAK_ARGS)
