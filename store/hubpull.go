package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// fromHub fetches files into the Hub's shared cache, unless they are there already. With the Hub out of
// reach, what another program left in that cache will do, if its contents are what the cache says.
func (j pullJob) fromHub(ctx context.Context, src Ref) (manifest, error) {
	m, err := j.hubFiles(ctx, src)
	if errors.Is(err, ErrOffline) {
		if found, ok := j.adopt(ctx, src); ok {
			j.progress.notice("%v; using the copy in its cache", err)
			return found, nil
		}
	}
	if err != nil {
		return manifest{}, fmt.Errorf("Hub: %w", err)
	}
	return m, nil
}

func (j pullJob) hubFiles(ctx context.Context, src Ref) (manifest, error) {
	client, err := newHubClient(j.store.env, j.store.wait)
	if err != nil {
		return manifest{}, err
	}
	defer client.close()
	j.progress.report("asking the Hub for "+src.Name, 0, 0)
	rev := first(src.Rev, "main")
	info, err := client.info(ctx, src.Name, rev)
	if err != nil {
		return manifest{}, err
	}
	chosen, err := choose(info.names(), src.File)
	if err != nil {
		return manifest{}, err
	}
	var parts []part
	for _, file := range chosen.files { // all of one commit
		p, err := j.hubFile(ctx, client, client.fileURL(src.Name, info.Commit, file), src.Name, file)
		if err != nil {
			return manifest{}, err
		}
		parts = append(parts, p)
	}
	// Links and the ref come last: a snapshot that others see is whole.
	cache := j.store.env.cache
	for i, p := range parts {
		if err := cache.link(src.Name, info.Commit, chosen.files[i], p.Blob); err != nil {
			return manifest{}, cacheError(cache.root, err)
		}
	}
	if err := cache.setRef(src.Name, rev, info.Commit); err != nil {
		return manifest{}, cacheError(cache.root, err)
	}
	return chosen.manifest(cache, src, info.Commit, info.license(), parts), nil
}

// hubFile makes one file be in the cache as a blob.
func (j pullJob) hubFile(ctx context.Context, client *hubClient, u *url.URL, repo, file string) (part, error) {
	sum, size, err := client.announced(ctx, u)
	if err != nil {
		return part{}, err
	}
	name, cache := path.Base(file), j.store.env.cache
	if j.sha256 != "" && string(sum) != j.sha256 {
		return part{}, mismatch(name, string(sum), j.sha256)
	}
	d := download{client: client, url: u, blob: cache.blob(repo, string(sum)), sum: sum, size: size, name: name, progress: j.progress}
	fetched, err := d.ensure(ctx, cache, repo)
	if err != nil {
		return part{}, err
	}
	p := part{Name: file, SHA256: string(sum), Blob: string(sum), Size: size, Fetched: fetched}
	if !sum.strong() {
		p.SHA256, err = digest(ctx, d.blob, func(int64) {})
	}
	return p, err
}

// adopt makes a model of what is in the cache, after checking it.
func (j pullJob) adopt(ctx context.Context, src Ref) (manifest, bool) {
	cache := j.store.env.cache
	commit, chosen, ok := cache.find(src)
	if !ok {
		return manifest{}, false
	}
	var parts []part
	for _, file := range chosen.files {
		blob, err := filepath.EvalSymlinks(cache.snapshot(src.Name, commit, file))
		if err != nil {
			return manifest{}, false
		}
		fi, err := os.Stat(blob)
		sum := checksum(filepath.Base(blob))
		if err != nil || !sum.valid() {
			return manifest{}, false
		}
		size := fi.Size()
		report := func(done int64) { j.progress.report("checking "+path.Base(file), done, size) }
		if got, err := digestWith(ctx, sum.hash(size), blob, report); err != nil || got != string(sum) {
			return manifest{}, false
		}
		p := part{Name: file, SHA256: string(sum), Blob: string(sum), Size: size}
		if !sum.strong() {
			if p.SHA256, err = digest(ctx, blob, func(int64) {}); err != nil {
				return manifest{}, false
			}
		}
		if j.sha256 != "" && p.SHA256 != j.sha256 {
			return manifest{}, false
		}
		parts = append(parts, p)
	}
	return chosen.manifest(cache, src, commit, "", parts), true
}

// manifest describes what was chosen, once it is in the cache; parts are named as in the repository.
func (c choice) manifest(cache hubCache, src Ref, commit, license string, parts []part) manifest {
	m := manifest{Revision: first(src.Rev, "main"), License: license}
	src.Rev = commit
	if c.one {
		src.File = c.files[0]
		p := parts[0]
		m.File, m.SHA256, m.Size, m.Fetched = cache.snapshot(src.Name, commit, c.files[0]), p.SHA256, p.Size, p.Fetched
		if p.Blob != p.SHA256 {
			m.Blob = p.Blob
		}
	} else {
		m.File = cache.snapshot(src.Name, commit, c.base)
		for _, p := range parts {
			p.Name = strings.TrimPrefix(strings.TrimPrefix(p.Name, c.base), "/")
			m.Size += p.Size
			m.Parts = append(m.Parts, p)
		}
		m.SHA256 = listDigest(m.Parts)
	}
	m.Source = src.String()
	return m
}

func cacheError(dir string, err error) error {
	return &Error{Ref: dir, Err: fmt.Errorf("cannot write to the Hub's cache: %w", err),
		Hint: "set HF_HUB_CACHE to a folder that you can write to"}
}
