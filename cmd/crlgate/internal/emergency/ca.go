package emergency

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Lists is an upload bucket that can be listed.
type Lists interface {
	Uploads
	List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error]
}

// CA reads the certificates of a CA from the upload bucket. The error names the CAs
// that there are, where that is none of them.
func CA(ctx context.Context, uploads Lists, prefix, name string) (*issuer.CA, error) {
	if name == "" || path.Base(name) != name {
		return nil, fmt.Errorf("%q is not the name of a CA, which is that of its file in %s without .pem", name, prefix)
	}
	key := prefix + name + ".pem"
	data, _, err := uploads.ReadAll(ctx, key, issuer.MaxFile, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, fmt.Errorf("there is no CA %q: the upload bucket %s holds no %s; %s", name, uploads.Name(), key, names(ctx, uploads, prefix))
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	ca, _, err := issuer.ParseFile(name, data, issuer.Policy{AllowSHA1: true})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return ca, nil
}

func names(ctx context.Context, uploads Lists, prefix string) string {
	var out []string
	for object, err := range uploads.List(ctx, prefix) {
		if err != nil {
			return "the bucket cannot be listed, so mind the spelling"
		}
		if name, ok := strings.CutSuffix(strings.TrimPrefix(object.Key, prefix), ".pem"); ok {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return "there are none"
	}
	return "there are: " + strings.Join(out, ", ")
}

// SerialOf returns the serial number of a certificate, PEM or DER, which the CA must
// have issued, as far as the names tell.
func SerialOf(certificate []byte, ca *issuer.CA) (issuer.Serial, error) {
	cert, err := read(certificate)
	if err != nil {
		return nil, err
	}
	name, err := issuer.ParseName(cert.Issuer)
	if err != nil {
		return nil, fmt.Errorf("its issuer: %w", err)
	}
	if name != ca.Subject {
		return nil, fmt.Errorf("its issuer is %s, and CA %s is %s: it was not issued by that CA", issuer.Display(cert.Issuer), ca.Name, ca.Certificates[0].Subject)
	}
	return issuer.Serial(cert.Serial), nil
}

func read(certificate []byte) (*clientcert.Certificate, error) {
	if text := string(certificate); strings.Contains(text, "-----BEGIN CERTIFICATE-----") {
		return clientcert.ParsePEM(text[strings.Index(text, "-----BEGIN CERTIFICATE-----"):])
	}
	return clientcert.Parse(certificate)
}
