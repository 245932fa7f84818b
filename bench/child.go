package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// child is what this program does in the process of a baseline.
//
//	child hash FILE                 read the file and hash it
//	child x509 ISSUER FILE OUTPUT   crypto/x509 and encoding/json
func child(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "hash":
		return hashFile(args[1])
	case len(args) == 4 && args[0] == "x509":
		return flattenX509(args[1], args[2], args[3])
	}
	return fmt.Errorf("child %q: there is no such thing", args)
}

func hashFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	h := sha256.New()
	// Not as an io.WriterTo, which would choose a buffer of its own.
	_, err = io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, hashChunk))
	_, printErr := fmt.Printf("%x\n", h.Sum(nil))
	return errors.Join(err, f.Close(), printErr)
}

// flattenX509 is what one writes first: parse, verify, and write the serial
// numbers as JSON, in the form of AWS's sample.
func flattenX509(issuer, in, out string) error {
	certPEM, err := os.ReadFile(issuer)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return fmt.Errorf("%s is not PEM", issuer)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	der, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	if err := list.CheckSignatureFrom(ca); err != nil {
		return err
	}
	revoked := make(map[string]string, len(list.RevokedCertificateEntries))
	for _, e := range list.RevokedCertificateEntries {
		revoked["0x"+e.SerialNumber.Text(16)] = ""
	}
	text, err := json.Marshal(revoked) // in order of the keys
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}
