package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"

	g "maragu.dev/gomponents"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// view is what the page shows.
type view struct {
	target string
	at     time.Time // when this was worked out
	// status is as of the last time that the cache bucket could be read; nil:
	// never yet. Times left are as of at.
	status  *status.Status
	reports []*preprocess.Report // newest first
	read    time.Time            // when the bucket was read last
	trouble string               // why it cannot be read now; "": it can
	lists   []list               // CRLs in force, the most urgent first
	entries entriesView
	denials Denials
}

// part is a part of the page that is swapped as a whole when it changes.
type part struct {
	id     string
	render func(*view) g.Node
}

// parts in the order of the page.
var parts = []part{
	{"summary", summaryPart},
	{"crls", crlsPart},
	{"denials", denialsPart},
	{"entries", entriesPart},
	{"reports", reportsPart},
}

// frames renders a view.
func (v *view) frames() []frame {
	out := make([]frame, len(parts))
	for i, p := range parts {
		var b bytes.Buffer
		_ = p.render(v).Render(&b) // a buffer takes everything
		sum := sha256.Sum256(b.Bytes())
		out[i] = frame{ID: p.id, HTML: b.String(), Hash: hex.EncodeToString(sum[:6])}
	}
	return out
}
