package cli

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// newHub serves org/tiny, whose tiny.gguf is model, and org/bad, which
// announces a checksum that isn't the file's.
func newHub(t *testing.T, model []byte) string {
	commit := strings.Repeat("c", 40)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		repo := "org/tiny"
		if strings.Contains(r.URL.Path, "org/bad") {
			repo = "org/bad"
		}
		switch r.URL.Path {
		case "/api/models/" + repo + "/revision/main":
			fmt.Fprintf(w, `{"sha":%q,"tags":["license:mit"],"siblings":[{"rfilename":"tiny.gguf"}]}`, commit)
		case "/" + repo + "/resolve/" + commit + "/tiny.gguf":
			sum := sha256.Sum256(model)
			if repo == "org/bad" {
				sum[0]++
			}
			w.Header().Set("X-Linked-Etag", fmt.Sprintf(`"%x"`, sum))
			w.Header().Set("X-Linked-Size", fmt.Sprint(len(model)))
			w.Header().Set("X-Repo-Commit", commit)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(model))
		default:
			w.Header().Set("X-Error-Code", "RepoNotFound")
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}
