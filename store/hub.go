package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// Time limits of the Hub's client. Connecting has one short try: a machine that has no way to the
// Hub should soon go on to the next source.
const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 10 * time.Second
	maxRetryAfter = 20 * time.Second // the longest wait that a server may ask for
)

// patience is how long the Hub's client waits for a server in trouble.
type patience struct {
	retry time.Duration // before the second try; four times as long before each further one
	idle  time.Duration // without a byte of a download
}

var defaultPatience = patience{retry: time.Second, idle: 30 * time.Second}

const (
	maxListing = 16 << 20 // bytes of the description of a repository
	maxGitFile = 64 << 20 // bytes of a file outside large-file storage
)

// A hubClient speaks the part of the Hub's protocol that fetching a file needs. It is written
// by hand because the client library at hand checks no hash, does not resume, refuses the
// redirects that large files are served by, and prints to standard output.
type hubClient struct {
	endpoint *url.URL
	patience patience
	http     *http.Client // follows redirects
	direct   *http.Client // follows them only within the Hub's own address
}

func newHubClient(env environment, wait patience) (*hubClient, error) {
	u, err := url.Parse(env.endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, &Error{Ref: "HF_ENDPOINT", Err: fmt.Errorf("%q is no address of a Hub", env.endpoint), Hint: "set it to https://HOST or unset it"}
	}
	transport := &authTransport{
		origin: u, token: env.token,
		base: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   dialTimeout,
			ResponseHeaderTimeout: headerTimeout,
			ForceAttemptHTTP2:     true,
			DisableCompression:    true, // sizes and ranges are of the bytes as they are
			IdleConnTimeout:       time.Minute,
		},
	}
	return &hubClient{
		endpoint: u, patience: wait,
		http: &http.Client{Transport: transport, CheckRedirect: checkRedirect},
		direct: &http.Client{Transport: transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if !sameOrigin(req.URL, u) {
				return http.ErrUseLastResponse
			}
			return checkRedirect(req, via)
		}},
	}, nil
}

func (h *hubClient) close() { h.http.CloseIdleConnections() }

// errRedirect marks a redirect that is not followed.
var errRedirect = errors.New("redirect refused")

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("%w: more than 10 in a row", errRedirect)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: from https to %s", errRedirect, req.URL.Scheme)
	}
	return nil
}

// An authTransport adds the token to requests for one origin. Since the token is never in
// the request that http.Client sees, no redirect can carry it elsewhere.
type authTransport struct {
	base   *http.Transport
	origin *url.URL
	token  string
}

func (t *authTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", "mica")
	if t.token != "" && sameOrigin(req.URL, t.origin) {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	return t.base.RoundTrip(req)
}

func (t *authTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// hubInfo describes a repository at one commit.
type hubInfo struct {
	Commit   string   `json:"sha"`
	Tags     []string `json:"tags"` // among them "license:NAME"
	Siblings []struct {
		Name string `json:"rfilename"`
	} `json:"siblings"`
}

// info resolves a revision to its commit, which all further requests use.
func (h *hubClient) info(ctx context.Context, repo, rev string) (hubInfo, error) {
	u := h.endpoint.JoinPath("api", "models", repo, "revision", rev)
	resp, err := h.do(ctx, h.http, http.MethodGet, u, nil)
	if err != nil {
		return hubInfo{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxListing+1))
	if err != nil {
		return hubInfo{}, fmt.Errorf("read the description: %w", err)
	}
	if len(b) > maxListing {
		return hubInfo{}, errors.New("the description is too large")
	}
	var info hubInfo
	if err := json.Unmarshal(b, &info); err != nil {
		return hubInfo{}, fmt.Errorf("the answer is no description of a repository: %w", err)
	}
	if !hubCommit.MatchString(info.Commit) {
		return hubInfo{}, fmt.Errorf("the answer names no commit (%q)", printable(info.Commit, 60))
	}
	return info, nil
}

func (i hubInfo) license() string {
	for _, tag := range i.Tags {
		if l, ok := strings.CutPrefix(tag, "license:"); ok {
			return printable(l, 100)
		}
	}
	return ""
}

// names are the files of the repository.
func (i hubInfo) names() []string {
	names := make([]string, len(i.Siblings))
	for n, s := range i.Siblings {
		names[n] = s.Name
	}
	return names
}

// fileURL is where a file of a commit is served.
func (h *hubClient) fileURL(repo, commit, file string) *url.URL {
	parts := strings.Split(file, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return h.endpoint.JoinPath(repo, "resolve", commit, strings.Join(parts, "/"))
}

// announced asks what the Hub says about a file. What is in large-file storage, as all weights are,
// has its checksum in the first answer, before the redirect to the storage. Small files have git's.
func (h *hubClient) announced(ctx context.Context, u *url.URL) (sum checksum, size int64, err error) {
	resp, err := h.do(ctx, h.direct, http.MethodHead, u, nil)
	if err != nil {
		return "", 0, err
	}
	resp.Body.Close()
	name := path.Base(u.Path)
	etag, length := resp.Header.Get("X-Linked-Etag"), resp.Header.Get("X-Linked-Size")
	weights := isGGUF(name) || path.Ext(name) == ".safetensors"
	if etag == "" && !weights && resp.StatusCode == http.StatusOK {
		etag, length = resp.Header.Get("ETag"), strconv.FormatInt(resp.ContentLength, 10)
	}
	sum = checksum(strings.Trim(strings.TrimPrefix(etag, "W/"), `"`))
	if !sum.valid() || weights && !sum.strong() {
		return "", 0, fmt.Errorf("the Hub announces no SHA-256 for %s, so it cannot be checked", printable(name, 100))
	}
	size, err = strconv.ParseInt(length, 10, 64)
	if err != nil || size < 0 {
		return "", 0, fmt.Errorf("the Hub announces no size for %s", printable(name, 100))
	}
	if !sum.strong() && size > maxGitFile {
		return "", 0, fmt.Errorf("%s has %d bytes and no SHA-256, so it cannot be checked", printable(name, 100), size)
	}
	return sum, size, nil
}

// do sends a request and turns everything but success into an error that says what happened. A server that
// has trouble of its own is asked again, after a while that grows.
func (h *hubClient) do(ctx context.Context, c *http.Client, method string, u *url.URL, header http.Header) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := h.once(ctx, c, method, u, header)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < 300 || resp.StatusCode < 400 && c == h.direct {
			return resp, nil
		}
		resp.Body.Close()
		err = statusError(resp)
		busy := resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests
		if !busy || try == fetchTries {
			return nil, err
		}
		wait := h.patience.retry << (2 * (try - 1))
		if s, e := strconv.Atoi(resp.Header.Get("Retry-After")); e == nil && s >= 0 && h.patience.retry > 0 {
			wait = min(time.Duration(s)*time.Second, maxRetryAfter)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// once sends one request.
func (h *hubClient) once(ctx context.Context, c *http.Client, method string, u *url.URL, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	resp, err := c.Do(req)
	if err == nil {
		return resp, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err // its address may be signed, and is long
	}
	if errors.Is(err, errRedirect) {
		return nil, err
	}
	return nil, fmt.Errorf("%w: cannot reach %s: %w", ErrOffline, h.endpoint.Host, err)
}

// statusError explains an answer. The Hub says in a header what a 401 means: without a login, a repository
// that does not exist looks like one that is private.
func statusError(resp *http.Response) error {
	code := resp.Header.Get("X-Error-Code")
	detail := printable(resp.Header.Get("X-Error-Message"), 200)
	if detail != "" {
		detail = " (" + detail + ")"
	}
	switch {
	case resp.StatusCode == http.StatusNotFound, code == "RepoNotFound", code == "RevisionNotFound", code == "EntryNotFound":
		return fmt.Errorf("%w on the Hub%s", ErrNotFound, detail)
	case code == "GatedRepo", resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return &Error{Ref: "the Hub", Err: fmt.Errorf("access denied%s", detail),
			Hint: "accept the model's licence on its page if it has one, and set HF_TOKEN"}
	}
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("%w: the file is shorter at the Hub", ErrMismatch)
	}
	return fmt.Errorf("the Hub answered %s%s", printable(resp.Status, 60), detail)
}
