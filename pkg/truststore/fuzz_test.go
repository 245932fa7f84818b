package truststore_test

import (
	"bytes"
	"encoding/pem"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/truststore"
)

// FuzzParse: what is read as a truststore is the same when it is written and read
// again, and differs from itself in nothing.
func FuzzParse(f *testing.F) {
	root, err := pki.NewCA(pki.CAOptions{})
	if err != nil {
		f.Fatal(err)
	}
	low, err := pki.NewCA(pki.CAOptions{Parent: root})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(root.PEM())
	f.Add(pki.PEM(root, low))
	f.Add(append([]byte("words before\n"), pki.PEM(low, root, low)...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add(append(root.PEM(), "-----BEGIN CERTIFICATE-----\nAAAA"...))
	f.Add(append(root.PEM(), "AAAA\n-----END CERTIFICATE-----\n"...))
	f.Add(append(root.PEM(), root.DER...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		have, err := truststore.Parse(data)
		if err != nil {
			return
		}
		if n := bytes.Count(data, []byte("-----BEGIN ")); n < len(have) || len(have) == 0 {
			t.Errorf("%d certificates of %d blocks", len(have), n)
		}
		// What is lost of a block that was whole does not go unseen.
		if cut, err := truststore.Parse(bytes.Replace(data, []byte("-----END "), []byte("-----EN "), 1)); err == nil {
			t.Errorf("with an END line damaged it is read as %d certificates", len(cut))
		}
		var written []byte
		for _, c := range have {
			written = append(written, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER})...)
		}
		again, err := truststore.Parse(written)
		if err != nil || len(again) != len(have) {
			t.Fatalf("%d certificates, written and read again %d, %v", len(have), len(again), err)
		}
		if d := truststore.Compare(again, have); !d.None() {
			t.Errorf("it differs from itself: %v", d)
		}
	})
}
