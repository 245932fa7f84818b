package differential

import (
	"context"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
)

// answer is one checker's verdict, and its words.
type answer struct {
	verdict verdict
	words   string
}

// askCrlgate is "crlgate check --issuer … --crl … CERT".
func askCrlgate(ctx context.Context, c *kase, f files) (answer, error) {
	r, err := check.Run(ctx, check.Input{Issuers: f.issuers, CRLs: f.lists, Cert: f.cert, At: c.now})
	if err != nil {
		return answer{}, err
	}
	words := *r.Status + " " + *r.Reason + ": " + r.Detail
	for _, l := range r.CRLs {
		if !l.Accepted {
			words += "; refused (" + l.Code + ") " + l.Detail
		}
	}
	for _, w := range r.Warnings {
		words += "; " + w
	}
	switch {
	case *r.Decision == "allow":
		return answer{good, words}, nil
	case *r.Reason == "revoked" || *r.Reason == "issuer_revoked":
		return answer{revoked, words}, nil
	}
	return answer{unknown, words}, nil
}
