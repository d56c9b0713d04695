package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // formats that are read
	_ "image/jpeg" //
	_ "image/png"  //
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/image/draw"
)

const (
	maxImageFile = 256 << 20 // bytes
	maxPixels    = 1 << 26   // of a picture before it is resized
	maxSide      = 1 << 14   // after it
	maxBetween   = 1 << 24   // when its width has changed: 32 bytes each
)

// Images is pictures in folders, one folder a class, read when they are asked for.
type Images struct {
	height, width int
	classes       []string
	paths         []string
	labels        []int32
}

// OpenImages finds the pictures below a folder: each folder in it is a class, in the
// order of the names, and its files .png, .jpg, .jpeg and .gif, in that order too,
// are its examples. They become height x width pixels, by bilinear interpolation, of
// red, green and blue from 0 to 1: [height, width, 3], on black where they are
// transparent. Of a moving picture the first frame is read. A picture has at most
// 2^26 pixels and 256 MiB.
func OpenImages(folder string, height, width int) (*Images, error) {
	if height <= 0 || width <= 0 || height > maxSide || width > maxSide {
		return nil, fmt.Errorf("dataset: pictures of %dx%d pixels: 1 to %d a side", height, width, maxSide)
	}
	classes, err := os.ReadDir(folder) // sorted
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	s := &Images{height: height, width: width}
	for _, class := range classes {
		if !class.IsDir() || strings.HasPrefix(class.Name(), ".") {
			continue
		}
		files, err := os.ReadDir(filepath.Join(folder, class.Name()))
		if err != nil {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		for _, f := range files {
			switch strings.ToLower(filepath.Ext(f.Name())) {
			case ".png", ".jpg", ".jpeg", ".gif":
				s.paths = append(s.paths, filepath.Join(folder, class.Name(), f.Name()))
				s.labels = append(s.labels, int32(len(s.classes)))
			}
		}
		s.classes = append(s.classes, class.Name())
	}
	if len(s.paths) == 0 {
		return nil, fmt.Errorf("dataset: %s: no pictures (.png, .jpg, .jpeg, .gif) in folders, one a class", folder)
	}
	return s, nil
}

// Len is the number of pictures.
func (s *Images) Len() int { return len(s.paths) }

// Dims is [height, width, 3].
func (s *Images) Dims() []int { return []int{s.height, s.width, 3} }

// Classes is the number of folders.
func (s *Images) Classes() int { return len(s.classes) }

// Names returns the names of the classes. It is not a copy.
func (s *Images) Names() []string { return s.classes }

// Path returns where picture i is.
func (s *Images) Path(i int) string { return s.paths[i] }

// Read decodes pictures. The error names the file.
func (s *Images) Read(b *Batch, index []int) error {
	if err := checkIndex(index, s.Len()); err != nil {
		return err
	}
	for _, i := range index {
		file, err := readAtMost(s.paths[i], maxImageFile)
		if err == nil {
			b.X, err = appendImage(b.X, file, s.height, s.width)
			if err != nil {
				err = fmt.Errorf("%s: %w", s.paths[i], err)
			}
		}
		if err != nil {
			return fmt.Errorf("dataset: %w", err)
		}
		b.Index, b.Labels = append(b.Index, i), append(b.Labels, s.labels[i])
	}
	return nil
}

// appendImage decodes a picture and appends its pixels after resizing.
func appendImage(x []float32, file []byte, height, width int) ([]float32, error) {
	// Sizes first: a few bytes can declare a picture that fills the memory.
	c, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return x, fmt.Errorf("picture: %w", err)
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxPixels/c.Height {
		return x, fmt.Errorf("picture: %s of %dx%d pixels: 1 to %d are read", format, c.Width, c.Height, maxPixels)
	}
	if c.Height > maxBetween/width {
		return x, fmt.Errorf("picture: %s of %dx%d pixels: too high to become %d wide", format, c.Width, c.Height, width)
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return x, fmt.Errorf("picture: %s: %w", format, err)
	}
	from := img.Bounds()
	if from.Empty() {
		return x, errors.New("picture: no pixels")
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.BiLinear.Scale(out, out.Bounds(), img, from, draw.Src, nil)
	for i := 0; i < len(out.Pix); i += 4 {
		x = append(x, float32(out.Pix[i])/255, float32(out.Pix[i+1])/255, float32(out.Pix[i+2])/255)
	}
	return x, nil
}
