package recipe

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/micaml/mica/dataset"
	"github.com/micaml/mica/tokenizer"
)

// examples are what a network learns from and is judged by.
type examples struct {
	what  string // for people
	train dataset.Set
	held  dataset.Set // for evaluations; never nil
	test  dataset.Set // that its makers cut off, or nil
	text  bool
	wrong int // labels that noise has changed
	sum   hash.Hash
}

// maxTextBytes is how many bytes of text a recipe may read: they are held in memory.
const maxTextBytes = 1 << 30

// load reads or makes the data. words is the tokenizer of text; it is nil if the
// network doesn't read text.
func (r *Recipe) load(words *vocabulary) (*examples, error) {
	d, x := &r.Data, &examples{what: r.Data.Kind, sum: sha256.New()}
	var err error
	switch d.Kind {
	case "fashion-mnist":
		x.what = "Fashion-MNIST"
		if x.train, err = dataset.FashionMNIST(r.at(d.Folder), dataset.Train); err == nil {
			x.test, err = dataset.FashionMNIST(r.at(d.Folder), dataset.Test)
		}
	case "idx":
		x.what = filepath.Base(d.Images)
		if x.train, err = dataset.OpenIDX(r.at(d.Images), r.at(d.Labels)); err == nil && d.TestImages != "" {
			x.test, err = dataset.OpenIDX(r.at(d.TestImages), r.at(d.TestLabels))
		}
	case "generated":
		x.what = "generated " + d.What
		if d.What == "sums" {
			return x, x.tokens(r, words, sums(d.Examples, r.Seed))
		}
		x.train, err = generate(d, r.Seed)
	case "text":
		var text string
		if text, err = r.readText(); err == nil {
			err = x.tokens(r, words, text)
		}
		return x, err
	}
	if err != nil {
		return nil, err
	}
	if d.Mean != 0 || d.Deviation != 1 && d.Deviation != 0 {
		x.train = dataset.Scale(x.train, float32(d.Mean), float32(d.Deviation))
		if x.test != nil {
			x.test = dataset.Scale(x.test, float32(d.Mean), float32(d.Deviation))
		}
	}
	if err := x.split(r); err != nil {
		return nil, err
	}
	fmt.Fprintln(x.sum, x.train.Len(), x.held.Len(), x.train.Dims(), x.train.Classes())
	if x.test != nil && (x.test.Classes() > x.train.Classes() || fmt.Sprint(x.test.Dims()) != fmt.Sprint(x.train.Dims())) {
		return nil, fmt.Errorf("data: %s: the pictures of the test are %v of %d classes, those to learn from %v of %d", x.what, x.test.Dims(), x.test.Classes(), x.train.Dims(), x.train.Classes())
	}
	return x, nil
}

// split holds examples back, leaves out those beyond the limit and makes labels wrong
// where the recipe says so: never those of evaluations.
func (x *examples) split(r *Recipe) (err error) {
	d := &r.Data
	if x.train, x.held, err = dataset.Split(x.train, r.Evaluate.Share, r.Seed); err != nil {
		return err
	}
	if x.held.Len() == 0 || x.train.Len() == 0 {
		return fmt.Errorf("data: %s: a share of %v for evaluations leaves %d and %d examples: change evaluate.share", x.what, r.Evaluate.Share, x.train.Len(), x.held.Len())
	}
	if d.Limit > 0 && d.Limit < x.train.Len() {
		index := dataset.Order(nil, x.train.Len(), r.Seed, 0, false)[:d.Limit]
		if x.train, err = dataset.Subset(x.train, index); err != nil {
			return err
		}
	}
	if d.WrongLabels != "" {
		x.train, x.wrong, err = addNoise(x.train, d.WrongLabels, r.Seed)
	}
	return err
}

// readText reads the files of a text one after the other.
func (r *Recipe) readText() (string, error) {
	var b strings.Builder
	for _, name := range r.Data.Files {
		path := r.at(name)
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("data: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxTextBytes-int64(b.Len()) {
			return "", fmt.Errorf("data: %s: not a file of text, or more than %d bytes with those before it", path, maxTextBytes)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("data: %w", err)
		}
		if !utf8.Valid(text) {
			return "", fmt.Errorf("data: %s: not UTF-8", path)
		}
		b.Write(text)
	}
	return b.String(), nil
}

// tokens makes windows of a text. The last share of it is for evaluations.
func (x *examples) tokens(r *Recipe, words *vocabulary, text string) (err error) {
	if words == nil {
		return nil // the caller tells that it doesn't fit
	}
	x.text = true
	fmt.Fprintf(x.sum, "%x\n", sha256.Sum256([]byte(text)))
	if err := words.learn(text); err != nil {
		return err
	}
	ids := words.bpe.Encode(text, tokenizer.EncodeOptions{})
	n := r.Data.Length
	cut := len(ids) - max(n+1, int(r.Evaluate.Share*float64(len(ids))))
	if cut < n+1 {
		return fmt.Errorf("data: a text of %d tokens has no two windows of %d, one to learn from and one to hold back: make length smaller, or name more text", len(ids), n+1)
	}
	if x.train, err = dataset.Windows(ids[:cut], n, n); err != nil {
		return err
	}
	x.held, err = dataset.Windows(ids[cut:], n, n)
	return err
}

// at is where a path of the recipe is.
func (r *Recipe) at(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}
