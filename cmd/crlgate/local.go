package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/local"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
)

func localCommand() *cobra.Command {
	c := local.Config{Ports: map[gateway.Form]int{}}
	var functions, upstream, fromTemplate string
	var authorizer, preprocessor, fetcher []string
	var rest, http1, http2 int
	cmd := &cobra.Command{
		Use:   "local [DIR]",
		Short: "Run the whole of crlgate on this machine, on your own CAs and CRLs",
		Long: `Run the whole of crlgate on this machine until Ctrl-C: a real S3 server, the
unmodified function binaries behind a Lambda Runtime API, and a mutual-TLS gateway
for each form of API Gateway, which forwards what is allowed to the upstream.

DIR (default: the current folder) holds what an administrator would upload:

  issuers/<ca>.pem    every certificate of a CA; clients are verified with these
  issuers/<ca>.json   that CA's settings, optional
  crls/…              CRLs, DER or PEM

CRLs come from the crl_urls of a CA's settings as well; for a server on this machine,
--fetcher ALLOW_HOSTS=localhost lets the fetcher go there.

Files that are there, that change or that come are uploaded, and those that go are
deleted. Each report is printed as it comes, and a line for each request: time,
form, method and path, status, decision and reason, CA, serial number, latency.

The buckets live in DIR/.crlgate/s3 and outlast the run, and with them the CRL
numbers that were reached, below which no CRL is accepted; --fresh begins anew.
While it runs, DIR/.crlgate/local.json (readable by you only) tells put, status
and invoke where it is.

--from-template runs what a CloudFormation template of the CDK app or construct
deploys: names of buckets, settings, memory and timeouts of the functions, events,
retries and timer, the forms of its APIs and how their authorizers are asked. Where it
moves the domain to a published truststore, clients are verified with that, otherwise
with issuers/. Flags that are given go before it. What the local stack does not know
how to do is refused.

` + exitWords["local"],
		Example: `  crlgate local
  crlgate local ./pki --upstream http://127.0.0.1:8080
  crlgate local --authorizer REVALIDATE_AFTER=2s --preprocessor CACHE_JSON=true
  crlgate local --authorizer MODE=observe --freeze --fresh
  crlgate local --from-template build/cdk.out/crlgate.template.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			c.Folder = "."
			if len(args) == 1 {
				c.Folder = args[0]
			}
			if c.Binaries, c.S3Command, err = localParts(functions); err != nil {
				return err
			}
			if c.Upstream, err = upstreamHandler(upstream); err != nil {
				return err
			}
			if c.Authorizer, err = functionSettings("authorizer", authorizer); err != nil {
				return err
			}
			if c.Preprocessor, err = functionSettings("preprocessor", preprocessor); err != nil {
				return err
			}
			if c.Fetcher, err = functionSettings("fetcher", fetcher); err != nil {
				return err
			}
			for form, p := range map[gateway.Form]*int{gateway.REST: &rest, gateway.HTTP1: &http1, gateway.HTTP2: &http2} {
				if *p < 0 || *p > 65535 {
					return fmt.Errorf("--%s %d is not a port: use 1 to 65535, or 0 for a free one", portFlags[form], *p)
				}
				c.Ports[form] = *p
				if *p == 0 && cmd.Flags().Changed(portFlags[form]) {
					c.Ports[form] = -1 // 0 said aloud: any free one
				}
			}
			if fromTemplate != "" {
				if c.Template, err = template.Read(fromTemplate); err != nil {
					return err
				}
				leaveToTemplate(cmd, &c)
			}
			c.Out, c.Words = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return local.Run(cmd.Context(), c)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	f := cmd.Flags()
	f.StringVar(&upstream, "upstream", "", "`URL` that allowed requests are forwarded to (default an echo of the authorizer's context)")
	f.IntVar(&rest, portFlags[gateway.REST], 0, "`PORT` of the REST gateway, 0 for a free one (default 8443 or, if that is in use, a free one)")
	f.IntVar(&http1, portFlags[gateway.HTTP1], 0, "`PORT` of the HTTP gateway with payload format 1.0 (default 8444, likewise)")
	f.IntVar(&http2, portFlags[gateway.HTTP2], 0, "`PORT` of the HTTP gateway with payload format 2.0 (default 8445, likewise)")
	f.StringVar(&fromTemplate, "from-template", "", "CloudFormation template `FILE` to run by, as \"make synth\" writes it to build/cdk.out")
	f.IntVar(&c.S3Port, "s3-port", 0, "`PORT` of the S3 server (default a free one)")
	f.StringVar(&c.Domain, "domain", "api.local.test", "the gateways' custom domain `NAME`")
	f.StringArrayVar(&authorizer, "authorizer", nil, "setting of the authorizer, `KEY=VALUE` (may be given more than once)")
	f.StringArrayVar(&preprocessor, "preprocessor", nil, "setting of the preprocessor, `KEY=VALUE` (may be given more than once)")
	f.StringArrayVar(&fetcher, "fetcher", nil, "setting of the fetcher, `KEY=VALUE` (may be given more than once)")
	f.IntVar(&c.AuthorizerMemoryMB, "authorizer-memory", 128, "memory of the authorizer, `MB`")
	f.IntVar(&c.PreprocessorMemoryMB, "preprocessor-memory", 512, "memory of the preprocessor, `MB`")
	f.BoolVar(&c.Freeze, "freeze", false, "stop the authorizer's processes between requests, as Lambda does")
	f.DurationVar(&c.Reconcile, "reconcile", time.Minute, "how often the timer has the preprocessor look at everything; 0: never")
	f.DurationVar(&c.Fetch, "fetch-every", 10*time.Second, "how often the timer has the fetcher look for CRLs that are due; 0: never")
	f.BoolVar(&c.Fresh, "fresh", false, "begin with empty buckets")
	f.BoolVar(&c.Logs, "logs", false, "print everything that the functions log")
	functionsFlag(cmd, &functions)
	for name, values := range local.KnownSettings {
		completeKeys(cmd, name, values)
	}
	return cmd
}

// leaveToTemplate takes back the defaults of flags that were not given.
func leaveToTemplate(cmd *cobra.Command, c *local.Config) {
	given := cmd.Flags().Changed
	if !given("authorizer-memory") {
		c.AuthorizerMemoryMB = 0
	}
	if !given("preprocessor-memory") {
		c.PreprocessorMemoryMB = 0
	}
	switch {
	case !given("reconcile"):
		c.Reconcile = 0
	case c.Reconcile == 0:
		c.Reconcile = -1 // never, said aloud
	}
	switch {
	case !given("fetch-every"):
		c.Fetch = 0
	case c.Fetch == 0:
		c.Fetch = -1
	}
	if !given("domain") {
		c.Domain = ""
	}
}

var portFlags = map[gateway.Form]string{gateway.REST: "rest-port", gateway.HTTP1: "http1-port", gateway.HTTP2: "http2-port"}

// upstreamHandler forwards to a URL; nil for none.
func upstreamHandler(text string) (http.Handler, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err == nil {
		var p *gateway.Proxy
		if p, err = gateway.NewProxy(u); err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("--upstream %q is not a URL such as http://127.0.0.1:8080: %w", text, err)
}

// functionSettings reads KEY=VALUE settings of a function.
func functionSettings(function string, given []string) (map[string]string, error) {
	settings := map[string]string{}
	for _, g := range given {
		key, value, ok := strings.Cut(g, "=")
		if !ok {
			return nil, fmt.Errorf("--%s %q is not of the form KEY=VALUE", function, g)
		}
		if _, ok := settings[key]; ok {
			return nil, fmt.Errorf("--%s %s is given twice", function, key)
		}
		settings[key] = value
	}
	return settings, local.CheckSettings(function, settings)
}
