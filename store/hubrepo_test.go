package store

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A repoHub serves one repository, org/many, as the Hub does: large files with a SHA-256, from another
// address; small ones itself, with git's checksum in the ETag.
type repoHub struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string]string
	before http.HandlerFunc // may answer in place of the Hub, by writing
	log    []string
}

func gitSum(s string) string {
	return fmt.Sprintf("%x", sha1.Sum([]byte("blob "+strconv.Itoa(len(s))+"\x00"+s)))
}

func newRepoHub(t *testing.T, files map[string]string) *repoHub {
	t.Helper()
	h := &repoHub{files: files}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	t.Setenv("HF_ENDPOINT", h.URL)
	return h
}

// A spy tells whether anything was written.
type spy struct {
	http.ResponseWriter
	wrote bool
}

func (s *spy) WriteHeader(code int)        { s.wrote = true; s.ResponseWriter.WriteHeader(code) }
func (s *spy) Write(b []byte) (int, error) { s.wrote = true; return s.ResponseWriter.Write(b) }

func (h *repoHub) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &spy{ResponseWriter: rw}
	h.log = append(h.log, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	if h.before != nil {
		if h.before(w, r); w.wrote {
			return
		}
	}
	if strings.HasPrefix(r.URL.Path, "/api/models/org/many/revision/") {
		type sibling struct {
			Name string `json:"rfilename"`
		}
		doc := map[string]any{"sha": commit, "tags": []string{"license:apache-2.0"}}
		var all []sibling
		for name := range h.files {
			all = append(all, sibling{name})
		}
		doc["siblings"] = all
		json.NewEncoder(w).Encode(doc)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/org/many/resolve/"+commit+"/")
	data, have := h.files[name]
	if !ok || !have {
		http.Error(w, "no", http.StatusNotFound)
		return
	}
	if strings.HasSuffix(name, ".json") {
		w.Header().Set("ETag", `"`+gitSum(data)+`"`)
	} else {
		w.Header().Set("X-Linked-Etag", `"`+sumOf(data)+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(data))
}

func repoFiles() map[string]string {
	return map[string]string{
		"README.md": "# hello", ".gitattributes": "x", "pytorch_model.bin": "pickle",
		"config.json": `{"a":1}`, "tokenizer.json": `{}`, "model.safetensors.index.json": `{"weight_map":{}}`,
		"model-00001-of-00002.safetensors": body[:1000], "model-00002-of-00002.safetensors": body[1000:3000],
		"sub/config.json": `{"b":2}`, "sub/model.safetensors": "S", "gguf/a.gguf.txt": "x",
	}
}

const wholeFiles = "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json tokenizer.json"

func partNames(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// TestHubFolder pulls models of several files, finds them offline, checks and removes them.
func TestHubFolder(t *testing.T) {
	for _, test := range []struct {
		ref, source, dir, files string
	}{
		{"hf:org/many", "hf:org/many@" + commit, "", wholeFiles},
		{"hf:org/many@v1", "hf:org/many@" + commit, "", wholeFiles},
		{"hf:org/many/*.safetensors", "hf:org/many@" + commit + "/*.safetensors", "", wholeFiles},
		{"hf:org/many/sub/*.safetensors", "hf:org/many@" + commit + "/sub/*.safetensors", "sub", "config.json model.safetensors"},
		{"hf:org/many/[ct]*.json", "hf:org/many@" + commit + "/[ct]*.json", "", "config.json tokenizer.json"},
	} {
		t.Run(test.ref, func(t *testing.T) {
			newStore(t)
			h := newRepoHub(t, repoFiles())
			s := reopen(t)
			m, err := s.Pull(t.Context(), test.ref, nil)
			if err != nil {
				t.Fatal(err)
			}
			snapshot := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--many", "snapshots", commit)
			if m.Path != filepath.Join(snapshot, test.dir) || m.Source != test.source || m.License != "apache-2.0" {
				t.Errorf("model %+v", m)
			}
			if got := partNames(t, m.Path); got != test.files {
				t.Errorf("files %s", got)
			}
			// The digest is what `sha256sum FILES | sha256sum` says.
			list, size := "", 0
			for _, f := range strings.Fields(test.files) {
				data := h.files[filepath.ToSlash(filepath.Join(test.dir, f))]
				list += sumOf(data) + "  " + f + "\n"
				size += len(data)
			}
			if m.Digest != sumOf(list) || m.Size != int64(size) {
				t.Errorf("digest %s, size %d; want %s, %d", m.Digest, m.Size, sumOf(list), size)
			}
			if d, err := Digest(m.Path); err != nil || d != m.Digest {
				t.Errorf("Digest gives %s, %v", d, err)
			}
			n := len(h.log)
			if again, err := s.Pull(t.Context(), test.ref, nil); err != nil || again != m || len(h.log) != n {
				t.Errorf("second pull: %+v, %v, %d requests", again, err, len(h.log)-n)
			}
			if got, err := s.Resolve(test.ref); err != nil || got != m {
				t.Errorf("Resolve: %+v, %v", got, err)
			}
			if own, ok := s.Owner(m.Path); !ok || own != m {
				t.Errorf("Owner: %+v", own)
			}
			if err := s.Verify(t.Context(), m, nil); err != nil {
				t.Errorf("Verify: %v", err)
			}
			// A file's blob is named by the announced checksum, and the ref is there.
			blob, _ := filepath.EvalSymlinks(filepath.Join(m.Path, "config.json"))
			if filepath.Base(blob) != gitSum(h.files[filepath.ToSlash(filepath.Join(test.dir, "config.json"))]) {
				t.Errorf("blob %s", blob)
			}
			plan, err := s.Removal(test.ref)
			if err != nil || plan.Model != m || len(plan.Kept) != 0 || plan.Bytes < int64(size) {
				t.Errorf("plan %+v, %v", plan, err)
			}
			if err := s.Remove(test.ref); err != nil {
				t.Fatal(err)
			}
			for _, f := range plan.Files {
				if exists(f) {
					t.Errorf("%s is still there", f)
				}
			}
			if left := files(t, os.Getenv("HF_HOME")); len(left) != 1 || !strings.HasPrefix(left[0], "hub/models--org--many/refs/") {
				t.Errorf("left %v", left)
			}
		})
	}
}

// TestHubFolderAdopted: with the Hub out of reach, a whole snapshot in the cache will do, and one with
// a file missing or damaged won't.
func TestHubFolderAdopted(t *testing.T) {
	newStore(t)
	newRepoHub(t, repoFiles())
	s := reopen(t)
	m, err := s.Pull(t.Context(), "hf:org/many", nil)
	if err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(s.dir)
	t.Setenv("HF_ENDPOINT", "http://127.0.0.1:1")
	s = reopen(t)
	if got, err := s.Resolve("hf:org/many"); err != nil || got.Path != m.Path || got.Size != m.Size {
		t.Errorf("Resolve: %+v, %v", got, err)
	}
	var notices []string
	got, err := s.Pull(t.Context(), "hf:org/many", func(stage string, done, _ int64) {
		if done < 0 {
			notices = append(notices, stage)
		}
	})
	got.Pulled, got.License = m.Pulled, m.License
	if err != nil || got != m || len(notices) != 1 || !strings.Contains(notices[0], "using the copy in its cache") {
		t.Errorf("adopted %+v, %v, %q", got, err, notices)
	}
	plan, err := s.Removal("hf:org/many")
	if err != nil || len(plan.Kept) != 5 || len(plan.Files) != 1 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	if err := s.Remove("hf:org/many"); err != nil || partNames(t, m.Path) != wholeFiles {
		t.Errorf("Remove: %v, left %s", err, partNames(t, m.Path))
	}
	shard := filepath.Join(m.Path, "model-00002-of-00002.safetensors")
	blob, _ := filepath.EvalSymlinks(shard)
	os.WriteFile(blob, []byte(strings.Repeat("x", 2000)), 0o644)
	if _, err := s.Pull(t.Context(), "hf:org/many", nil); !errors.Is(err, ErrOffline) {
		t.Errorf("a damaged shard: %v", err)
	}
	os.Remove(shard)
	for name, get := range map[string]func() (Model, error){
		"Pull":    func() (Model, error) { return s.Pull(t.Context(), "hf:org/many", nil) },
		"Resolve": func() (Model, error) { return s.Resolve("hf:org/many") },
	} {
		if _, err := get(); !errors.Is(err, ErrOffline) && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s with a shard missing: %v", name, err)
		}
	}
}

// TestHubFolderFaults: exact words for what a repository may have wrong, and no trace of a model.
func TestHubFolderFaults(t *testing.T) {
	etag := func(name, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, name) {
				w.Header().Set("ETag", value)
				w.Header().Set("Content-Length", "7")
				w.WriteHeader(http.StatusOK)
			}
		}
	}
	for _, test := range []struct {
		name, ref string
		change    func(h *repoHub)
		is        error
		want      string
	}{
		{"shard missing", "hf:org/many", func(h *repoHub) { delete(h.files, "model-00001-of-00002.safetensors") }, ErrNotFound,
			`Hub: not found: file "model-00001-of-00002.safetensors", which belongs to "model-00002-of-00002.safetensors"`},
		{"a shard of very many", "hf:org/many/x*", func(h *repoHub) { h.files["x-00001-of-99999.safetensors"] = "" }, nil,
			`Hub: file "x-00001-of-99999.safetensors" is one of 99999, at most 1000 are accepted`},
		{"nothing matches", "hf:org/many/*.gguf", nil, ErrNotFound, `Hub: not found: no file matches "*.gguf" in the repository`},
		{"traversal", "hf:org/many/*/*", func(h *repoHub) { h.files["../evil"] = "x" }, nil, `Hub: unsafe file name "../evil"`},
		{"traversal below", "hf:org/many/*/*/*", func(h *repoHub) { h.files["sub/../evil"] = "x" }, nil, `Hub: unsafe file name "sub/../evil"`},
		{"device of Windows", "hf:org/many/*", func(h *repoHub) { h.files["aux.json"] = "x" }, nil, `Hub: unsafe file name "aux.json"`},
		{"names that collide", "hf:org/many/*.json", func(h *repoHub) { h.files["Config.json"] = "x" }, nil, `occurs twice`},
		{"very many", "hf:org/many/*", func(h *repoHub) {
			for i := range 1100 {
				h.files[strconv.Itoa(i)] = ""
			}
		}, nil, "files, at most 1000 are accepted"},
		{"weights without SHA-256", "hf:org/many", func(h *repoHub) { h.before = etag("1-of-00002.safetensors", `"`+gitSum("x")+`"`) }, nil,
			"Hub: the Hub announces no SHA-256 for model-00001-of-00002.safetensors, so it cannot be checked"},
		{"no checksum", "hf:org/many", func(h *repoHub) { h.before = etag("config.json", `"../../x"`) }, nil,
			"Hub: the Hub announces no SHA-256 for config.json, so it cannot be checked"},
		{"wrong git checksum", "hf:org/many", func(h *repoHub) { h.before = etag("config.json", `"`+gitSum("x")+`"`) }, ErrMismatch,
			"config.json has git checksum " + gitSum(`{"a":1}`) + ", expected " + gitSum("x")},
		{"large file without SHA-256", "hf:org/many", func(h *repoHub) {
			h.before = func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "config.json") {
					w.Header().Set("ETag", `"`+gitSum("x")+`"`)
					w.Header().Set("Content-Length", "99999999")
					w.WriteHeader(http.StatusOK)
				}
			}
		}, nil, "Hub: config.json has 99999999 bytes and no SHA-256, so it cannot be checked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			newStore(t)
			h := newRepoHub(t, repoFiles())
			if test.change != nil {
				test.change(h)
			}
			s := reopen(t)
			_, err := s.Pull(t.Context(), test.ref, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want %v and %q", err, test.is, test.want)
			}
			if got := files(t, s.dir); len(got) != 0 {
				t.Errorf("left in the store: %v", got)
			}
			for _, f := range files(t, os.Getenv("HF_HOME")) {
				if !strings.HasPrefix(f, "hub/models--org--many/blobs/") { // good files may wait for the next pull
					t.Errorf("left in the cache: %s", f)
				}
			}
		})
	}
}

// TestHubRetries: a server that has trouble is asked again, up to three times, and what it says about the time counts.
func TestHubRetries(t *testing.T) {
	for _, code := range []int{429, 500, 502, 503} {
		newStore(t)
		h := newRepoHub(t, map[string]string{"m.gguf": body})
		s := reopen(t)
		left := 0
		h.before = func(w http.ResponseWriter, r *http.Request) {
			if left > 0 {
				left--
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(code)
			}
		}
		left = 2
		m, err := s.Pull(t.Context(), "hf:org/many", nil)
		if err != nil {
			t.Fatalf("%d: %v", code, err)
		}
		checkModel(t, s, m)
		if err := s.Remove(m.Name); err != nil {
			t.Fatal(err)
		}
		left = 3
		if _, err = s.Pull(t.Context(), "hf:org/many", nil); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the Hub answered %d", code)) {
			t.Errorf("%d: error %v after three answers", code, err)
		}
		if left != 0 {
			t.Errorf("%d: asked %d times too few", code, left)
		}
	}
	// What won't get better is not asked for again, and a cancelled pull doesn't wait.
	newStore(t)
	h := newRepoHub(t, map[string]string{"m.gguf": body})
	h.before = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }
	s := reopen(t)
	if _, err := s.Pull(t.Context(), "hf:org/many", nil); err == nil || len(h.log) != 1 {
		t.Errorf("403: %v, %d requests", err, len(h.log))
	}
	ctx, cancel := context.WithCancel(t.Context())
	h.before = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway); cancel() }
	s.wait.retry = time.Hour
	if _, err := s.Pull(ctx, "hf:org/many", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestHubSlow: a body that stalls is given up and resumed; one that drips is waited for.
func TestHubSlow(t *testing.T) {
	newStore(t)
	h := newRepoHub(t, map[string]string{"m.gguf": body})
	s := reopen(t)
	s.wait.idle = 300 * time.Millisecond
	stalls := 2
	h.before = func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "m.gguf") {
			return
		}
		from := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
		}
		flush := func(to int) {
			io.WriteString(w, body[from:to])
			w.(*spy).ResponseWriter.(http.Flusher).Flush()
			from = to
		}
		if stalls > 0 {
			stalls--
			flush(from + 1000)
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Second):
			}
			return
		}
		for from < 2100 { // drips
			flush(from + 10)
			time.Sleep(20 * time.Millisecond)
		}
		flush(len(body))
	}
	m, err := s.Pull(t.Context(), "hf:org/many", nil)
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	if got := h.log[len(h.log)-1]; !strings.HasSuffix(got, "bytes=2000-") {
		t.Errorf("last request %q", got)
	}
	stalls = 9
	if err := s.Remove(m.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pull(t.Context(), "hf:org/many/m.gguf", nil); err == nil || !strings.Contains(err.Error(), "no data for 300ms (3000 of") {
		t.Errorf("error %v", err)
	}
}

// pullCommand is another mica process that pulls ref.
func pullCommand(t *testing.T, ref string) (cmd *exec.Cmd, out, stderr *strings.Builder) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd, out, stderr = exec.Command(self), new(strings.Builder), new(strings.Builder)
	cmd.Env = append(os.Environ(), "MICA_TEST_PULL="+ref)
	cmd.Stdout, cmd.Stderr = out, stderr
	return cmd, out, stderr
}

// TestHubKilled kills a process in the middle of a download; the next one goes on from there.
func TestHubKilled(t *testing.T) {
	s, f := hubTest(t)
	halfway := make(chan struct{}, 1)
	f.set(func() {
		f.storeFn = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			io.WriteString(w, body[:150_000])
			w.(http.Flusher).Flush()
			halfway <- struct{}{}
			<-r.Context().Done()
		}
	})
	cmd, out, _ := pullCommand(t, hubRef)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-halfway
	part := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--tiny", "blobs", sumOf(body)+".incomplete")
	for range 500 {
		if fi, err := os.Stat(part); err == nil && fi.Size() == 150_000 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cmd.Process.Kill()
	if err := cmd.Wait(); err == nil || out.Len() > 0 {
		t.Fatalf("the process ended well: %q", out)
	}
	if _, err := s.Resolve(hubRef); !errors.Is(err, ErrNotFound) {
		t.Errorf("half a model is a model: %v", err)
	}
	f.set(func() { f.storeFn = nil; f.requests = nil })
	cmd, out, stderr := pullCommand(t, hubRef)
	if err := cmd.Run(); err != nil || strings.TrimSpace(out.String()) != sumOf(body) {
		t.Fatalf("second process: %v, %q, %q", err, out, stderr)
	}
	if got := f.requests[len(f.requests)-1]; got != "STORAGE bytes=150000-" {
		t.Errorf("last request %q", got)
	}
	m, err := s.Resolve(hubRef)
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
}

// TestHubProcesses has processes pull one model from the Hub at once, half of them killed on the way: one
// good copy, fetched at most as often as a fetcher was killed.
func TestHubProcesses(t *testing.T) {
	s, f := hubTest(t)
	f.set(func() {
		f.storeFn = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(30 * time.Millisecond)
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		}
	})
	var wg sync.WaitGroup
	for i := range 16 {
		cmd, out, stderr := pullCommand(t, hubRef)
		wg.Go(func() {
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			if i%2 == 0 {
				time.Sleep(time.Duration(20+10*i) * time.Millisecond)
				cmd.Process.Kill()
				cmd.Wait()
				return
			}
			if err := cmd.Wait(); err != nil || strings.TrimSpace(out.String()) != sumOf(body) {
				t.Errorf("process %d: %v, %q, %q", i, err, out, stderr)
			}
		})
	}
	wg.Wait()
	m, err := s.Pull(t.Context(), hubRef, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, s, m)
	fetches := 0
	for _, r := range f.requests {
		if strings.HasPrefix(r, "STORAGE") {
			fetches++
		}
	}
	if fetches > 9 {
		t.Errorf("%d downloads", fetches)
	}
	if got := files(t, os.Getenv("HF_HOME")); len(got) != 3 { // blob, link, ref
		t.Errorf("the cache holds %v", got)
	}
	if f.leaks != 0 {
		t.Error("token leaked")
	}
}
