# Faults: what docs/reliability.md tells of. Included by the top-level Makefile,
# which has the targets crlgate and functions-host; run from the top of the
# repository.
#
#   make faults                              everything: 10 minutes or more on two cores
#   make faults FAULTS_ARGS='-short'         a part of it, drawn by -seed: some 3 to 5 minutes
#   make faults FAULTS_ARGS='-only crash -named delta -v'
#   make faults-docs                         everything, and docs/reliability.md with what came out

FAULTS_ARGS ?=
FAULTS_RUN   = $(BUILD)/faults/faults -crlgate $(BUILD)/bin/crlgate -functions $(BUILD)/lambda/$(HOSTARCH)

.PHONY: faults faults-docs faults-binary

faults-binary: crlgate functions-host
	@mkdir -p $(BUILD)/faults
	@$(GO) build -trimpath -buildvcs=false -o $(BUILD)/faults/faults ./cmd/crlgate/faults

faults: faults-binary ## Kill the preprocessor at every S3 call, and spoil every kind of GET of the authorizer
	@$(FAULTS_RUN) $(FAULTS_ARGS)

faults-docs: faults-binary ## The same, and write docs/reliability.md with it
	@$(FAULTS_RUN) -docs docs/reliability.md $(FAULTS_ARGS)
