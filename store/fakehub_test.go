package store

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	token  = "hf_secret"
	hubRef = "hf:org/tiny/sub/tiny.gguf"
)

// A fakeHub is two servers: the Hub, which announces and redirects, and the storage.
type fakeHub struct {
	hub, storage *httptest.Server

	mu       sync.Mutex
	storeFn  http.HandlerFunc  // replaces the storage's answer
	hubFn    http.HandlerFunc  // replaces the Hub's answer
	announce map[string]string // headers of the HEAD answer
	listing  string
	requests []string // METHOD path, of both
	leaks    int      // requests to the storage that carry the token
	withAuth int      // requests to the Hub that carry it
}

func newFakeHub(t *testing.T) *fakeHub {
	t.Helper()
	f := &fakeHub{
		announce: map[string]string{"X-Linked-Etag": `"` + sumOf(body) + `"`, "X-Linked-Size": strconv.Itoa(len(body)), "X-Repo-Commit": commit},
		listing: `{"sha":"` + commit + `","tags":["gguf","license:mit"],"siblings":[{"rfilename":"README.md"},{"rfilename":"sub/tiny.gguf"}],
			"futureField":{"a":[1]}}`,
	}
	f.storage = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, "STORAGE "+r.Header.Get("Range"))
		if strings.Contains(fmt.Sprint(r.Header), token) || strings.Contains(r.URL.String(), token) {
			f.leaks++
		}
		fn := f.storeFn
		f.mu.Unlock()
		if fn != nil {
			fn(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
	}))
	f.hub = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() { f.hub.Close(); f.storage.Close() })
	t.Setenv("HF_ENDPOINT", f.hub.URL)
	t.Setenv("HF_TOKEN", token)
	return f
}

func (f *fakeHub) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	if r.Header.Get("Authorization") == "Bearer "+token {
		f.withAuth++
	}
	if f.hubFn != nil {
		f.hubFn(w, r)
		return
	}
	f.answer(w, r)
}

// answer is what the Hub says when nothing is wrong.
func (f *fakeHub) answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/models/org/tiny/revision/main", "/api/models/org/tiny/revision/" + commit, "/api/models/org/tiny/revision/v1":
		io.WriteString(w, f.listing)
	case "/org/tiny/resolve/" + commit + "/sub/tiny.gguf":
		for k, v := range f.announce {
			w.Header().Set(k, v)
		}
		// Another host as far as a client can see: the name differs.
		http.Redirect(w, r, strings.Replace(f.storage.URL, "127.0.0.1", "localhost", 1)+"/blob?signature=1", http.StatusFound)
	default:
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.Header().Set("X-Error-Message", "Repository Not Found")
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (f *fakeHub) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// hubTest gives a store and the Hub that it talks to.
func hubTest(t *testing.T) (*Store, *fakeHub) {
	t.Helper()
	newStore(t)
	f := newFakeHub(t)
	return reopen(t), f
}
