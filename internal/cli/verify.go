package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"fmt"
	"io"
	"os"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

var verifyVerb = verb{
	name: "verify", args: "MODEL", maxArgs: 1,
	short: "compare every site of a model with what another program computes",
	long: `verify runs the prompt of a reference in exact mode and compares what passes every
site, and the logits, with the stored values: float64 by PyTorch. A site may be
off by twice what PyTorch is in float32. The first site that differs is where to
look; verify names it, with error and limit, and ends with exit code 3.

The table has a row for each kind of site, -v one for each site of each layer.

References of some models are built in. For any other that Hugging Face
transformers reads, tools/oracle/verify.py in mica's source makes one:

  python tools/oracle/verify.py MODEL.gguf reference.json.gz
  mica verify MODEL.gguf --reference reference.json.gz`,
	example: `  mica verify smollm2
  mica verify model.gguf --reference reference.json.gz -v`,
	flags: []string{"model", "reference", "threads", "verbose"},
	run:   runVerify,
}

// references are the built-in references, made by tools/oracle/verify.py.
//
//go:embed reference
var references embed.FS

// referenceOf names them by the SHA-256 of the model's file.
var referenceOf = map[string]string{
	"b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53": "smollm2.json.gz",
	"a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818": "gemma3.json.gz",
}

// verifyDoc is the document of verify --json.
type verifyDoc struct {
	head
	Name      string     `json:"name"`
	Reference string     `json:"reference"` // file, or "built in"
	Made      string     `json:"made"`      // the reference, by what
	Mode      string     `json:"mode"`
	Threads   int        `json:"threads"`
	Tokens    int        `json:"tokens"` // of the prompt
	Agrees    bool       `json:"agrees"`
	First     *verified  `json:"first_difference"` // null if it agrees
	Worst     *verified  `json:"worst"`            // nearest to its limit, or farthest over
	Sites     []verified `json:"sites"`

	report lm.Report
}

// verified is a site in JSON, which has no word for what is not a number.
type verified struct {
	Site    string   `json:"site"`  // with the layer: "3.attn.q"
	Error   *float64 `json:"error"` // the largest, absolute; null: not a number
	Limit   float64  `json:"limit"`
	Differs bool     `json:"differs"`
}

func verifiedSite(s lm.SiteError) *verified {
	v := &verified{Site: s.Name(), Limit: s.Limit, Differs: s.Differs()}
	if s.Error == s.Error {
		v.Error = &s.Error
	}
	return v
}

func runVerify(ctx context.Context, c *call) error {
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	digest, err := m.digest()
	if err != nil {
		return err
	}
	ref, from, err := c.reference(ctx, digest)
	if err != nil {
		return err
	}
	if ref.Digest != "" && ref.Digest != digest {
		c.note("the reference was made from another file than this one (SHA-256 %.12s, not %.12s)", harmless(ref.Digest), digest)
	}
	// One tile, as a site is compared when all of its rows are there.
	eng := pass.NewEngine(m.Net, pass.Options{Mode: op.Exact, Threads: c.set.threads, Tile: max(1, len(ref.Tokens))})
	defer eng.Close()
	stop := c.working("running %s tokens", count(len(ref.Tokens)))
	report, err := lm.Verify(ctx, eng, ref)
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return failed("make one for this very model with tools/oracle/verify.py", "%s: %w", from, err)
	}
	doc := verifyDoc{head: c.head(digest), Name: m.file.Name, Reference: from, Made: ref.Made, Mode: eng.Mode().String(), Threads: eng.Threads(),
		Tokens: len(ref.Tokens), Agrees: true, Worst: verifiedSite(worstSite(report)), report: report}
	for _, s := range report {
		doc.Sites = append(doc.Sites, *verifiedSite(s))
	}
	first, differs := report.First()
	if differs {
		doc.Agrees, doc.First = false, verifiedSite(first)
	}
	if c.set.json {
		err = c.printJSON(doc)
	} else {
		doc.print(c)
	}
	if err != nil || doc.Agrees {
		return err
	}
	return &failure{exitDoesNotHold, fmt.Errorf("%s is the first site that differs: off by %.3g, limit %.3g", first.Name(), first.Error, first.Limit),
		"docs/divergence.md tells how to go on from there"}
}

// reference is the reference of --reference, or the one that is built in for
// the model.
func (c *call) reference(ctx context.Context, digest string) (*lm.Reference, string, error) {
	const way = "tools/oracle/verify.py in mica's source makes one: see `mica verify -h`"
	path := c.set.reference
	if path == "" {
		name, ok := referenceOf[digest]
		if !ok {
			return nil, "", missing(way, "no reference is built in for this file; give --reference FILE")
		}
		f, err := references.Open("reference/" + name)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		ref, err := readReference(f)
		return ref, "built in", err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fileError(path, err)
	}
	defer f.Close()
	b, err := readAll(ctx, f, maxText)
	if err != nil {
		return nil, "", fileError(path, err)
	}
	if len(b) > maxText {
		return nil, "", failed(way, "%s: more than %s", path, size(maxText))
	}
	ref, err := readReference(bytes.NewReader(b))
	if err == nil && len(ref.Sites) == 0 {
		err = fmt.Errorf("reference: no sites to compare")
	}
	if err != nil {
		return nil, "", failed(way, "%s: %w", path, err)
	}
	return ref, path, nil
}

// readReference reads a reference, gzipped or not.
func readReference(r io.Reader) (*lm.Reference, error) {
	b := bufio.NewReader(r)
	if magic, _ := b.Peek(2); string(magic) != "\x1f\x8b" {
		return lm.ReadReference(b)
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	return lm.ReadReference(z) // which bounds how much comes out
}

// share is how much of its limit an error takes.
func share(s lm.SiteError) float64 {
	switch {
	case s.Error == 0:
		return 0
	case s.Error != s.Error: // not a number
		return 1e9
	}
	return min(1e9, s.Error/s.Limit)
}

// worstSite is the site that takes most of its limit.
func worstSite(report lm.Report) lm.SiteError {
	worst := report[0]
	for _, s := range report {
		if share(s) > share(worst) {
			worst = s
		}
	}
	return worst
}

// print writes a row for each kind of site, its worst layer, or with -v for each
// site of each layer.
func (d *verifyDoc) print(c *call) {
	var shown lm.Report
	if c.set.verbose {
		shown = d.report
	} else {
		at := map[string]int{}
		for _, s := range d.report {
			i, ok := at[s.Site]
			if !ok {
				at[s.Site] = len(shown)
				shown = append(shown, s)
			} else if share(s) > share(shown[i]) {
				shown[i] = s
			}
		}
	}
	header := []string{"WORST LAYER", " ERROR", " LIMIT", " OF LIMIT"}
	if c.set.verbose {
		header[0] = "SITE"
	}
	var rows [][]string
	for _, s := range shown {
		rows = append(rows, []string{s.Name(), fmt.Sprintf("%.2e", s.Error), fmt.Sprintf("%.2e", s.Limit), fmt.Sprintf("%.2f", share(s))})
	}
	table(c.out, c.outTTY, header, rows, func(row, col int, cell string) string {
		if row >= 0 && shown[row].Differs() {
			return paint(c.colorOut, red, cell)
		}
		return cell
	})
	verdict := fmt.Sprintf("%s sites agree; the nearest to its limit is %s", count(len(d.Sites)), d.Worst.Site)
	if !d.Agrees {
		over := 0
		for _, s := range d.Sites {
			if s.Differs {
				over++
			}
		}
		verdict = fmt.Sprintf("%s of %s sites differ; the first is %s", count(over), count(len(d.Sites)), d.First.Site)
	}
	fmt.Fprintf(c.out, "\n%s\n%s, %s tokens, %s mode, against %s\n", verdict, harmless(d.Name), count(d.Tokens), d.Mode, harmless(d.Made))
}
