package dataset

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// flat is a picture of one colour.
func flat(w, h int, c color.Color) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, c)
		}
	}
	return m
}

func encoded(t testing.TB, format string, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, m)
	case "jpg":
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 100})
	case "gif":
		err = gif.Encode(&b, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t *testing.T, folder, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenImages(t *testing.T) {
	dir := t.TempDir()
	red, blue := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}
	put(t, dir, "b/2.png", encoded(t, "png", flat(5, 3, red)))
	put(t, dir, "b/10.JPG", encoded(t, "jpg", flat(9, 9, blue)))
	put(t, dir, "a/x.gif", encoded(t, "gif", flat(4, 4, blue)))
	put(t, dir, "a/clear.png", encoded(t, "png", flat(2, 2, color.NRGBA{255, 255, 255, 0})))
	put(t, dir, "a/notes.txt", []byte("no picture"))
	put(t, dir, ".cache/3.png", []byte("no class"))
	put(t, dir, "4.png", []byte("of no class"))
	s, err := OpenImages(dir, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	if s.Len() != 4 || s.Classes() != 2 || !slices.Equal(s.Names(), []string{"a", "b"}) || !slices.Equal(s.Dims(), []int{2, 4, 3}) {
		t.Fatalf("%d pictures of %v, classes %v", s.Len(), s.Dims(), s.Names())
	}
	for i, want := range []string{"a/clear.png", "a/x.gif", "b/10.JPG", "b/2.png"} {
		if got, _ := filepath.Rel(dir, s.Path(i)); filepath.ToSlash(got) != want {
			t.Errorf("picture %d is %s, want %s", i, got, want)
		}
	}
	b := read(t, s, 3, 0, 1, 2)
	if !slices.Equal(b.Labels, []int32{1, 0, 0, 1}) || !slices.Equal(b.Index, []int{3, 0, 1, 2}) || len(b.X) != 4*24 {
		t.Fatalf("labels %v, index %v, %d numbers", b.Labels, b.Index, len(b.X))
	}
	for i, want := range [][3]float32{{1, 0, 0}, {0, 0, 0}, {0, 0, 1}, {0, 0, 1}} {
		for p := range 8 {
			for c := range 3 {
				if d := b.X[i*24+p*3+c] - want[c]; d > 0.02 || d < -0.02 { // jpeg rounds
					t.Errorf("picture %d, pixel %d: %v, want %v", i, p, b.X[i*24+p*3:i*24+p*3+3], want)
				}
			}
		}
	}
}

// A picture that has its size keeps its pixels, row by row.
func TestImagesKeepPixels(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for i := range 4 {
		m.SetNRGBA(i%2, i/2, color.NRGBA{uint8(51 * i), uint8(10 * i), 255, 255})
	}
	x, err := appendImage(nil, encoded(t, "png", m), 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if want := []float32{float32(51*i) / 255, float32(10*i) / 255, 1}; !slices.Equal(x[3*i:3*i+3], want) {
			t.Errorf("pixel %d is %v, want %v", i, x[3*i:3*i+3], want)
		}
	}
}

// declares is the beginning of a PNG of a size.
func declares(w, h uint32) []byte {
	head := []byte("IHDR")
	head = binary.BigEndian.AppendUint32(head, w)
	head = binary.BigEndian.AppendUint32(head, h)
	head = append(head, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(b, head...), crc32.ChecksumIEEE(head))
}

func TestBrokenImages(t *testing.T) {
	good := encoded(t, "png", flat(3, 3, color.White))
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty.png", nil, "picture: image: unknown format"},
		{"text.png", []byte("no picture"), "picture: image: unknown format"},
		{"cut.png", good[:len(good)-20], "picture: png: png: invalid format: unexpected EOF"},
		{"huge.png", declares(1<<14, 1<<13), "picture: png of 16384x8192 pixels: 1 to 67108864 are read"},
		{"wide.png", declares(1<<26+1, 1), "picture: png of 67108865x1 pixels: 1 to 67108864 are read"},
		{"high.png", declares(1, 1<<26), "picture: png of 1x67108864 pixels: too high to become 8 wide"},
		{"declared.png", declares(4, 4), "picture: png: unexpected EOF"},
		{"jpeg.jpg", encoded(t, "jpg", flat(3, 3, color.White))[:100], "picture: unexpected EOF"},
		{"gif.gif", []byte("GIF89a\x02\x00\x02\x00\x00\x00\x00;"), "picture: gif: gif: missing image data"},
	} {
		dir := t.TempDir()
		path := put(t, dir, "a/"+c.name, c.b)
		s, err := OpenImages(dir, 8, 8)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Read(&Batch{}, []int{0}); err == nil || err.Error() != "dataset: "+path+": "+c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	dir := t.TempDir()
	if _, err := OpenImages(dir, 8, 8); err == nil || !strings.Contains(err.Error(), "no pictures") {
		t.Errorf("an empty folder: %v", err)
	}
	for _, side := range []int{0, -1, 1<<14 + 1} {
		if _, err := OpenImages(dir, side, 8); err == nil {
			t.Errorf("a height of %d was taken", side)
		}
	}
}

func FuzzImage(f *testing.F) {
	for _, format := range []string{"png", "jpg", "gif"} {
		f.Add(encoded(f, format, flat(3, 2, color.NRGBA{9, 99, 199, 255})))
	}
	f.Add(declares(4, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, _, err := image.DecodeConfig(bytes.NewReader(b)); err == nil && c.Width > (1<<20)/max(c.Height, 1) {
			return // allowed, and slow
		}
		if x, err := appendImage(nil, b, 2, 3); err == nil && len(x) != 18 {
			t.Fatalf("%d numbers", len(x))
		}
	})
}
