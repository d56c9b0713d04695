package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxIDX is how many bytes a file may declare: all of MNIST is 47 MB.
const maxIDX = 1 << 30

// ReadIDX reads the bytes of an IDX file, the format of MNIST, and their
// dimensions; gzipped or not. Only unsigned bytes are read.
func ReadIDX(r io.Reader) (data []byte, dims []int, err error) {
	br := bufio.NewReader(r)
	if magic, err := br.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, nil, fmt.Errorf("idx: gzip: %w", err)
		}
		br = bufio.NewReader(z)
	}
	var head [4]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return nil, nil, fmt.Errorf("idx: header: %w", short(err))
	}
	if head[0] != 0 || head[1] != 0 {
		return nil, nil, fmt.Errorf("idx: the file begins with %x and not with 0000: no IDX file", head[:2])
	}
	if head[2] != 0x08 {
		return nil, nil, fmt.Errorf("idx: elements of type %#x: only unsigned bytes (0x8) are read", head[2])
	}
	if head[3] == 0 || head[3] > 4 {
		return nil, nil, fmt.Errorf("idx: %d dimensions: 1 to 4 are read", head[3])
	}
	size := 1
	for i := range int(head[3]) {
		var d [4]byte
		if _, err := io.ReadFull(br, d[:]); err != nil {
			return nil, nil, fmt.Errorf("idx: dimension %d: %w", i, short(err))
		}
		n := binary.BigEndian.Uint32(d[:])
		if n > maxIDX || n > 0 && size > maxIDX/int(n) {
			return nil, nil, fmt.Errorf("idx: dimension %d is %d: more than %d bytes in all", i, n, maxIDX)
		}
		dims = append(dims, int(n))
		size *= int(n)
	}
	// The buffer grows with what is there, not with what is declared.
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(br, int64(size)))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("idx: data: %w", err)
	case int(n) < size:
		return nil, nil, fmt.Errorf("idx: %d bytes of data, and the header declares %d", n, size)
	}
	switch _, err := br.ReadByte(); {
	case err == nil:
		return nil, nil, fmt.Errorf("idx: more data than the %d bytes that the header declares", size)
	case !errors.Is(err, io.EOF):
		return nil, nil, fmt.Errorf("idx: end of the data: %w", err)
	}
	return buf.Bytes(), dims, nil
}

func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends there")
	}
	return err
}

func openIDX(path string) ([]byte, []int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, dims, err := ReadIDX(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, dims, nil
}

// pictures is gray pictures of bytes, which become numbers from 0 to 1 when read.
type pictures struct {
	pixels  []byte
	dims    []int
	width   int
	labels  []int32
	classes int
}

// OpenIDX reads pictures [n, h, w] and their labels [n] from two IDX files. Examples
// have the shape [h, w, 1] and numbers from 0 to 1. The classes are 0 to the greatest
// label.
func OpenIDX(images, labels string) (Set, error) {
	pixels, dims, err := openIDX(images)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if len(dims) != 3 || dims[1] == 0 || dims[2] == 0 {
		return nil, fmt.Errorf("dataset: %s: idx: data of shape %v, not pictures [n, h, w]", images, dims)
	}
	raw, ldims, err := openIDX(labels)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if len(ldims) != 1 || ldims[0] != dims[0] {
		return nil, fmt.Errorf("dataset: %s: idx: labels of shape %v for %d pictures in %s", labels, ldims, dims[0], images)
	}
	p := &pictures{pixels: pixels, dims: []int{dims[1], dims[2], 1}, width: dims[1] * dims[2], labels: make([]int32, len(raw))}
	for i, l := range raw {
		p.labels[i] = int32(l)
		p.classes = max(p.classes, int(l)+1)
	}
	return p, nil
}

func (p *pictures) Len() int     { return len(p.labels) }
func (p *pictures) Dims() []int  { return p.dims }
func (p *pictures) Classes() int { return p.classes }

func (p *pictures) Read(b *Batch, index []int) error {
	if err := checkIndex(index, p.Len()); err != nil {
		return err
	}
	for _, i := range index {
		b.Index = append(b.Index, i)
		b.Labels = append(b.Labels, p.labels[i])
		for _, x := range p.pixels[i*p.width : (i+1)*p.width] {
			b.X = append(b.X, float32(x)/255)
		}
	}
	return nil
}

// Part is a part of a data set that its makers cut.
type Part string

// The parts.
const (
	Train Part = "train"
	Test  Part = "test"
)

// fashionMNIST is where Debian's package puts the files.
const fashionMNIST = "/usr/share/datasets/fashion-mnist"

// FashionMNIST is 60,000 (train) or 10,000 (test) gray pictures of 28x28 of clothes
// in 10 classes (Xiao, Rasul & Vollgraf 2017), from folder, or if that is "" from
// where Debian's package puts it. If they aren't there the error wraps
// fs.ErrNotExist and says how to get them.
func FashionMNIST(folder string, p Part) (Set, error) {
	if folder == "" {
		folder = fashionMNIST
	}
	prefix := map[Part]string{Train: "train", Test: "t10k"}[p]
	if prefix == "" {
		return nil, fmt.Errorf("dataset: Fashion-MNIST has no part %q: %s or %s", p, Train, Test)
	}
	names := [2]string{prefix + "-images-idx3-ubyte", prefix + "-labels-idx1-ubyte"}
	for i, name := range names {
		names[i] = filepath.Join(folder, name+".gz")
		if _, err := os.Stat(names[i]); err == nil {
			continue
		}
		names[i] = filepath.Join(folder, name)
		if _, err := os.Stat(names[i]); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("dataset: Fashion-MNIST: %s.gz: %w: `apt-get install dataset-fashion-mnist` puts it into %s, or name a folder that has it",
				names[i], fs.ErrNotExist, fashionMNIST)
		}
	}
	return OpenIDX(names[0], names[1])
}

// scaled is a set with other numbers.
type scaled struct {
	Set
	mean, factor float32
}

// Scale is s with numbers (x - mean) / deviation.
func Scale(s Set, mean, deviation float32) Set { return &scaled{s, mean, 1 / deviation} }

func (s *scaled) Read(b *Batch, index []int) error {
	had := len(b.X)
	if err := s.Set.Read(b, index); err != nil {
		return err
	}
	for i, x := range b.X[had:] {
		b.X[had+i] = (x - s.mean) * s.factor
	}
	return nil
}
