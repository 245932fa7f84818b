package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// The other programs; embedded, so that "go run" brings them along.
var (
	//go:embed peers/openssl.c
	opensslC []byte
	//go:embed peers/pyca.py
	pycaPy []byte
)

// used is what a process took, by the operating system's account.
type used struct {
	wall, cpu float64 // seconds
	peak      float64 // MiB resident at most
}

// spawn runs a program to its end. The operating system counts what a process
// has resident from its birth on, which is when it still is a copy of this
// one: so this process stays small.
func spawn(ctx context.Context, argv ...string) (used, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	err := cmd.Run()
	u := used{wall: time.Since(began).Seconds()}
	if err != nil {
		return u, fmt.Errorf("%v: %w", argv, err)
	}
	u.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peak = float64(ru.Maxrss) / 1024
	}
	return u, nil
}

// program is one way to make of a CRL file what look-ups need.
type program struct {
	name   string
	argv   func(in, out string) []string
	target map[int]float64 // how many times faster crlgate is to be
	all    []used
}

func (p *program) of(get func(used) float64) (out []float64) {
	for _, u := range p.all {
		out = append(out, get(u))
	}
	return out
}

func wall(u used) float64 { return u.wall }
func busy(u used) float64 { return u.cpu }
func peak(u used) float64 { return u.peak }

// wholeProcess measures file to file, each program in a process of its own.
func wholeProcess(ctx context.Context, s *settings) (*report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &report{Charts: []chart{
		{File: "time.svg", Title: "CRL file to verified, sorted serial numbers", Y: "seconds"},
		{File: "memory.svg", Title: "Peak memory", Y: "MiB"},
	}}
	if err := s.startUp(ctx, r); err != nil {
		return nil, err
	}
	peers, err := s.others(ctx, r, self)
	if err != nil {
		return nil, err
	}
	for _, n := range s.sizes(1_000, 100_000_000) {
		if err := s.programs(ctx, r, n, self, peers); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// startUp measures what it takes to run a program that does next to nothing.
func (s *settings) startUp(ctx context.Context, r *report) error {
	for _, argv := range [][]string{{s.crlgate, "help"}, {"true"}} {
		p := program{}
		for range 11 {
			u, err := spawn(ctx, argv...)
			if err != nil {
				return err
			}
			p.all = append(p.all, u)
		}
		name := "start-up: " + filepath.Base(argv[0])
		r.add(row{What: name, Value: median(p.of(wall)) * 1e3, Unit: "ms", Rounds: 11}, row{What: name + ", peak memory", Value: median(p.of(peak)), Unit: "MiB", Rounds: 11})
	}
	return nil
}

// others are the programs that this machine has.
func (s *settings) others(ctx context.Context, r *report, self string) (peers []*program, err error) {
	if !s.peers {
		return nil, nil
	}
	issuer := s.issuerPath()
	peers = append(peers, &program{
		name: "crypto/x509 + JSON", target: map[int]float64{1_000_000: 20, 10_000_000: 25},
		argv: func(in, out string) []string { return []string{self, "child", "x509", issuer, in, out} },
	})
	source, binary := s.path("openssl.c"), s.path("openssl-flatten")
	if err := os.WriteFile(source, opensslC, 0o644); err != nil {
		return nil, err
	}
	if said, err := exec.CommandContext(ctx, "gcc", "-O2", "-o", binary, source, "-lcrypto").CombinedOutput(); err != nil {
		r.note("OpenSSL C is not measured: gcc and libssl-dev are needed (%v: %.200s)", err, said)
	} else {
		peers = append(peers, &program{
			name: "OpenSSL C", target: map[int]float64{1_000_000: 12, 10_000_000: 12},
			argv: func(in, _ string) []string { return []string{binary, issuer, in} },
		})
	}
	script := s.path("pyca.py")
	if err := os.WriteFile(script, pycaPy, 0o644); err != nil {
		return nil, err
	}
	if err := exec.CommandContext(ctx, "python3", "-c", "import cryptography").Run(); err != nil {
		r.note("Python's cryptography is not measured: python3 cannot import it (%v)", err)
	} else {
		peers = append(peers, &program{
			name: "Python cryptography",
			argv: func(in, out string) []string { return []string{"python3", script, issuer, in, out} },
		})
	}
	return peers, nil
}

// programs measures all programs on a CRL, in turns.
func (s *settings) programs(ctx context.Context, r *report, n int, self string, peers []*program) error {
	in, set, other := s.crlPath(n, random), s.path("out.set"), s.path("out.json")
	hash := &program{name: "reading and hashing", argv: func(in, _ string) []string { return []string{self, "child", "hash", in} }}
	ours := &program{name: "crlgate flatten", argv: func(in, _ string) []string {
		return []string{s.crlgate, "flatten", "--issuer", s.issuerPath(), "--crl", in, "-o", set}
	}}
	all := []*program{hash, ours}
	if n <= 10_000_000 {
		all = append(all, peers...)
	}
	if _, err := spawn(ctx, hash.argv(in, "")...); err != nil { // so that the file lies in memory for all
		return err
	}
	rounds := min(9, max(3, 10_000_000/n))
	for i := range rounds {
		for _, p := range all {
			if p != hash && p != ours && (i > 0 && n >= 10_000_000 || i >= 3) {
				continue // they take minutes
			}
			u, err := spawn(ctx, p.argv(in, other)...)
			if err != nil {
				return err
			}
			p.all = append(p.all, u)
		}
	}
	s.compare(r, n, hash, ours, all, set)
	return errors.Join(os.Remove(set), removeIfThere(other))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (s *settings) compare(r *report, n int, hash, ours *program, all []*program, set string) {
	for _, p := range all {
		p.report(r, n)
	}
	quick := median(ours.of(wall))
	if n >= 1_000_000 {
		r.add(row{What: "crlgate flatten / reading and hashing", Entries: n, Value: ratio(ours.of(wall), hash.of(wall)), Unit: "×", Rounds: len(ours.all), Target: 4})
	}
	for _, p := range all[2:] {
		r.add(
			row{What: p.name + " / crlgate flatten", Entries: n, Value: median(p.of(wall)) / quick, Unit: "×", Rounds: len(p.all), Target: p.target[n], AtLeast: true},
			row{What: p.name + " / crlgate flatten, processor time", Entries: n, Value: median(p.of(busy)) / median(ours.of(busy)), Unit: "×", Rounds: len(p.all)},
		)
		p.all = nil
	}
	if info, err := os.Stat(set); err == nil {
		size := float64(info.Size()) / (1 << 20)
		r.add(row{What: "crlgate flatten, peak memory beyond the set", Entries: n, Value: median(ours.of(peak)) - size, Unit: "MiB", Rounds: len(ours.all), Target: 64})
	}
	if n == 100_000_000 {
		r.add(row{What: "crlgate flatten, peak memory", Entries: n, Value: median(ours.of(peak)), Unit: "MiB", Rounds: len(ours.all), Target: 4096})
	}
}

// report adds what a program took.
func (p *program) report(r *report, n int) {
	t, m := median(p.of(wall)), median(p.of(peak))
	r.add(
		row{What: p.name, Entries: n, Value: t, Unit: "s", Rounds: len(p.all)},
		row{What: p.name + ", processor time", Entries: n, Value: median(p.of(busy)), Unit: "s", Rounds: len(p.all)},
		row{What: p.name + ", peak memory", Entries: n, Value: m, Unit: "MiB", Rounds: len(p.all)},
	)
	r.Charts[0].point(p.name, n, t)
	r.Charts[1].point(p.name, n, m)
}
