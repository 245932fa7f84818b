package s3proc_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// What was written before the moment is older, in a listing and on its own; what
// comes after it is as it is, and so is everything once the fault is gone.
func TestProxyAged(t *testing.T) {
	proxy, _, c, direct := startProxy(t)
	ages := func(c *s3.Client) (listed, head map[string]time.Duration) {
		t.Helper()
		listed, head = map[string]time.Duration{}, map[string]time.Duration{}
		list, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: new(bucket)})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Contents {
			listed[*o.Key] = time.Since(*o.LastModified).Round(time.Hour)
			out, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new(bucket), Key: o.Key})
			if err != nil {
				t.Fatal(err)
			}
			head[*o.Key] = time.Since(*out.LastModified).Round(time.Hour)
		}
		return listed, head
	}
	const by = 48 * time.Hour
	mustPut(t, direct, "old", "x")
	remove := proxy.Inject(s3proc.Any, s3proc.Aged(time.Now(), by))
	time.Sleep(1100 * time.Millisecond) // S3 counts in seconds
	mustPut(t, direct, "new", "x")
	listed, head := ages(c)
	for name, got := range map[string]map[string]time.Duration{"a listing": listed, "HEAD": head} {
		if len(got) != 2 || got["old"] != by || got["new"] != 0 {
			t.Errorf("ages in %s: %v, want 48h of old, and 0 of new", name, got)
		}
	}
	if listed, _ := ages(direct); listed["old"] != 0 {
		t.Errorf("the object itself has become %v old", listed["old"])
	}
	remove()
	if listed, head := ages(c); listed["old"] != 0 || head["old"] != 0 {
		t.Errorf("with the fault gone, ages %v and %v", listed, head)
	}
}
