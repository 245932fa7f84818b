package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
)

// frozen starts a warm stack that freezes its authorizer between requests, and
// leaves it frozen for longer than MAX_UNVALIDATED, while during runs.
func frozen(t *testing.T, during func(*warm)) (*warm, int) {
	t.Helper()
	const limit = 3 * time.Second
	w := startWarm(t, stack.Config{Freeze: true, Authorizer: map[string]string{"REVALIDATE_AFTER": "1s", "MAX_UNVALIDATED": limit.String()}})
	w.expect(w.good, http.StatusOK, "good")
	pid := onlyPID(t, w.pids())
	eventually(t, "the authorizer to be frozen", func() bool {
		envs := w.Authorizer.Environments()
		return len(envs) == 1 && envs[0].Frozen
	})
	during(w)
	time.Sleep(limit + time.Second) // what is tested is the passing of time
	if envs := w.Authorizer.Environments(); len(envs) != 1 || !envs[0].Frozen || envs[0].PID != pid {
		t.Fatalf("environments %+v, want process %d, frozen", envs, pid)
	}
	return w, pid
}

// TestFrozenPastMaxUnvalidated thaws an authorizer whose catalog became stale
// in the freeze, in which its client was revoked. It asks S3 before it answers.
func TestFrozenPastMaxUnvalidated(t *testing.T) {
	t.Parallel()
	w, pid := frozen(t, func(w *warm) {
		w.ca.revoke(w.good)
		w.publish(w.ca)
	})
	w.expect(w.good, http.StatusForbidden, "revoked")
	if got := onlyPID(t, w.pids()); got != pid {
		t.Errorf("answered by process %d, want %d, the one that was frozen", got, pid)
	}
}

// TestFrozenPastMaxUnvalidatedWithoutS3 does the same with S3 gone meanwhile:
// what is known is too old to allow anybody.
func TestFrozenPastMaxUnvalidatedWithoutS3(t *testing.T) {
	t.Parallel()
	w, pid := frozen(t, func(w *warm) {
		w.ca.revoke(w.good)
		w.publish(w.ca)
		if err := w.S3.Kill(); err != nil {
			t.Fatal(err)
		}
	})
	w.expect(w.good, http.StatusForbidden, "cache_stale")
	w.expect(w.revoked, http.StatusForbidden, "revoked")
	w.restartS3()
	w.await(w.good, http.StatusForbidden, "revoked", "403 cache_stale")
	if got := onlyPID(t, w.pids()); got != pid {
		t.Errorf("answered by process %d, want %d, the one that was frozen", got, pid)
	}
}

// TestFrozenPastMaxUnvalidatedWithAHangingS3 does the same with an S3 that
// hangs: the answer must not wait for it for long, nor allow.
func TestFrozenPastMaxUnvalidatedWithAHangingS3(t *testing.T) {
	t.Parallel()
	w, _ := frozen(t, func(w *warm) {
		w.ca.revoke(w.good)
		w.publish(w.ca)
		if err := w.S3.Pause(); err != nil {
			t.Fatal(err)
		}
	})
	w.expect(w.good, http.StatusForbidden, "cache_stale")
	if err := w.S3.Resume(); err != nil {
		t.Fatal(err)
	}
	w.await(w.good, http.StatusForbidden, "revoked", "403 cache_stale")
}

// TestFrozenInARefresh freezes the authorizer while a refresh is under way, in
// the background: after the thaw that refresh must not stand in the way.
func TestFrozenInARefresh(t *testing.T) {
	t.Parallel()
	w := startWarm(t, stack.Config{Freeze: true, Authorizer: map[string]string{"REVALIDATE_AFTER": "2s", "MAX_UNVALIDATED": "8s"}})
	if err := w.S3.Pause(); err != nil {
		t.Fatal(err)
	}
	for range 8 { // past half of REVALIDATE_AFTER: one of these begins a refresh, which hangs
		w.expect(w.good, http.StatusOK, "good")
		time.Sleep(200 * time.Millisecond)
	}
	time.Sleep(9 * time.Second) // frozen
	if err := w.S3.Resume(); err != nil {
		t.Fatal(err)
	}
	w.ca.revoke(w.good)
	w.publish(w.ca)
	w.await(w.good, http.StatusForbidden, "revoked", "403 cache_stale")
	w.expect(w.ca.issue("other"), http.StatusOK, "good")
}
