package main

import (
	"fmt"
	"io"
	"os"
	"sort"
)

// A layout is where the parts of a model file are.
type layout struct {
	size    int64
	records []int64  // where header, keys, tensor entries and tensors' data begin
	table   [2]int64 // the tensor table
}

// plan lists the ways in which a file is spoiled: cut at every record and at
// 1,000 other places, every bit of the first 4 KiB and of the tensor table
// flipped, and 10,000 times 1 to 16 bytes overwritten, half of them before the
// data.
type plan struct {
	layout
	seed string
	cuts []int64
	bits [][2]int64 // ranges of bytes
}

const (
	randomCuts = 1000
	overwrites = 10_000
	firstBytes = 4096
)

func newPlan(l layout, seed string) *plan {
	p := &plan{layout: l, seed: seed}
	seen := map[int64]bool{l.size: true}
	add := func(n int64) {
		if !seen[n] {
			seen[n] = true
			p.cuts = append(p.cuts, n)
		}
	}
	for _, n := range l.records {
		add(n)
	}
	want := len(p.cuts) + randomCuts
	rng := random(seed+" cuts", 0)
	for len(p.cuts) < want && int64(len(seen)) < l.size {
		add(rng.Int64N(l.size))
	}
	sort.Slice(p.cuts, func(i, j int) bool { return p.cuts[i] < p.cuts[j] })
	first := min(firstBytes, l.size)
	p.bits = [][2]int64{{0, first}, {max(first, l.table[0]), max(first, l.table[1])}}
	return p
}

func (p *plan) cases() int64 {
	n := int64(len(p.cuts)) + overwrites
	for _, r := range p.bits {
		n += 8 * (r[1] - r[0])
	}
	return n
}

// A spoiling is one change to a file.
type spoiling struct {
	kind  string
	cut   bool
	at    int64
	bytes []byte // instead of those at at; nil: flip bit
	bit   byte
}

func (s spoiling) String() string {
	switch {
	case s.cut:
		return fmt.Sprintf("cut at byte %d", s.at)
	case s.bytes != nil:
		return fmt.Sprintf("bytes at %d overwritten with %x", s.at, s.bytes)
	}
	return fmt.Sprintf("byte %d, flipped %#02x", s.at, s.bit)
}

func (p *plan) at(i int64) spoiling {
	if i < int64(len(p.cuts)) {
		return spoiling{kind: "cut", cut: true, at: p.cuts[i]}
	}
	i -= int64(len(p.cuts))
	for _, r := range p.bits {
		if n := 8 * (r[1] - r[0]); i < n {
			return spoiling{kind: "with a bit flipped", at: r[0] + i/8, bit: 1 << (i % 8)}
		} else {
			i -= n
		}
	}
	rng := random(p.seed, i)
	s := spoiling{kind: "with bytes overwritten", bytes: make([]byte, min(p.size, 1+rng.Int64N(16)))}
	for j := range s.bytes {
		s.bytes[j] = byte(rng.Uint32())
	}
	end := p.size
	if i%2 == 0 {
		end = max(p.table[1], int64(len(s.bytes)))
	}
	s.at = rng.Int64N(end - int64(len(s.bytes)) + 1)
	return s
}

// A victim is a file that is spoiled and mended in place, which costs the bytes
// that change and not those of the whole file.
type victim struct {
	path string
	f    *os.File
	good []byte
}

func newVictim(path string, good []byte) (*victim, error) {
	if err := os.WriteFile(path, good, 0o600); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	return &victim{path, f, good}, err
}

func (v *victim) spoil(s spoiling) error {
	if s.cut {
		return v.f.Truncate(s.at)
	}
	b := s.bytes
	if b == nil {
		b = []byte{v.good[s.at] ^ s.bit}
	}
	_, err := v.f.WriteAt(b, s.at)
	return err
}

func (v *victim) mend(s spoiling) error {
	end := s.at + int64(max(1, len(s.bytes)))
	if s.cut {
		end = int64(len(v.good))
	}
	_, err := v.f.WriteAt(v.good[s.at:end], s.at)
	return err
}

// copy returns the file as it is, if it is small enough to keep as a finding.
func (v *victim) copy() []byte {
	const most = 4 << 20
	fi, err := v.f.Stat()
	if err != nil || fi.Size() > most {
		return nil
	}
	b, err := io.ReadAll(io.NewSectionReader(v.f, 0, fi.Size()))
	if err != nil {
		return nil
	}
	return b
}
