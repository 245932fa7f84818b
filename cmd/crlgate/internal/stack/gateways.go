package stack

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
)

func (s *Stack) startGateways(ctx context.Context) error {
	server, ca, err := serverCertificate(s.config.Domain)
	if err != nil {
		return err
	}
	s.ServerCA = ca
	for _, form := range s.config.Forms {
		g, err := s.gateway(form, server)
		if err != nil {
			return fmt.Errorf("form %v: %w", form, err)
		}
		s.Gateways[form] = g
		if err := g.Listen(net.JoinHostPort("127.0.0.1", fmt.Sprint(s.config.Ports[form]))); err != nil {
			return fmt.Errorf("form %v: %w", form, err)
		}
		s.wg.Go(func() { s.fault(g.Serve()) })
	}
	s.trust = newTruststore(s.Uploads, s.config.plan().issuers, s.Gateways)
	return nil
}

func (s *Stack) gateway(form gateway.Form, server tls.Certificate) (*gateway.Gateway, error) {
	api := s.config.plan().apis[form]
	return gateway.New(gateway.Config{
		Form: form, EnableSimpleResponses: api.SimpleResponses, IdentitySources: api.IdentitySources, AuthorizerTTL: api.TTL,
		DomainName: s.config.Domain, Region: s.S3.Region, RequestParameters: api.RequestParameters,
		Authorizer: gateway.AuthorizerFunc(func(ctx context.Context, payload []byte) ([]byte, string, error) {
			r, err := s.Authorizer.Invoke(ctx, payload)
			if s.config.Invoked != nil {
				s.config.Invoked(payload, r)
			}
			return r.Payload, r.FunctionError, err
		}),
		Upstream: s.config.Upstream, ServerCertificate: server, RequireClientCertificate: true, Truststore: nobody(),
		AccessLog: s.config.AccessLog, ErrorLog: s.config.GatewayLog,
	})
}

// Domain returns the gateways' custom domain name.
func (s *Stack) Domain() string { return s.config.Domain }

// URL returns the base URL of a form's gateway.
func (s *Stack) URL(form gateway.Form) string {
	return "https://" + s.Gateways[form].Addr().String()
}

// Failures returns the failure queue: records of events that failed for good.
func (s *Stack) Failures() [][]byte { return s.failures.Bodies() }
