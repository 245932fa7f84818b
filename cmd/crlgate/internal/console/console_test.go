package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/proctest"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// unreadable is a deployment whose bucket cannot be reached.
func unreadable(t *testing.T) *target.Target {
	t.Helper()
	cache, err := objectstore.Open(t.Context(), "my-cache", objectstore.WithEndpoint("http://127.0.0.1:1"), objectstore.WithRegion("x"),
		objectstore.WithStaticCredentials("k", "s"), objectstore.WithMaxAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	return &target.Target{Cache: cache}
}

// TestRun: it serves, lets in by what it prints and by what it hands a browser, says
// what it cannot read, and ends with its context, open streams and all.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var said proctest.Output
	opened := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{
			Target: unreadable(t), Listen: "127.0.0.1:0", Every: 10 * time.Millisecond, Words: &said,
			Open: func(url string) error { opened <- url; return errors.New("no browser here") },
		})
	}()
	once := <-opened
	for deadline := time.Now().Add(time.Minute); !strings.Contains(said.String(), "no browser here"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it says %q", said.String())
		}
	}
	printed := regexp.MustCompile(`http://127\.0\.0\.1:\d+/open/\w+`).FindString(said.String())
	if printed == "" || printed == once || !strings.Contains(said.String(), "s3://my-cache") {
		t.Fatalf("it says %q, and opens %s", said.String(), once)
	}
	for _, url := range []string{once, printed} {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Jar: jar, Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		var page string
		for deadline := time.Now().Add(time.Minute); !strings.Contains(page, "The cache bucket cannot be read now"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s leads to %s", url, page)
			}
			page = get(t, client, url)
			if i := strings.Index(url, openPath); i > 0 {
				url = url[:i] + "/"
			}
		}
		has(t, page, "CloudWatch is not asked.")
	}
	// A stream that is open does not hold up the end.
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get(t, client, printed)
	resp, err := client.Get(printed[:strings.Index(printed, openPath)] + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	if _, err := http.Get(printed); err == nil {
		t.Error("it still serves")
	}
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRunRefusesOtherAddresses(t *testing.T) {
	err := Run(t.Context(), Config{Target: unreadable(t), Listen: "0.0.0.0:0", Words: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "not a loopback address") {
		t.Errorf("%v", err)
	}
}
