package client_test

import (
	"errors"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
)

func TestOdd(t *testing.T) {
	for _, c := range []struct {
		a    client.Answer
		want string
	}{
		{client.Answer{Status: 200, Reason: "good"}, ""},
		{client.Answer{Status: 403, Reason: "revoked"}, ""},
		{client.Answer{Status: 403}, ""},
		{client.Answer{Status: 500, Detail: "the function failed"}, "answered 500  (the function failed)"},
		{client.Answer{Status: 200, Detail: "no word of why"}, "answered 200  (no word of why)"},
		{client.Answer{Status: 200, Reason: "revoked"}, "answered 200 revoked ()"},
		{client.Answer{Err: errors.New("gone")}, "no answer: gone"},
		{client.Answer{}, "answered 0  ()"},
	} {
		if got := c.a.Odd(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.a, got, c.want)
		}
	}
}
