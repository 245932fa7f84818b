package differential

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	seed  = flag.Uint64("seed", 1, "what the cases are made from")
	cases = flag.Int("cases", 10*len(variants), "how many cases are made")
	only  = flag.Int("case", -1, "make this case alone, and describe it")
)

// The least that a run must have put to each.
const (
	leastCases      = 500
	leastNginxCases = 150
)

// need finds a program. Without it the test is skipped, unless CI is set:
// there it fails.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if sbin := "/usr/sbin/" + name; fileExists(sbin) {
			return sbin
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed, and CI is set: install it", name)
		}
		t.Skipf("%s is not installed: crlgate WAS NOT COMPARED with openssl and nginx", name)
	}
	return path
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tally is what came of a run.
type tally struct {
	verdicts      map[verdict]int // crlgate's
	asked, agreed map[checker]int
	explained     []map[string]int // by explanation, and who said what
	unexplained   int
}

func newTally() *tally {
	s := &tally{verdicts: map[verdict]int{}, asked: map[checker]int{}, agreed: map[checker]int{}}
	for range explanations {
		s.explained = append(s.explained, map[string]int{})
	}
	return s
}

// TestDifferential puts every case to crlgate, to openssl, to nginx where it
// can be expressed, and to a reading of RFC 5280 §6.3.3.
func TestDifferential(t *testing.T) {
	openssl, nginxPath := need(t, "openssl"), need(t, "nginx")
	dir := t.TempDir()
	m := &maker{tb: t, rsa: newRSAKeys(t), now: time.Now().UTC().Truncate(time.Second)}
	var all, forNginx []*kase
	laid := map[*kase]files{}
	for n := range *cases {
		if *only >= 0 && n != *only {
			continue
		}
		c := m.make(*seed, n)
		folder := filepath.Join(dir, fmt.Sprint(n))
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := c.write(folder)
		if err != nil {
			t.Fatal(err)
		}
		laid[c] = f
		all = append(all, c)
		if c.forNginx() {
			forNginx = append(forNginx, c)
		}
	}
	var server *nginx
	if len(forNginx) > 0 {
		server = startNginx(t, nginxPath, forNginx, laid)
	}
	sum := newTally()
	for _, c := range all {
		ours, err := askCrlgate(t.Context(), c, laid[c])
		if err != nil {
			t.Fatalf("%v of seed %d: %v", c, *seed, err)
		}
		sum.verdicts[ours.verdict]++
		theirs := map[checker]answer{theRFC: {verdict: c.read()}}
		if theirs[openSSL], err = askOpenSSL(t.Context(), openssl, c, laid[c]); err != nil {
			t.Fatalf("%v of seed %d: %v", c, *seed, err)
		}
		if slices.Contains(forNginx, c) {
			if theirs[nginxIs], err = server.ask(t.Context(), c); err != nil {
				t.Fatalf("%v of seed %d: %v", c, *seed, err)
			}
		}
		for _, who := range []checker{openSSL, nginxIs, theRFC} {
			if their, ok := theirs[who]; ok {
				sum.compare(t, c, who, ours, their)
			}
		}
	}
	sum.report(t)
}

// compare holds one checker's verdict against crlgate's.
func (s *tally) compare(t *testing.T, c *kase, who checker, ours, theirs answer) {
	s.asked[who]++
	if *only >= 0 {
		t.Logf("%scrlgate %s: %s\n%s %s: %s", c.describe(), ours.verdict, ours.words, who, theirs.verdict, theirs.words)
	}
	if ours.verdict == theirs.verdict {
		s.agreed[who]++
		return
	}
	for i, e := range explanations {
		if slices.Contains(e.checkers, who) && slices.Contains(e.ours, ours.verdict) && slices.Contains(e.theirs, theirs.verdict) && e.holds(c) {
			s.explained[i][fmt.Sprintf("crlgate %s, %s %s", ours.verdict, who, theirs.verdict)]++
			return
		}
	}
	s.unexplained++
	t.Errorf("seed %d: nothing explains this:\n%scrlgate %s: %s\n%s %s: %s\nagain: go test ./cmd/crlgate/differential -seed %d -case %d",
		*seed, c.describe(), ours.verdict, ours.words, who, theirs.verdict, theirs.words, *seed, c.number)
}

// report says what was asked and how it came out, and fails where too little
// was, or where an explanation explains nothing.
func (s *tally) report(t *testing.T) {
	if *only >= 0 {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %d kinds of case; crlgate says good of %d, revoked of %d, unknown of %d\n",
		*seed, len(variants), s.verdicts[good], s.verdicts[revoked], s.verdicts[unknown])
	for _, who := range []checker{openSSL, nginxIs, theRFC} {
		fmt.Fprintf(&b, "%s: %d cases, %d agree, %d differ\n", who, s.asked[who], s.agreed[who], s.asked[who]-s.agreed[who])
	}
	for i, e := range explanations {
		n := 0
		for _, m := range s.explained[i] {
			n += m
		}
		fmt.Fprintf(&b, "%5d  %s (RFC 5280 %s): %s\n", n, e.name, e.section, e.why)
		for _, what := range slices.Sorted(maps.Keys(s.explained[i])) {
			fmt.Fprintf(&b, "%10d %s\n", s.explained[i][what], what)
		}
		if n == 0 {
			t.Errorf("seed %d: the explanation %q explains nothing: take it out, or make the case that it is for", *seed, e.name)
		}
	}
	fmt.Fprintf(&b, "%5d  unexplained", s.unexplained)
	t.Log(b.String())
	for _, v := range any3 {
		if s.verdicts[v]*10 < s.asked[openSSL] {
			t.Errorf("seed %d: crlgate says %s of %d cases only: too few to show anything", *seed, v, s.verdicts[v])
		}
	}
	if s.asked[openSSL] < leastCases || s.asked[nginxIs] < leastNginxCases {
		t.Errorf("too few cases: %d, and %d for nginx; at least %d and %d are wanted", s.asked[openSSL], s.asked[nginxIs], leastCases, leastNginxCases)
	}
}
