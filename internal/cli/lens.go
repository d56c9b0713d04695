package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/micaml/mica/look/lens"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tokenizer"
)

var lensVerb = verb{
	name: "lens", args: "MODEL [TEXT]", maxArgs: 2,
	short: "show what the model would say after each layer",
	long: `lens reads a text and shows, for each layer and each position, the token that the
model would give if it stopped there: the logit lens. The last layer is what it
does give. Layers go up the table, positions across; a narrow terminal shows the
last positions. With --target it shows the rank of a token instead (0: the top).
-o FILE.html writes a page with all positions and the next best guesses.`,
	example: `  mica lens smollm2 "The capital of France is"
  mica lens smollm2 "The capital of France is" --target " Paris" --layers 15-29
  mica lens smollm2 "The capital of France is" -o lens.html`,
	flags: []string{"model", "prompt", "file", "layers", "top", "target", "context", "mode", "threads"},
	run:   runLens,
}

// lensDoc is the document of lens --json.
type lensDoc struct {
	head
	Mode     string      `json:"mode"`
	Tokens   []string    `json:"tokens"`
	TokenIDs []int32     `json:"token_ids"`
	Target   *lensToken  `json:"target,omitempty"`
	Layers   []lensLayer `json:"layers"`
}

type lensLayer struct {
	Layer int           `json:"layer"`
	Top   [][]lensGuess `json:"top"`                      // per position, best first
	Rank  []int         `json:"rank_of_target,omitempty"` // per position, 0 is the top
	KL    []float64     `json:"kl_to_final"`              // per position, in nats
}

type lensToken struct {
	Token string `json:"token"`
	ID    int32  `json:"id"`
}

type lensGuess struct {
	lensToken
	Probability float64 `json:"probability"`
}

func runLens(ctx context.Context, c *call) error {
	if _, err := c.modelName(); err != nil {
		return err
	}
	format, err := outputFormat(c.set.output, "html", "json")
	if err != nil {
		return err
	}
	p, err := c.readPrompt(ctx)
	if err != nil {
		return err
	}
	m, err := c.open()
	if err != nil {
		return err
	}
	defer m.Close()
	opt := lens.Options{Top: c.set.top}
	if opt.Layers, err = parseLayers(c.set.layers, m.config().Layers); err != nil {
		return err
	}
	doc := lensDoc{Tokens: []string{}, TokenIDs: m.Text(p.text())}
	if c.set.target != "" {
		if doc.Target, err = m.oneToken(c.set.target); err != nil {
			return err
		}
		opt.Target, opt.Ranked = doc.Target.ID, true
	}
	if len(doc.TokenIDs) == 0 {
		return usage("give text that the model has tokens for", "the prompt has no tokens")
	}
	if err := c.fits(m, len(doc.TokenIDs)); err != nil {
		return err
	}
	for _, id := range doc.TokenIDs {
		doc.Tokens = append(doc.Tokens, m.piece(id))
	}
	eng, err := c.engine(m, nil)
	if err != nil {
		return err
	}
	defer eng.Close()
	doc.Mode = eng.Mode().String()
	stop := c.working("looking at %s tokens through %d layers", count(len(doc.TokenIDs)), len(opt.Layers))
	seen, err := lens.Look(ctx, eng, pass.NewSeq(doc.TokenIDs...), opt)
	stop()
	if err != nil {
		return err
	}
	for _, l := range seen {
		doc.Layers = append(doc.Layers, m.lensLayer(l))
	}
	switch {
	case c.set.json || format == "json":
	case format == "html":
		_, err := c.out.Write(doc.html(m.file.Name))
		return err
	default:
		doc.print(c)
		return nil
	}
	digest, err := m.digest()
	if err != nil {
		return err
	}
	doc.head = c.head(digest)
	return c.printJSON(doc)
}

func (m *model) piece(id int32) string {
	s, _ := m.Tokenizer.Piece(id)
	return s
}

func (m *model) lensLayer(l lens.Layer) lensLayer {
	out := lensLayer{Layer: l.Layer, Rank: l.Rank, KL: l.KL}
	for _, guesses := range l.Top {
		var g []lensGuess
		for _, x := range guesses {
			g = append(g, lensGuess{lensToken{m.piece(x.ID), x.ID}, x.Probability})
		}
		out.Top = append(out.Top, g)
	}
	return out
}

// oneToken finds the token that a word is, or says into which ones it falls.
func (m *model) oneToken(s string) (*lensToken, error) {
	if id, ok := m.Tokenizer.ID(s); ok {
		return &lensToken{s, id}, nil
	}
	var pieces []string
	for _, id := range m.Tokenizer.Encode(s, tokenizer.EncodeOptions{}) {
		pieces = append(pieces, visible(m.piece(id)))
	}
	hint := "most words begin with a space, as in --target \" Paris\""
	if len(pieces) > 0 {
		hint = "it is made of " + strings.Join(pieces, " | ") + "; " + hint
	}
	return nil, usage(hint, "--target %q: not one token of this model", s)
}

// Columns of the lens table.
const (
	lensLabel = 6  // the number of a layer
	lensCell  = 15 // a token and its probability
)

// print draws the table: the last layer on top, as the stream flows upwards,
// and the input under it.
func (d *lensDoc) print(c *call) {
	n := len(d.Tokens)
	from := n - min(n, max(1, (c.width()-lensLabel)/(lensCell+1)))
	if from > 0 {
		c.note("the last %d of %d positions; --json has all of them", n-from, n)
	}
	line := func(label string, cell func(i int) (text, style string)) {
		b := strings.Builder{}
		b.WriteString(pad(label, -(lensLabel-2)) + "  ")
		for i := from; i < n; i++ {
			text, style := cell(i)
			b.WriteString(paint(c.colorOut && style != "", style, text) + " ")
		}
		fmt.Fprintln(c.out, strings.TrimRight(b.String(), " "))
	}
	for _, l := range slices.Backward(d.Layers) {
		line(fmt.Sprint(l.Layer), l.cell)
	}
	line("", func(i int) (string, string) { return pad(clip(visible(d.Tokens[i]), lensCell), lensCell), bold })
}

// cell is a position of a layer: the best guess with its probability, or the
// rank of the target.
func (l *lensLayer) cell(i int) (text, style string) {
	if l.Rank != nil {
		switch r := l.Rank[i]; {
		case r == 0:
			style = green
		case r < 10:
		default:
			style = dim
		}
		return pad(count(l.Rank[i]), -lensCell), style
	}
	best := l.Top[i][0]
	switch {
	case best.Probability >= 0.5:
		style = green
	case best.Probability < 0.1:
		style = dim
	}
	share := fmt.Sprintf("%d%%", int(100*best.Probability+0.5))
	return pad(clip(visible(best.Token), lensCell-5), lensCell-5) + pad(share, -5), style
}
