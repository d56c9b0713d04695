package store

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A lie is what one download meets: truth is the file, and the servers do
// whatever the lie says.
type lie struct {
	rng   *rand.Rand
	truth string
	hub   *httptest.Server
	store *httptest.Server
	third *httptest.Server

	mu       sync.Mutex
	requests int // for the file's bytes
	leaks    int // the token, anywhere but at the Hub
	kind     liar
}

// A liar changes what the servers answer, nil for the truth.
type liar struct {
	name   string
	good   bool // the pull must work all the same
	either bool // it may: what is spoiled need not be what is taken
	heads  func(l *lie, w http.ResponseWriter)
	bytes  func(l *lie, w http.ResponseWriter, r *http.Request)
	listed func(l *lie, w http.ResponseWriter) bool
}

// honest sends the file, or the part of it that is asked for.
func (l *lie) honest(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(l.truth))
}

func sendAll(w http.ResponseWriter, s string) {
	w.Header().Set("Content-Length", strconv.Itoa(len(s)))
	io.WriteString(w, s)
}

// spoiled is the file with one bit flipped.
func (l *lie) spoiled() string {
	b := []byte(l.truth)
	b[l.rng.IntN(len(b))] ^= 1 << l.rng.IntN(8)
	return string(b)
}

// cut sends the beginning of the file as if all of it came.
func (l *lie) cut(w http.ResponseWriter) {
	w.Header().Set("Content-Length", strconv.Itoa(len(l.truth)))
	io.WriteString(w, l.truth[:l.rng.IntN(len(l.truth))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

var liars = []liar{
	{name: "none", good: true},
	{name: "a flipped bit", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) { sendAll(w, l.spoiled()) }},
	{name: "a short body of its own length", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) {
		sendAll(w, l.truth[:l.rng.IntN(len(l.truth))])
	}},
	{name: "a short body of no length", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, l.truth[:l.rng.IntN(len(l.truth))])
	}},
	{name: "a long body", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, l.truth+strings.Repeat("x", 1+l.rng.IntN(5000)))
	}},
	{name: "a body cut off, again and again", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) { l.cut(w) }},
	{name: "a body cut off once", good: true, bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		if l.requests == 1 {
			l.cut(w)
		}
		l.honest(w, r)
	}},
	{name: "cut off, then another file", either: true, bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		if l.requests == 1 {
			l.cut(w)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(l.spoiled()))
	}},
	{name: "cut off, then a range that was not asked for", bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		if l.requests == 1 {
			l.cut(w)
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", l.rng.IntN(9), len(l.truth)-1, len(l.truth)))
		w.WriteHeader(http.StatusPartialContent)
		io.WriteString(w, l.truth[1:])
	}},
	{name: "a range that lies about its bytes", bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		if l.requests == 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(l.truth)))
			io.WriteString(w, l.truth[:len(l.truth)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		var from int
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(l.truth)-1, len(l.truth)))
		w.WriteHeader(http.StatusPartialContent)
		io.WriteString(w, strings.Repeat("y", len(l.truth)-from))
	}},
	{name: "a compressed body that nobody asked for", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		sendAll(w, strings.Repeat("\x1f\x8b\x08", len(l.truth)/3+1)[:len(l.truth)])
	}},
	{name: "an error page with status 200", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) { sendAll(w, "<html>log in</html>") }},
	{name: "500 once", good: true, bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		if l.requests == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		l.honest(w, r)
	}},
	{name: "500 for ever", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500 + l.rng.IntN(5)) }},
	{name: "403 and 404", bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403 + l.rng.IntN(2)) }},
	{name: "a slow drip", good: true, bytes: func(l *lie, w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(l.truth); i += len(l.truth)/4 + 1 {
			io.WriteString(w, l.truth[i:min(len(l.truth), i+len(l.truth)/4+1)])
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	}},
	{name: "a drip that stops", bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, l.truth[:1])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}},
	{name: "a redirect to a third address that steals", bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(l.third.URL, "127.0.0.1", "localhost", 1)+"/steal", http.StatusTemporaryRedirect)
	}},
	{name: "a redirect back to the Hub", bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, l.hub.URL+"/elsewhere", http.StatusFound)
	}},
	{name: "redirects without end", bytes: func(l *lie, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }},
	{name: "a file that changes after it was announced", bytes: func(l *lie, w http.ResponseWriter, r *http.Request) {
		l.truth = "new" + l.truth[3:]
		w.Header().Set("ETag", `"`+sumOf(l.truth)+`"`)
		l.honest(w, r)
	}},
	{name: "another file's checksum", heads: func(l *lie, w http.ResponseWriter) {
		w.Header().Set("X-Linked-Etag", `"`+sumOf(l.spoiled())+`"`)
	}},
	{name: "no checksum, or none that can be one", heads: func(l *lie, w http.ResponseWriter) {
		w.Header().Set("X-Linked-Etag", []string{"", `"abc"`, `"` + commit + `"`, `"../../../x"`, `W/""`}[l.rng.IntN(5)])
	}},
	{name: "another size", heads: func(l *lie, w http.ResponseWriter) {
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(l.truth)-1+2*l.rng.IntN(2)))
	}},
	{name: "no size, or none that can be one", heads: func(l *lie, w http.ResponseWriter) {
		w.Header().Set("X-Linked-Size", []string{"", "-1", "1e3", "99999999999999999999"}[l.rng.IntN(4)])
	}},
	{name: "a list that is none", listed: func(l *lie, w http.ResponseWriter) bool {
		io.WriteString(w, []string{"", "[]", "{", `{"sha":"../x"}`, `{"sha":"` + commit + `","siblings":[{"rfilename":"../a.gguf"}]}`, strings.Repeat("[", 9000)}[l.rng.IntN(6)])
		return true
	}},
}

func (l *lie) look(r *http.Request) {
	if strings.Contains(fmt.Sprint(r.Header), token) || strings.Contains(r.URL.String(), token) {
		l.leaks++
	}
}

// start begins the servers, which serve one lie after another.
func (l *lie) start(t *testing.T) {
	handle := func(f http.HandlerFunc) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/slow" {
				l.mu.Lock()
				defer l.mu.Unlock()
			}
			f(w, r)
		}))
		t.Cleanup(s.Close)
		return s
	}
	l.third = handle(func(w http.ResponseWriter, r *http.Request) { l.look(r); sendAll(w, l.spoiled()) })
	l.store = handle(func(w http.ResponseWriter, r *http.Request) {
		l.look(r)
		l.requests++
		if l.kind.bytes != nil {
			l.kind.bytes(l, w, r)
			return
		}
		l.honest(w, r)
	})
	l.hub = handle(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			if l.kind.listed == nil || !l.kind.listed(l, w) {
				io.WriteString(w, `{"sha":"`+commit+`","siblings":[{"rfilename":"tiny.gguf"}]}`)
			}
			return
		}
		if !strings.Contains(r.URL.Path, "/resolve/") {
			sendAll(w, "<html>")
			return
		}
		w.Header().Set("X-Linked-Etag", `"`+sumOf(l.truth)+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(l.truth)))
		if l.kind.heads != nil {
			l.kind.heads(l, w)
		}
		http.Redirect(w, r, strings.Replace(l.store.URL, "127.0.0.1", "localhost", 1)+"/blob", http.StatusFound)
	})
}

// TestLyingHub pulls from a Hub that lies in every way above, each time with
// another file and at another place. What is accepted must be what was announced.
// MICA_ATTACK=FROM:TO says which downloads; without it, some of each.
func TestLyingHub(t *testing.T) {
	from, to := 0, 3*len(liars)
	if v := os.Getenv("MICA_ATTACK"); v != "" {
		if _, err := fmt.Sscanf(v, "%d:%d", &from, &to); err != nil {
			t.Fatalf("MICA_ATTACK=%s: %v", v, err)
		}
	}
	newStore(t)
	l := &lie{}
	l.start(t)
	t.Setenv("HF_ENDPOINT", l.hub.URL)
	t.Setenv("HF_TOKEN", token)
	s := reopen(t)
	s.wait.retry, s.wait.idle = 10*time.Microsecond, 30*time.Millisecond
	count := map[string]int{}
	for i := from; i < to; i++ {
		kind := liars[i%len(liars)]
		rng := rand.New(rand.NewPCG(37, uint64(i)))
		l.mu.Lock() // a handler that hung has let go by now: its request ended with the pull
		l.kind, l.rng, l.requests = kind, rng, 0
		size := 100 + rng.IntN(20_000)
		var b strings.Builder
		for b.Len() < size {
			fmt.Fprintf(&b, "%x", rng.Uint64())
		}
		l.truth = b.String()
		announced := sumOf(l.truth)
		l.mu.Unlock()
		ref := fmt.Sprintf("hf:org/tiny-%d", i)
		m, err := s.Pull(context.Background(), ref, nil)
		verdict := "refused"
		if err == nil {
			verdict = "accepted"
			if d, e := Digest(m.Path); e != nil || d != announced || d != m.Digest {
				t.Errorf("download %d (%s): accepted with the digest %s (%v), announced was %s", i, kind.name, d, e, announced)
			}
		}
		if (err == nil) != kind.good && !kind.either {
			t.Errorf("download %d (%s): error %v", i, kind.name, err)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("download %d (%s): the token is in the error: %v", i, kind.name, err)
		}
		repo := filepath.Join(os.Getenv("HF_HOME"), "hub", fmt.Sprintf("models--org--tiny-%d", i))
		checkBlobs(t, i, kind.name, repo)
		count[verdict+" with the lie: "+kind.name]++
		if err == nil {
			if err := s.Remove(m.Name); err != nil {
				t.Errorf("download %d: %v", i, err)
			}
		}
		os.RemoveAll(repo)
	}
	if l.leaks != 0 {
		t.Errorf("the token went to another address %d times", l.leaks)
	}
	for _, k := range slices.Sorted(maps.Keys(count)) {
		t.Logf("attack: %d %s", count[k], k)
	}
}

// checkBlobs looks at all that a pull has left: a blob has the contents that its
// name says, or is marked as unfinished.
func checkBlobs(t *testing.T, i int, kind, repo string) {
	t.Helper()
	entries, _ := os.ReadDir(filepath.Join(repo, "blobs"))
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".incomplete") {
			continue
		}
		if d, err := Digest(filepath.Join(repo, "blobs", e.Name())); err != nil || d != e.Name() {
			t.Errorf("download %d (%s): the blob %s has the digest %s, %v", i, kind, e.Name(), d, err)
		}
	}
}
