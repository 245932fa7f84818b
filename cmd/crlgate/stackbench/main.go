// Command stackbench measures the local stack with the real function binaries:
// what a cold start fetches and how long its first answer takes, and what the
// authorizer adds to a request under load. The benchmark (package bench) runs
// it and gives it CRLs; it prints one JSON object.
//
// It is a program of its own, beside the crlgate command, because the stack is
// internal to that.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// settings of a run.
type settings struct {
	crlgate   string // the binary that runs the S3 server
	functions string // folder of the functions' binaries
	allow     string // binary of the function that always allows
	issuer    string // PEM file
	good      string // PEM file of a client certificate and its key
	revoked   string // the same, of one that the CRLs list
	crls      []string
	parts     int
	rounds    int
	loadCRL   string
	seconds   int
	dir       string // of this run; removed at its end
}

// result is what the program prints.
type result struct {
	Cold []cold `json:"cold"`
	Load *load  `json:"load,omitempty"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "stackbench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var s settings
	var crls string
	flag.StringVar(&s.crlgate, "crlgate", "build/bin/crlgate", "the crlgate `binary`")
	flag.StringVar(&s.functions, "functions", "", "`folder` of the functions' binaries")
	flag.StringVar(&s.allow, "allow", "", "`binary` of the function that always allows; \"\": no load")
	flag.StringVar(&s.issuer, "issuer", "", "PEM `file` of the CA")
	flag.StringVar(&s.good, "good", "", "PEM `file` of a client certificate with its key")
	flag.StringVar(&s.revoked, "revoked", "", "PEM `file` of one that the CRLs list, with its key")
	flag.StringVar(&crls, "crls", "", "CRL `files` to start cold on, with commas between")
	flag.StringVar(&s.loadCRL, "load", "", "CRL `file` to serve under load; \"\": no load")
	flag.IntVar(&s.parts, "partitions", 0, "start cold on one CA with as many partitioned CRLs; 0: not")
	flag.IntVar(&s.rounds, "rounds", 7, "cold starts for each CRL")
	flag.IntVar(&s.seconds, "seconds", 2, "seconds of a round under load")
	flag.Parse()
	if crls != "" {
		s.crls = strings.Split(crls, ",")
	}
	if s.functions, err = filepath.Abs(s.functions); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "crlgate-stackbench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	var r result
	for _, file := range s.crls {
		c, err := s.coldOn(ctx, file)
		if err != nil {
			return fmt.Errorf("cold start on %s: %w", file, err)
		}
		r.Cold = append(r.Cold, c)
	}
	if s.parts > 0 {
		c, err := s.coldOnPartitions(ctx)
		if err != nil {
			return fmt.Errorf("cold start on %d partitions: %w", s.parts, err)
		}
		r.Cold = append(r.Cold, c)
	}
	if s.loadCRL != "" && s.allow != "" {
		if r.Load, err = s.underLoad(ctx); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// patience is how long one step may take: ten million entries are uploaded,
// verified and published in one.
const patience = 10 * time.Minute
