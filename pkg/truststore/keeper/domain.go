package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// domain is the state of the custom domain name.
type domain struct {
	configurations []types.DomainNameConfiguration
	uri, version   string // of its truststore; "": none
	warnings       []string
}

func domainOf(configurations []types.DomainNameConfiguration, m *types.MutualTlsAuthentication) *domain {
	d := &domain{configurations: configurations}
	if m != nil {
		d.uri, d.version, d.warnings = aws.ToString(m.TruststoreUri), aws.ToString(m.TruststoreVersion), m.TruststoreWarnings
	}
	return d
}

// where names the truststore for people.
func (d *domain) where() string {
	switch {
	case d.uri == "":
		return "no truststore"
	case d.version == "":
		return d.uri
	}
	return d.uri + " version " + d.version
}

func (k *Keeper) get(ctx context.Context) (*domain, error) {
	out, err := k.api.GetDomainName(ctx, &apigatewayv2.GetDomainNameInput{DomainName: aws.String(k.config.DomainName)})
	if err != nil {
		return nil, k.refused("reading the domain", err)
	}
	return domainOf(out.DomainNameConfigurations, out.MutualTlsAuthentication), nil
}

// update moves the domain to a truststore. API Gateway wants the one configuration
// with each update, so it is sent as it was read, without what only API Gateway sets.
func (k *Keeper) update(ctx context.Context, d *domain, p *published) (*domain, error) {
	if n := len(d.configurations); n != 1 {
		return d, faulty("the domain has %d configurations, and only one with mutual TLS can be updated: finish the migration of its endpoint type", n)
	}
	c := d.configurations[0]
	if c.DomainNameStatus == types.DomainNameStatusUpdating {
		return d, fmt.Errorf("domain %s: an update is under way, and API Gateway takes no other until it is done", k.config.DomainName)
	}
	out, err := k.api.UpdateDomainName(ctx, &apigatewayv2.UpdateDomainNameInput{
		DomainName: aws.String(k.config.DomainName),
		DomainNameConfigurations: []types.DomainNameConfiguration{{
			CertificateArn: c.CertificateArn, EndpointType: c.EndpointType, SecurityPolicy: c.SecurityPolicy,
			IpAddressType: c.IpAddressType, OwnershipVerificationCertificateArn: c.OwnershipVerificationCertificateArn,
		}},
		MutualTlsAuthentication: &types.MutualTlsAuthenticationInput{TruststoreUri: aws.String(p.uri), TruststoreVersion: aws.String(p.version)},
	})
	if err != nil {
		return d, k.refused(fmt.Sprintf("moving the domain to %s version %s", p.uri, p.version), err)
	}
	return domainOf(out.DomainNameConfigurations, out.MutualTlsAuthentication), nil
}

// refused sorts an error of API Gateway: what it refuses for good is a *fault;
// throttling, a conflict with another update and a fault of its own pass.
func (k *Keeper) refused(doing string, err error) error {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		switch status := answer.HTTPStatusCode(); {
		case status == http.StatusTooManyRequests, status == http.StatusConflict, status == http.StatusRequestTimeout:
		case status >= 400 && status < 500:
			return faulty("%s: API Gateway refused: %v", doing, err)
		}
	}
	return fmt.Errorf("%s %s: %w", doing, k.config.DomainName, err)
}
