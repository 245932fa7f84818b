# The console's tests in a real browser. Included by the top-level Makefile.
#
#   make console-test      drive it in headless Chromium, over a local stack
#   make console-pictures  the same, and take the pictures of docs/console.md anew
#
# CHROMIUM names the browser; Debian has it as the package chromium.

CONSOLE_BROWSER := cmd/crlgate/internal/console/browser
CONSOLE_TOOLS   := $(CONSOLE_BROWSER)/node_modules/.package-lock.json
export CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: console-test console-pictures console-browser

console-browser: need-node
	@[ -n "$(CHROMIUM)" ] && [ -x "$(CHROMIUM)" ] || { \
	  echo "Chromium is missing: install it (Debian: apt-get install chromium), or name it with CHROMIUM=" >&2; exit 2; }

# Without its scripts, which would fetch a browser.
$(CONSOLE_TOOLS): $(CONSOLE_BROWSER)/package.json $(CONSOLE_BROWSER)/package-lock.json | need-node
	npm --prefix $(CONSOLE_BROWSER) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

CONSOLE_TEST = CRLGATE_BIN=$(CURDIR)/$(BUILD)/bin/crlgate CRLGATE_FUNCTIONS=$(CURDIR)/$(BUILD)/lambda/$(HOSTARCH) \
	  $(GO) test -tags browser -count=1 -v -timeout 9m ./$(CONSOLE_BROWSER)

console-test: console-browser $(CONSOLE_TOOLS) crlgate functions-host ## Drive the console in headless Chromium
	$(GO) vet -tags browser ./$(CONSOLE_BROWSER)
	$(CONSOLE_TEST)

console-pictures: console-browser $(CONSOLE_TOOLS) crlgate functions-host ## Take the pictures of docs/console.md anew
	mkdir -p docs/images
	$(CONSOLE_TEST) -args -pictures $(CURDIR)/docs/images
