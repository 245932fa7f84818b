package s3proc

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"
)

// Aged makes every object that was written up to a moment look older by this
// time, in listings and in answers about the object itself. So it can be seen
// what comes of old objects, whoever's server keeps them.
func Aged(upTo time.Time, by time.Duration) Fault {
	older := func(t time.Time) time.Time {
		if t.After(upTo) {
			return t
		}
		return t.Add(-by)
	}
	return Alter(func(resp *http.Response) error {
		if value := resp.Header.Get("Last-Modified"); value != "" {
			t, err := http.ParseTime(value)
			if err != nil {
				return fmt.Errorf("Last-Modified: %w", err)
			}
			resp.Header.Set("Last-Modified", older(t).UTC().Format(http.TimeFormat))
		}
		if resp.Request.URL.Query().Get("list-type") != "2" {
			return nil
		}
		return ageListing(resp, older)
	})
}

// lastModified is how a listing says when an object was written.
var lastModified = regexp.MustCompile(`<LastModified>([^<]*)</LastModified>`)

// ageListing changes the times in an answer to ListObjectsV2.
func ageListing(resp *http.Response, older func(time.Time) time.Time) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	body = lastModified.ReplaceAllFunc(body, func(found []byte) []byte {
		t, fault := time.Parse(time.RFC3339Nano, string(lastModified.FindSubmatch(found)[1]))
		if fault != nil {
			err = fmt.Errorf("LastModified in a listing: %w", fault)
			return found
		}
		return []byte("<LastModified>" + older(t).UTC().Format(time.RFC3339Nano) + "</LastModified>")
	})
	ReplaceBody(resp, body)
	return err
}
