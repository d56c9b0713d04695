package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/micaml/mica/internal/atomicfile"
)

// fetchTries is how often one thing is asked for: a download that breaks off, a server in trouble.
const fetchTries = 3

// A download is one file on its way into the Hub's cache.
type download struct {
	client   *hubClient
	url      *url.URL
	blob     string   // where it goes
	sum      checksum // as announced, with size
	size     int64
	name     string // for messages
	progress Progress
}

// ensure makes the blob be there with the right contents. It takes the lock that the other
// programs using the cache take.
func (d download) ensure(ctx context.Context, cache hubCache, repo string) (fetched bool, err error) {
	lockPath := cache.lock(repo, string(d.sum))
	if err := cache.create(); err != nil {
		return false, cacheError(cache.root, err)
	}
	for _, dir := range []string{filepath.Dir(d.blob), filepath.Dir(lockPath)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, cacheError(dir, err)
		}
	}
	lock := flock.New(lockPath)
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, cacheError(lockPath, err)
	}
	defer lock.Unlock()

	if fi, err := os.Stat(d.blob); err == nil && fi.Size() == d.size {
		// Other clients check sizes only.
		sum, err := digestWith(ctx, d.sum.hash(d.size), d.blob, func(done int64) { d.progress.report("checking "+d.name, done, d.size) })
		if err != nil {
			return false, err
		}
		if sum == string(d.sum) {
			return false, nil
		}
		d.progress.notice("%s in the Hub's cache is damaged; fetching it again", d.name)
	}
	part := d.blob + ".incomplete"
	if err := d.fetch(ctx, part); err != nil {
		return false, err
	}
	if err := atomicfile.Rename(part, d.blob); err != nil {
		return false, cacheError(filepath.Dir(d.blob), err)
	}
	return true, nil
}

// fetch fills part with the file, going on from what is there. A part with the wrong contents is removed; a short
// one is kept for the next try or pull: its name is the checksum of the whole, which is checked at the end.
func (d download) fetch(ctx context.Context, part string) error {
	for try := 1; ; try++ {
		resumed, err := d.fetchOnce(ctx, part)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrMismatch) && resumed && try < fetchTries:
			d.progress.notice("%s: the first part was damaged; starting again", d.name)
		case errors.Is(err, errBroken) && try < fetchTries:
			d.progress.notice("%v; going on", err)
		default:
			return err
		}
	}
}

// errBroken marks a transfer that ended before its time and can be resumed.
var errBroken = errors.New("the transfer broke off")

func (d download) fetchOnce(ctx context.Context, part string) (resumed bool, err error) {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644) // permissions as the cache's other users have them
	if err != nil {
		return false, cacheError(filepath.Dir(part), err)
	}
	defer func() {
		f.Close()
		if errors.Is(err, ErrMismatch) {
			os.Remove(part)
		}
	}()
	h := d.sum.hash(d.size)
	have, err := copyReport(ctx, h, f, func(done int64) { d.progress.report("checking "+d.name, done, d.size) })
	if err != nil {
		return false, fmt.Errorf("read %s: %w", part, err)
	}
	if have > d.size {
		if err := d.restart(f, &h); err != nil {
			return false, err
		}
		have = 0
	}
	if have < d.size {
		have, resumed, err = d.transfer(ctx, f, &h, have)
		if err != nil {
			return resumed, err
		}
	} else {
		resumed = true
	}
	if have != d.size {
		return resumed, fmt.Errorf("%w: %s has %d bytes, %d announced", ErrMismatch, d.name, have, d.size)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != string(d.sum) {
		return resumed, fmt.Errorf("%w: %s has %s %s, expected %s", ErrMismatch, d.name, d.sum.algorithm(), sum, d.sum)
	}
	if err := f.Close(); err != nil {
		return resumed, cacheError(filepath.Dir(part), err)
	}
	return resumed, nil
}

// restart forgets what was fetched.
func (d download) restart(f *os.File, h *hash.Hash) error {
	*h = d.sum.hash(d.size)
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// transfer appends to f, which has the first bytes of the file, and gives its new length.
func (d download) transfer(ctx context.Context, f *os.File, h *hash.Hash, have int64) (total int64, resumed bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	header := http.Header{"Accept-Encoding": {"identity"}}
	if have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := d.client.do(ctx, d.client.http, http.MethodGet, d.url, header)
	if err != nil {
		return have, have > 0, err
	}
	defer resp.Body.Close()
	if have > 0 && resp.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", have, d.size-1, d.size) {
		if resp.StatusCode == http.StatusPartialContent {
			return have, true, fmt.Errorf("%w: asked for the rest of %s from byte %d, got %q", ErrMismatch, d.name, have,
				printable(resp.Header.Get("Content-Range"), 60))
		}
		if err := d.restart(f, h); err != nil { // the server sends the whole again
			return 0, false, err
		}
		have = 0
	}
	resumed = have > 0
	if n := resp.ContentLength; n >= 0 && n != d.size-have {
		return have, resumed, fmt.Errorf("%w: %s: the server sends %d bytes, %d are missing", ErrMismatch, d.name, n, d.size-have)
	}
	limit := d.client.patience.idle
	idle := time.AfterFunc(limit, func() { cancel(fmt.Errorf("no data for %v", limit)) })
	defer idle.Stop()
	body := io.LimitReader(transferReader{resp.Body}, d.size-have+1) // one more, to notice too much
	n, err := copyReport(ctx, io.MultiWriter(f, *h), body, func(done int64) {
		idle.Reset(limit)
		d.progress.report("downloading "+d.name, have+done, d.size)
	})
	total = have + n
	if err == nil && total < d.size {
		err = errBroken
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", errBroken, cause)
		}
		return total, resumed, fmt.Errorf("download %s: %w (%d of %d bytes)", d.name, err, total, d.size)
	}
	return total, resumed, nil
}

// A transferReader marks what goes wrong on the network's side of a copy, as against the disk's.
type transferReader struct{ r io.Reader }

func (t transferReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	return n, err
}
