// Package domainapi stands in, on 127.0.0.1, for the two calls of Amazon API
// Gateway with which the truststore of a custom domain name is kept: GetDomainName
// and UpdateDomainName of API version 2. Requests and answers are those that the
// AWS SDK sends and reads (API Gateway Version 2 API Reference, "Domainname").
//
// It holds a caller to what API Gateway is known to ask: a signature for the service
// apigateway; exactly one domain name configuration in each update; no update while
// one is under way; a truststore that can be read and holds a certificate. Signatures
// are not verified, only that there is one.
//
// It is for tests and the local stack; no function links it.
package domainapi

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Domain is the state of the custom domain name.
type Domain struct {
	Name           string
	URI, Version   string // of the truststore; "": no mutual TLS
	Warnings       []string
	Status         string // AVAILABLE, UPDATING, …
	CertificateARN string
	SecurityPolicy string
}

// Config says what a [Server] knows.
type Config struct {
	Domain Domain
	// Load reads a truststore object and returns its version too, which is the
	// newest where version is "". API Gateway reads with the rights of the caller.
	Load func(ctx context.Context, bucket, key, version string) (data []byte, found string, err error)
	// Apply, if set, puts the certificates of a truststore in force.
	Apply func([]*x509.Certificate) error
}

// Request is one request that came.
type Request struct {
	Method, Domain string
	URI, Version   string // of an update
	Status         int    // of the answer
}

// Fault is an answer in place of the usual one.
type Fault struct {
	Status  int
	Type    string // such as TooManyRequestsException
	Message string
}

func (f *Fault) Error() string { return f.Type + ": " + f.Message }

// Server is the stand-in.
type Server struct {
	config   Config
	server   *http.Server
	listener net.Listener
	done     chan struct{}

	mu       sync.Mutex
	domain   Domain
	requests []Request
	fault    func(Request) *Fault
}

// Start starts a server on a free port of 127.0.0.1.
func Start(c Config) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, domain: c.Domain, listener: listener, done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/domainnames/{name}", s.serve)
	mux.HandleFunc("PATCH /v2/domainnames/{name}", s.serve)
	s.server = &http.Server{Handler: mux}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener) // it ends when the server is closed
	}()
	return s, nil
}

// URL is what AWS_ENDPOINT_URL_APIGATEWAYV2 is to be set to.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends the server and leaves no port.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

// Domain returns the state of the domain.
func (s *Server) Domain() Domain {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.domain
}

// Change changes the state of the domain, as API Gateway itself or somebody else does.
func (s *Server) Change(change func(*Domain)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.domain)
}

// Requests returns what came so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// OnRequest sets what is asked at each request before it has any effect: a fault
// takes the place of the answer. It may call the server's methods.
func (s *Server) OnRequest(fault func(Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// update is the body of UpdateDomainName.
type update struct {
	Configurations []struct {
		CertificateARN string `json:"certificateArn"`
		EndpointType   string `json:"endpointType"`
		SecurityPolicy string `json:"securityPolicy"`
	} `json:"domainNameConfigurations"`
	MutualTLS *struct {
		URI     string `json:"truststoreUri"`
		Version string `json:"truststoreVersion"`
	} `json:"mutualTlsAuthentication"`
}

const maxBody = 1 << 20

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	request := Request{Method: r.Method, Domain: r.PathValue("name")}
	var body update
	var err error
	if r.Method == http.MethodPatch {
		err = json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body)
		if m := body.MutualTLS; m != nil {
			request.URI, request.Version = m.URI, m.Version
		}
	}
	var answer any
	switch fault := s.injected(request); {
	case fault != nil:
		err = fault
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=") ||
		!strings.Contains(r.Header.Get("Authorization"), "/apigateway/aws4_request"):
		err = &Fault{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	case err != nil:
		err = &Fault{http.StatusBadRequest, "BadRequestException", "Invalid request body"}
	case request.Domain != s.Domain().Name:
		err = &Fault{http.StatusNotFound, "NotFoundException", "Invalid domain name identifier specified"}
	default:
		if r.Method == http.MethodPatch {
			err = s.update(r.Context(), body)
		}
		answer = s.Domain().json()
	}
	s.answer(w, request, answer, err)
}

func (s *Server) injected(r Request) *Fault {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(r)
}

func (s *Server) answer(w http.ResponseWriter, request Request, answer any, err error) {
	request.Status = http.StatusOK
	w.Header().Set("Content-Type", "application/json")
	var fault *Fault
	if errors.As(err, &fault) {
		request.Status = fault.Status
		w.Header().Set("X-Amzn-Errortype", fault.Type)
		answer = map[string]string{"message": fault.Message}
	}
	s.mu.Lock()
	s.requests = append(s.requests, request)
	s.mu.Unlock()
	w.WriteHeader(request.Status)
	_ = json.NewEncoder(w).Encode(answer) // a caller that is gone misses it
}

// json is the domain as both calls answer with it.
func (d Domain) json() any {
	out := map[string]any{
		"domainName": d.Name, "apiMappingSelectionExpression": "$request.basepath",
		"domainNameArn": "arn:aws:apigateway:us-east-1::/domainnames/" + d.Name,
		"domainNameConfigurations": []map[string]any{{
			"apiGatewayDomainName": "d-0123456789.execute-api.us-east-1.amazonaws.com", "hostedZoneId": "Z0000000000000",
			"certificateArn": d.CertificateARN, "domainNameStatus": d.Status, "endpointType": "REGIONAL", "securityPolicy": d.SecurityPolicy,
		}},
	}
	if d.URI != "" {
		mutual := map[string]any{"truststoreUri": d.URI, "truststoreVersion": d.Version}
		if len(d.Warnings) > 0 {
			mutual["truststoreWarnings"] = d.Warnings
		}
		out["mutualTlsAuthentication"] = mutual
	}
	return out
}

func bad(format string, args ...any) error {
	return &Fault{http.StatusBadRequest, "BadRequestException", fmt.Sprintf(format, args...)}
}

func (s *Server) update(ctx context.Context, u update) error {
	if len(u.Configurations) != 1 {
		return bad("Invalid input. Expected one domain name configuration")
	}
	c := u.Configurations[0]
	if c.EndpointType != "REGIONAL" || c.CertificateARN == "" {
		return bad("Invalid domain name configuration")
	}
	if s.Domain().Status == "UPDATING" {
		return &Fault{http.StatusConflict, "ConflictException", "An update of the domain name is under way"}
	}
	next := s.Domain()
	next.CertificateARN, next.SecurityPolicy = c.CertificateARN, c.SecurityPolicy
	if u.MutualTLS != nil {
		certificates, err := s.load(ctx, u.MutualTLS.URI, u.MutualTLS.Version, &next)
		if err != nil {
			return err
		}
		if s.config.Apply != nil {
			if err := s.config.Apply(certificates); err != nil {
				return bad("%v", err)
			}
		}
	}
	s.Change(func(d *Domain) { *d = next })
	return nil
}

// load reads a truststore, and notes in the domain what it is.
func (s *Server) load(ctx context.Context, uri, version string, d *Domain) ([]*x509.Certificate, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	if !ok || !strings.HasPrefix(uri, "s3://") {
		return nil, bad("Invalid truststore URI %q", uri)
	}
	data, found, err := s.config.Load(ctx, bucket, key, version)
	if err != nil {
		return nil, bad("The truststore %s cannot be read: %v", uri, err)
	}
	d.URI, d.Version, d.Warnings = uri, found, nil
	var certificates []*x509.Certificate
	for n := 1; ; n++ {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			d.Warnings = append(d.Warnings, fmt.Sprintf("Certificate %d of the truststore is invalid", n))
			continue
		}
		certificates = append(certificates, c)
	}
	if len(certificates) == 0 {
		return nil, bad("The truststore %s holds no valid certificate", uri)
	}
	return certificates, nil
}
