package soak

import (
	"net/http"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/client"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
)

// judge says what is wrong with an answer; "": nothing.
func (s *soak) judge(l *leaf, a client.Answer) string {
	if odd := a.Odd(); odd != "" {
		return odd
	}
	switch {
	case a.Status == http.StatusOK:
		if l.always != "" {
			return oracle.WrongAllow + ": its status is unknown"
		}
		return s.bounds.Allow(&l.Truth, a.Began, s.faults.quietSince(a, s.began))
	case a.Reason == "revoked":
		return l.Revoked(a.End)
	case l.always != "" && a.Reason == l.always:
		return ""
	case a.Reason == "cache_unavailable", a.Reason == "cache_stale":
		for _, e := range s.faults.near(a) {
			if e.explains(l) {
				return ""
			}
		}
		return oracle.WrongDeny + ": nothing that was broken explains it"
	}
	return oracle.WrongDeny + ": no fault explains it"
}
