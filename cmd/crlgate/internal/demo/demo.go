// Package demo shows crlgate at work on this machine, with a throwaway PKI: it
// uploads issuers and CRLs, sends requests over mutual TLS, revokes a
// certificate while it runs, tries a forged and an outdated CRL, and prints a
// table of what was expected and what happened.
package demo

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// RevalidateAfter is the authorizer's REVALIDATE_AFTER in the demo.
const RevalidateAfter = 2 * time.Second

// Bound is the longest time from the upload of a CRL to the denial of what it
// revokes that the demo accepts: the event and the preprocessor, then
// RevalidateAfter, then one refresh.
const Bound = RevalidateAfter + 3*time.Second

// Config says where things are, as in [stack.Config].
type Config struct {
	Binaries  string
	S3Command []string
	Out       io.Writer // the table
	Words     io.Writer // progress
}

// demo is one run.
type demo struct {
	Config
	stack   *stack.Stack
	client  *client
	alpha   *pki.CA // has CRLs
	beta    *pki.CA // has none
	mallory *pki.CA // bears alpha's name, and another key
	table   table
	number  int64
	revoked []*pki.Leaf
}

// Run runs the demo. It returns whether each row was as expected; an error
// means that it could not be carried through.
func Run(ctx context.Context, c Config) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "crlgate-demo-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{Config: c, client: newClient()}
	fmt.Fprintln(c.Words, "Starting an S3 server, two Lambda functions and three mutual-TLS gateways on 127.0.0.1 …")
	d.stack, err = stack.Start(ctx, stack.Config{
		Binaries: c.Binaries, S3Command: c.S3Command, DataDir: filepath.Join(dir, "s3"), Freeze: true,
		Authorizer: map[string]string{"REVALIDATE_AFTER": RevalidateAfter.String()}, AccessLog: d.client.record,
	})
	if err != nil {
		return false, err
	}
	defer func() {
		err = errors.Join(err, d.stack.Close())
		if err == nil {
			fmt.Fprintln(c.Words, "Stopped: no process, port or file is left.")
		}
	}()
	if err := d.client.trust(d.stack.ServerCA); err != nil {
		return false, err
	}
	for _, step := range []func(context.Context) error{d.upload, d.requests, d.revokeWhileRunning, d.forgery, d.replay} {
		if err := step(ctx); err != nil {
			return false, errors.Join(err, d.table.print(c.Out))
		}
	}
	return d.table.allAsExpected(), d.table.print(c.Out)
}

// upload makes the PKI and uploads two CAs, and a CRL of one of them.
func (d *demo) upload(ctx context.Context) (err error) {
	fmt.Fprintln(d.Words, "Making a throwaway PKI: CA alpha with a CRL, CA beta without …")
	if d.alpha, err = newCA("Demo CA Alpha"); err != nil {
		return err
	}
	if d.beta, err = newCA("Demo CA Beta"); err != nil {
		return err
	}
	if d.mallory, err = newCA("Demo CA Alpha"); err != nil {
		return err
	}
	for _, name := range []string{"revoked-client"} {
		leaf, err := issue(d.alpha, name)
		if err != nil {
			return err
		}
		d.client.certs[name] = leaf.TLSCertificate()
		d.revoked = append(d.revoked, leaf)
	}
	crl, err := d.nextCRL()
	if err != nil {
		return err
	}
	for _, u := range []struct {
		key  string
		data []byte
	}{{"issuers/alpha.pem", d.alpha.PEM()}, {"issuers/beta.pem", d.beta.PEM()}, {"crls/alpha.crl", crl}} {
		r, err := d.put(ctx, u.key, u.data)
		if err != nil {
			return err
		}
		d.table.add("upload "+u.key, "accepted", string(r.Outcome), string(r.Code))
	}
	return d.client.ready(ctx, d.stack)
}

// requests sends what a first look needs: good, revoked, unknown, nobody.
func (d *demo) requests(ctx context.Context) error {
	fmt.Fprintln(d.Words, "Sending requests over mutual TLS …")
	for name, ca := range map[string]*pki.CA{"good-client": d.alpha, "alice": d.alpha, "beta-client": d.beta} {
		leaf, err := issue(ca, name)
		if err != nil {
			return err
		}
		d.client.certs[name] = leaf.TLSCertificate()
		if name == "alice" {
			d.revoked = append(d.revoked, leaf) // in the next CRL
		}
	}
	for _, form := range []gateway.Form{gateway.REST, gateway.HTTP1, gateway.HTTP2} {
		d.expect(ctx, form, "good-client", "good certificate", "200", "good")
		d.expect(ctx, form, "revoked-client", "revoked certificate", "403", "revoked")
	}
	d.expect(ctx, gateway.REST, "beta-client", "certificate of a CA without CRL", "403", "no_crl")
	d.expect(ctx, gateway.REST, "", "no certificate", "refused", "TLS handshake")
	return nil
}

// revokeWhileRunning revokes a certificate that was good a moment ago.
func (d *demo) revokeWhileRunning(ctx context.Context) error {
	d.expect(ctx, gateway.REST, "alice", "alice, before she is revoked", "200", "good")
	crl, err := d.nextCRL()
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Words, "Revoking alice: uploading CRL number %d. She must be denied within %v (REVALIDATE_AFTER %v, and the event, the preprocessor and one refresh) …\n", d.number, Bound, RevalidateAfter)
	began := time.Now()
	r, err := d.put(ctx, "crls/alpha.crl", crl)
	if err != nil {
		return err
	}
	d.table.add("upload of a CRL that lists alice", "accepted", string(r.Outcome), string(r.Code))
	var got result
	for {
		got = d.client.get(ctx, d.stack, gateway.REST, "alice")
		if got.status == "403" || time.Since(began) > 2*Bound || ctx.Err() != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(began)
	want := fmt.Sprintf("403 revoked, within %v", Bound)
	if took <= Bound && got.status == "403" && got.reason == "revoked" {
		d.table.addText("alice, after she is revoked", want, fmt.Sprintf("403 revoked, after %.1fs", took.Seconds()), true)
	} else {
		d.table.addText("alice, after she is revoked", want, fmt.Sprintf("%s %s, after %.1fs", got.status, got.reason, took.Seconds()), false)
	}
	return nil
}

// forgery uploads a CRL with the right name and the wrong key, which lists
// nobody.
func (d *demo) forgery(ctx context.Context) error {
	fmt.Fprintln(d.Words, "Uploading a forged CRL: alpha's name, another key, nobody revoked …")
	now := time.Now()
	forged, err := d.mallory.CRL(pki.CRLOptions{
		Number: big.NewInt(d.number + 100), ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour), AuthorityKeyID: d.alpha.Certificate.SubjectKeyId,
	})
	if err != nil {
		return err
	}
	r, err := d.put(ctx, "crls/alpha.crl", forged)
	if err != nil {
		return err
	}
	d.table.add("upload of a forged CRL", "refused signature_invalid", string(r.Outcome)+" "+string(r.Code), "")
	d.expect(ctx, gateway.REST, "alice", "alice, after the forgery", "403", "revoked")
	d.expect(ctx, gateway.REST, "good-client", "good certificate, after the forgery", "200", "good")
	return nil
}

// replay uploads a genuine CRL that is older than the one in force.
func (d *demo) replay(ctx context.Context) error {
	fmt.Fprintln(d.Words, "Uploading an older CRL again, from before alice was revoked …")
	old, err := d.crl(1, d.revoked[:1])
	if err != nil {
		return err
	}
	r, err := d.put(ctx, "crls/alpha.crl", old)
	if err != nil {
		return err
	}
	d.table.add("upload of an older CRL", "refused number_too_low", string(r.Outcome)+" "+string(r.Code), "")
	d.expect(ctx, gateway.REST, "alice", "alice, after the older CRL", "403", "revoked")
	return nil
}

// expect sends a request and adds a row.
func (d *demo) expect(ctx context.Context, form gateway.Form, cert, what, status, reason string) {
	got := d.client.get(ctx, d.stack, form, cert)
	d.table.addText(fmt.Sprintf("%s (%v)", what, form), status+" "+reason, got.status+" "+got.reason, got.status == status && got.reason == reason)
}

// put uploads an object, and returns the report on it once the preprocessor has
// nothing left to do: after an issuers file it looks at the CRLs that are there, and
// what comes meanwhile would be reported on twice.
func (d *demo) put(ctx context.Context, key string, data []byte) (*preprocess.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := d.stack.PutAndWait(ctx, key, data)
	if err != nil {
		return nil, err
	}
	return r, d.stack.Preprocessor.Drain(ctx)
}

// nextCRL makes the next CRL of alpha, which lists all that are revoked.
func (d *demo) nextCRL() ([]byte, error) {
	d.number++
	return d.crl(d.number, d.revoked)
}

func (d *demo) crl(number int64, revoked []*pki.Leaf) ([]byte, error) {
	now := time.Now()
	o := pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour)}
	for _, leaf := range revoked {
		o.Entries = append(o.Entries, pki.Entry{Serial: leaf.Certificate.SerialNumber, Date: now, Reason: pki.KeyCompromise})
	}
	return d.alpha.CRL(o)
}

func newCA(name string) (*pki.CA, error) {
	return pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: name, Organization: []string{"crlgate demo"}}})
}

func issue(ca *pki.CA, name string) (*pki.Leaf, error) {
	return ca.Issue(pki.LeafOptions{Subject: pkix.Name{CommonName: name}})
}
