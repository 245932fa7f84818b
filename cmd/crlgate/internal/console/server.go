package console

import (
	"embed"
	"net/http"
	"strings"

	g "maragu.dev/gomponents"
)

//go:embed assets
var assets embed.FS

// server answers HTTP requests.
type server struct {
	watch   *watch
	keys    *keys
	streams chan struct{} // one for each event stream that is open
	answers chan struct{} // one for each answer that is worked out
	routes  *http.ServeMux
}

// How many at a time.
const (
	maxStreams = 32
	maxAnswers = 2
)

func newServer(w *watch) *server {
	s := &server{watch: w, keys: newKeys(), streams: make(chan struct{}, maxStreams), answers: make(chan struct{}, maxAnswers), routes: http.NewServeMux()}
	s.routes.HandleFunc("GET /{$}", s.page)
	s.routes.HandleFunc("GET /events", s.events)
	s.routes.HandleFunc("POST /answer", s.answer)
	for path, kind := range map[string]string{
		"console.css": "text/css; charset=utf-8", "console.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		s.routes.HandleFunc("GET /"+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFileFS(w, r, assets, "assets/"+path)
		})
	}
	return s
}

// ServeHTTP turns strangers away, and answers the rest.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if why := stranger(r); why != "" {
		refuse(w, http.StatusForbidden, why)
		return
	}
	if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, openPath) && s.keys.enter(w, r) {
		return
	}
	if !s.keys.known(r) {
		refuse(w, http.StatusUnauthorized, "Open the address that \"crlgate console\" printed when it started: it lets this browser in.")
		return
	}
	s.routes.ServeHTTP(w, r)
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(why + "\n"))
}

func (s *server) page(w http.ResponseWriter, _ *http.Request) {
	s.watch.someoneLooks()
	s.render(w, http.StatusOK, document(s.watch.board.now(), nil))
}

func (s *server) render(w http.ResponseWriter, status int, node g.Node) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = node.Render(w) // an error is the client's going away
}
