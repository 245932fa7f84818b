# The CDK app and its checks. Included by the top-level Makefile, which has the target `functions`; run from
# the top of the repository.
#
#   make synth     write the CloudFormation template to build/cdk.out; needs no AWS account
#   make diff      compare it with what is deployed
#   make deploy    deploy it
#   make destroy   delete the stack; buckets and logs stay
#
# CDK_ARGS is passed to cdk, such as CDK_ARGS='-c crlgate:mode=observe'; docs/deploy.md lists the keys.

CDK_ARGS ?=

INFRA_CHECK := infra/check
INFRA_TOOLS := $(INFRA_CHECK)/node_modules/.package-lock.json
CDK := $(INFRA_CHECK)/node_modules/.bin/cdk

# The CDK asks for a Node that is still maintained, and works on 20; the notice would hide what matters.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export CDK_DISABLE_VERSION_CHECK := 1
export CDK_DISABLE_CLI_TELEMETRY := true

.PHONY: synth diff deploy destroy test-infra check-infra infra-node

# Say what is missing rather than fail within a tool.
infra-node:
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	  echo "node and npm are needed for the CDK: install Node.js 20 or later" >&2; exit 2; }
	@node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || { \
	  echo "node $$(node --version) is too old for the CDK: install Node.js 20 or later" >&2; exit 2; }

# The cdk command and the template checks, at the versions of infra/check/package-lock.json.
$(INFRA_TOOLS): $(INFRA_CHECK)/package.json $(INFRA_CHECK)/package-lock.json | infra-node
	npm --prefix $(INFRA_CHECK) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@find $(INFRA_CHECK)/node_modules -name '*.go' -delete # templates of cdk init, which Go tools would take for ours
	@touch $@

# The functions' binaries come first: they are the assets.
synth: functions $(INFRA_TOOLS) ## Write the CloudFormation template to build/cdk.out
	$(CDK) synth --quiet $(CDK_ARGS)

diff: functions $(INFRA_TOOLS) ## Compare the template with what is deployed
	$(CDK) diff $(CDK_ARGS)

deploy: functions $(INFRA_TOOLS) ## Deploy to AWS
	$(CDK) deploy $(CDK_ARGS)

destroy: functions $(INFRA_TOOLS) ## Delete the stack; buckets and logs stay
	$(CDK) destroy $(CDK_ARGS)

# Assertions on the synthesized templates. With binaries of fixed bytes, so that nothing is built first.
test-infra: infra-node ## Test the CDK app and construct
	go test ./infra/...

# Rules of others over the templates that test-infra holds to be the synthesized ones; and two runs of the cdk
# command, which must write the same bytes.
check-infra: $(INFRA_TOOLS) ## Check the templates with cdk-nag and cfn-guard
	node --test $(INFRA_CHECK)/check.test.mjs
	node $(INFRA_CHECK)/check.mjs infra/testdata infra/gate/testdata
	rm -rf build/check-infra
	for run in 1 2; do \
	  $(CDK) synth --quiet --output build/check-infra/$$run -c crlgate:assets=infra/testdata/assets \
	    -c crlgate:example=true -c crlgate:domainName=api.example.com \
	    -c crlgate:certificateArn=arn:aws:acm:eu-west-1:111122223333:certificate/00000000-0000-0000-0000-000000000000 \
	    -c crlgate:truststore=infra/testdata/truststore.pem || exit; \
	done
	cmp build/check-infra/1/crlgate.template.json build/check-infra/2/crlgate.template.json
	node $(INFRA_CHECK)/check.mjs build/check-infra/1
	rm -rf build/check-infra
