package objectstore_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

func page(encoding, next, contents string) http.HandlerFunc {
	more := "<IsTruncated>false</IsTruncated>"
	if next != "" {
		more = "<IsTruncated>true</IsTruncated><NextContinuationToken>" + next + "</NextContinuationToken>"
	}
	if encoding != "" {
		more += "<EncodingType>" + encoding + "</EncodingType>"
	}
	return answer(200, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`+
		more+contents+`</ListBucketResult>`, "Content-Type: application/xml")
}

func content(key, etag string) string {
	return "<Contents><Key>" + key + "</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified><ETag>&quot;" + etag +
		"&quot;</ETag><Size>5</Size></Contents>"
}

func list(ctx context.Context, b *objectstore.Bucket, prefix string) (keys []string, err error) {
	for o, err := range b.List(ctx, prefix) {
		if err != nil {
			return keys, err
		}
		if o.Size != 5 || o.LastModified.IsZero() || o.Version != `"e"` {
			return keys, errors.New("object is not as it was listed")
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

func TestListPages(t *testing.T) {
	w := newWire(t,
		page("url", "token/1", content("crls/a+b%0A%2B", "e")+content("crls/c", "e")),
		page("", "", content("crls/d+%41", "e"))) // as servers answer that know no encoding
	keys, err := list(t.Context(), w.bucket(t), "crls/")
	want := []string{"crls/a b\n+", "crls/c", "crls/d+%41"}
	if err != nil || !slices.Equal(keys, want) {
		t.Fatalf("%q, %v, want %q", keys, err, want)
	}
	sent := w.requests()
	if len(sent) != 2 || sent[0].Path != "/bucket" && sent[0].Path != "/bucket/" {
		t.Fatalf("sent %+v", sent)
	}
	for _, part := range []string{"list-type=2", "prefix=crls%2F", "encoding-type=url"} {
		if !strings.Contains(sent[0].Query, part) || !strings.Contains(sent[1].Query, part) {
			t.Errorf("sent %q and %q, want %q in both", sent[0].Query, sent[1].Query, part)
		}
	}
	if strings.Contains(sent[0].Query, "continuation-token") || !strings.Contains(sent[1].Query, "continuation-token=token%2F1") {
		t.Errorf("sent %q, then %q", sent[0].Query, sent[1].Query)
	}
}

func TestListFetchesNoPageThatIsNotReached(t *testing.T) {
	w := newWire(t, page("url", "more", content("a", "e")+content("b", "e")))
	for range w.bucket(t).List(t.Context(), "") {
		break
	}
	if n := len(w.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestListEndsAtAnError(t *testing.T) {
	for name, second := range map[string]http.HandlerFunc{
		"refused":        refusal(403, "AccessDenied"),
		"repeated token": page("url", "more", content("c", "e")),
		"bad encoding":   page("url", "", content("%zz", "e")),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, page("url", "more", content("a", "e")+content("b", "e")), second)
			keys, err := list(t.Context(), w.bucket(t), "")
			if err == nil || len(keys) < 2 {
				t.Errorf("%q, %v", keys, err)
			}
			if n := len(w.requests()); n > 3 {
				t.Errorf("%d requests", n)
			}
		})
	}
}
