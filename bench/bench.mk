# The benchmark. Included by the top-level Makefile, which has the targets
# crlgate and functions-host; run from the top of the repository.
#
#   make bench                    everything, up to ten million entries: some 10 minutes, 9 GB of memory, 2 GB of disk
#   make bench BENCH_MAX=1e5      less: up to 100,000 entries, 2 minutes
#   make bench BENCH_MAX=1e8      more: a hundred million entries too; 13 GB of disk
#   make bench BENCH_ARGS='-only process -peers=false'
#   make bench-docs               the same, and docs/performance.md and its charts with what came out

BENCH_MAX  ?= 1e7
BENCH_ARGS ?=
BENCH      := $(BUILD)/bench

.PHONY: bench bench-docs bench-binary

bench-binary: crlgate functions-host
	@mkdir -p $(BENCH)
	@$(GO) build -trimpath -buildvcs=false -o $(BENCH)/bench ./bench

BENCH_RUN = $(BENCH)/bench -max $(BENCH_MAX) -dir $(BENCH) -crlgate $(BUILD)/bin/crlgate -functions $(BUILD)/lambda/$(HOSTARCH)

bench: bench-binary ## Measure crlgate beside what else does the job (BENCH_MAX entries, default 1e7)
	@$(BENCH_RUN) $(BENCH_ARGS)

bench-docs: bench-binary ## The same, and write docs/performance.md with it
	@$(BENCH_RUN) -docs docs $(BENCH_ARGS)
