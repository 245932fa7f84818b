package objectstore

import (
	"net/http"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	for attempt, most := range map[int]time.Duration{
		0: 50 * time.Millisecond, 1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 5: 800 * time.Millisecond,
		6: time.Second, 1000: time.Second,
	} {
		for range 100 {
			if got := backoff(attempt); got < most/2 || got >= most {
				t.Fatalf("after %d attempts %v, want between %v and %v", attempt, got, most/2, most)
			}
		}
	}
}

// The reason for a connection's idle time is in idleTimeout's comment; this holds
// that it reaches the transport.
func TestTransportIsTuned(t *testing.T) {
	tr := httpClient().GetTransport()
	if tr.IdleConnTimeout != idleTimeout || !tr.DisableCompression || tr.MaxIdleConnsPerHost < 2 || tr.DisableKeepAlives {
		t.Errorf("transport %+v", tr)
	}
	if d := httpClient().GetDialer(); d.Timeout != dialTimeout || d.KeepAlive != tcpKeepAlive {
		t.Errorf("dialer %+v", d)
	}
	if tr.Proxy == nil || tr.TLSClientConfig.MinVersion == 0 {
		t.Error("the SDK's own settings are gone")
	}
	var _ http.RoundTripper = tr
}

func TestPutTimeoutGrowsWithTheBody(t *testing.T) {
	for size, want := range map[int64]time.Duration{0: 5 * time.Second, 10 << 20: 15 * time.Second, 5 << 30: 5*time.Second + 5120*time.Second} {
		if got := putTimeout(5*time.Second, size); got != want {
			t.Errorf("%d bytes: %v, want %v", size, got, want)
		}
	}
	if got := putTimeout(0, 1<<40); got != 0 {
		t.Errorf("no bound became %v", got)
	}
}
