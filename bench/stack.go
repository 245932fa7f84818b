package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// partitions is how many CRLs the partitioned CA has.
const partitions = 4096

// stackResult is what cmd/crlgate/stackbench prints.
type stackResult struct {
	Cold []struct {
		Name      string  `json:"name"`
		GETs      int     `json:"gets"`
		Octets    int64   `json:"octets"`
		FirstMS   float64 `json:"first_ms"`
		SecondMS  float64 `json:"second_ms"`
		AllGETs   int     `json:"all_gets"`
		AllOctets int64   `json:"all_octets"`
		PeakMiB   float64 `json:"peak_mib"`
		Rounds    int     `json:"rounds"`
		PublishMS float64 `json:"publish_ms"`
	} `json:"cold"`
	Load struct {
		P50, P99, AllowP50, AllowP99, AddedP50, AddedP99  float64
		Requests, Rounds, SlowRequests, Waited, Refreshes int
	} `json:"load"`
}

// localStack measures the stack with the real binaries: cold starts, counted
// at the S3 server, and the authorizer under load.
func localStack(ctx context.Context, s *settings) (*report, error) {
	bench, allow := s.path("stackbench"), s.path("alwaysallow")
	const source = "./cmd/crlgate/stackbench"
	for out, pkg := range map[string]string{bench: source, allow: source + "/internal/alwaysallow"} {
		if said, err := exec.CommandContext(ctx, "go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %w\n%s", pkg, err, said)
		}
	}
	sizes := s.sizes(10_000, 100_000_000)
	var files []string
	for _, n := range sizes {
		files = append(files, s.crlPath(n, random))
	}
	cmd := exec.CommandContext(ctx, bench, "-crlgate", s.crlgate, "-functions", s.lambda, "-allow", allow,
		"-issuer", s.issuerPath(), "-good", s.path("good.pem"), "-revoked", s.path("revoked.pem"),
		"-crls", strings.Join(files, ","), "-partitions", fmt.Sprint(partitions), "-load", s.crlPath(min(s.max, 1_000_000), random))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(bench), err)
	}
	var found stackResult
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, err
	}
	r := &report{Charts: []chart{
		{File: "cold.svg", Title: "A cold start's fetches until its first answer", Y: "KiB"},
	}}
	for i, c := range found.Cold {
		n, of := 0, ""
		if i < len(sizes) {
			n = sizes[i]
			r.Charts[0].point("crlgate", n, float64(c.Octets)/1024)
			r.Charts[0].point("the whole set", n, float64(n)*21/1024)
		} else {
			of = c.Name + ": "
		}
		r.add(
			row{What: of + "cold, GETs until the first answer", Entries: n, Value: float64(c.GETs), Target: 4, Rounds: c.Rounds},
			row{What: of + "cold, fetched until the first answer", Entries: n, Value: float64(c.Octets) / 1024, Unit: "KiB", Target: 160, Rounds: c.Rounds},
			row{What: of + "cold, first answer, start of the process included", Entries: n, Value: c.FirstMS, Unit: "ms", Rounds: c.Rounds},
			row{What: of + "second answer", Entries: n, Value: c.SecondMS, Unit: "ms", Rounds: c.Rounds},
			row{What: of + "fetched for 22 answers", Entries: n, Value: float64(c.AllOctets) / 1024, Unit: "KiB", Rounds: c.Rounds},
			row{What: of + "peak memory of a function of 128 MB", Entries: n, Value: c.PeakMiB, Unit: "MiB", Target: 128, Rounds: c.Rounds},
			row{What: of + "upload to report", Entries: n, Value: c.PublishMS / 1e3, Unit: "s", Rounds: 1},
		)
	}
	l := found.Load
	r.add(
		row{What: "under load, p50 with crlgate", Value: l.P50, Unit: "ms", Rounds: l.Rounds},
		row{What: "under load, p50 with a function that always allows", Value: l.AllowP50, Unit: "ms", Rounds: l.Rounds},
		row{What: "under load, added at p50", Value: l.AddedP50, Unit: "ms", Rounds: l.Rounds},
		row{What: "under load, p99 with crlgate", Value: l.P99, Unit: "ms", Rounds: l.Rounds},
		row{What: "under load, p99 with a function that always allows", Value: l.AllowP99, Unit: "ms", Rounds: l.Rounds},
		row{What: "under load, added at p99", Value: l.AddedP99, Unit: "ms", Rounds: l.Rounds},
		row{What: fmt.Sprintf("warm, requests that waited for S3, of %s over %d refreshes of 1 s", count(l.SlowRequests), l.Refreshes), Value: float64(l.Waited), Zero: true},
	)
	r.note("under load: %s requests over 4 connections of mutual TLS that are kept, in %d rounds", count(l.Requests), l.Rounds)
	return r, nil
}
