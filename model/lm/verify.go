package lm

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// Reference is what another program computes for a prompt at the sites of a
// model. tools/oracle/verify.py makes them of any model that Hugging Face
// transformers reads, families.py those of the tests.
type Reference struct {
	Made   string  // by which program, in which precision
	Model  string  // name of the model's file, for messages; may be ""
	Digest string  // SHA-256 of the model's file; "" if it isn't known
	Tokens []int32 // the prompt
	Rows   []int   // the rows of the prompt that are kept
	Every  int     // only each Every-th number of those is kept; 0: each
	Sites  []ReferenceSite
}

// ReferenceSite is the values at one site, in the order in which a pass comes
// by them.
type ReferenceSite struct {
	Layer  int     // the depth of the network for logits
	Site   string  // a name of pass.Sites, or "logits"
	Values Numbers // of the reference's rows, or of a pattern [H, T]
	// Yardstick is the largest error of PyTorch in float32, over all rows.
	Yardstick float64 `json:"torch_f32_max_error"`
}

// Numbers is float32 numbers that JSON keeps as base64 of their little-endian
// bytes.
type Numbers []float32

// UnmarshalText reads base64.
func (n *Numbers) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return err
	}
	if len(b)%4 != 0 {
		return fmt.Errorf("%d bytes are no float32 numbers", len(b))
	}
	*n = make(Numbers, len(b)/4)
	for i := range *n {
		(*n)[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}

// MarshalText writes base64.
func (n Numbers) MarshalText() ([]byte, error) {
	var b []byte
	for _, x := range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return []byte(base64.StdEncoding.EncodeToString(b)), nil
}

// maxReference is how many bytes a reference may have.
const maxReference = 64 << 20

// ReadReference reads a reference in JSON.
func ReadReference(r io.Reader) (*Reference, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReference+1))
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	if len(b) > maxReference {
		return nil, fmt.Errorf("reference: more than %d bytes", maxReference)
	}
	ref := new(Reference)
	if err := json.Unmarshal(b, ref); err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	if ref.Every < 0 {
		return nil, fmt.Errorf("reference: every %d. number", ref.Every)
	}
	for _, row := range ref.Rows {
		if row < 0 || row >= len(ref.Tokens) {
			return nil, fmt.Errorf("reference: row %d of %d tokens", row, len(ref.Tokens))
		}
	}
	for _, s := range ref.Sites {
		if !(s.Yardstick >= 0 && s.Yardstick <= math.MaxFloat32) {
			return nil, fmt.Errorf("reference: layer %d: %s: an error of %g", s.Layer, s.Site, s.Yardstick)
		}
		for i, x := range s.Values {
			if x-x != 0 { // infinite or not a number: nothing could differ from it
				return nil, fmt.Errorf("reference: layer %d: %s: number %d is %g", s.Layer, s.Site, i, x)
			}
		}
	}
	return ref, nil
}

// SiteError is how far a network is from a reference at one site.
type SiteError struct {
	Layer int     `json:"layer"`
	Site  string  `json:"site"`
	Error float64 `json:"error"` // the largest, absolute
	Limit float64 `json:"limit"` // that it is held to
}

// Differs reports whether the error is over its limit, or not a number.
func (e SiteError) Differs() bool { return !(e.Error <= e.Limit) }

// Name is the address of the site: "1.attn.q".
func (e SiteError) Name() string {
	if e.Site == "logits" {
		return e.Site
	}
	return fmt.Sprint(e.Layer, ".", e.Site)
}

// Report is the outcome of [Verify], site by site, in the order of the pass.
type Report []SiteError

// First returns the first site that differs; false if none does.
func (r Report) First() (SiteError, bool) {
	for _, s := range r {
		if s.Differs() {
			return s, true
		}
	}
	return SiteError{}, false
}

// Verify runs a reference's prompt and compares every site that it has. A site
// may be off by twice what PyTorch in float32 is, and by a few roundings of
// its largest number where PyTorch was lucky. The engine must be in exact mode.
func Verify(ctx context.Context, eng *pass.Engine, ref *Reference) (Report, error) {
	if eng.Mode() != op.Exact {
		return nil, fmt.Errorf("lm: verify in %v mode: references are held to in exact mode", eng.Mode())
	}
	seq := pass.NewSeq(ref.Tokens...)
	report := make(Report, len(ref.Sites))
	seen := make([]bool, len(ref.Sites))
	var wrong error
	for i := range ref.Sites {
		s := &ref.Sites[i]
		report[i] = SiteError{Layer: s.Layer, Site: s.Site}
		if s.Site == "logits" {
			continue
		}
		if s.Layer < 0 || s.Layer >= eng.Depth() {
			return nil, fmt.Errorf("reference: layer %d of %d", s.Layer, eng.Depth())
		}
		err := seq.Watch(report[i].Name(), func(at pass.At, x []float32) {
			rows := ref.Rows
			if strings.HasPrefix(s.Site, "attn.pattern") {
				rows = nil
			}
			seen[i] = true
			if err := report[i].compare(s, x, at.Width, rows, ref.Every); err != nil && wrong == nil {
				wrong = err
			}
		})
		if err != nil {
			return nil, fmt.Errorf("reference: %w", err)
		}
	}
	p, err := eng.Begin(seq)
	if err != nil {
		return nil, err
	}
	defer p.End()
	if err := p.Run(ctx, 0, eng.Depth()); err != nil {
		return nil, err
	}
	logits, err := p.Head("logits", ref.Rows...)
	if err != nil {
		return nil, err
	}
	for i := range ref.Sites {
		if s := &ref.Sites[i]; s.Site == "logits" {
			seen[i] = true
			if err := report[i].compare(s, logits, 0, nil, ref.Every); err != nil && wrong == nil {
				wrong = err
			}
		}
		if !seen[i] {
			return nil, fmt.Errorf("reference: the network doesn't come by %s", report[i].Name())
		}
	}
	return report, wrong
}

// compare sets the error of a site with numbers x, of which rows of a width
// are kept, nil being all, and of those each every-th number.
func (e *SiteError) compare(s *ReferenceSite, x []float32, width int, rows []int, every int) error {
	kept := x
	if rows != nil {
		kept = nil
		for _, r := range rows {
			if (r+1)*width > len(x) {
				return fmt.Errorf("reference: %s: row %d of %d", e.Name(), r, len(x)/max(width, 1))
			}
			kept = append(kept, x[r*width:(r+1)*width]...)
		}
	}
	if len(s.Values) == 0 { // what holds nothing would agree with anything
		return fmt.Errorf("reference: %s: holds no numbers", e.Name())
	}
	every = max(every, 1)
	if n := (len(kept) + every - 1) / every; n != len(s.Values) {
		return fmt.Errorf("reference: %s: %d numbers, and the network has %d", e.Name(), len(s.Values), n)
	}
	largest := 0.0
	for i, want := range s.Values {
		largest = max(largest, math.Abs(float64(want)))
		off := math.Abs(float64(kept[i*every]) - float64(want))
		if !(off <= e.Error) { // a NaN stays
			e.Error = off
		}
		if math.IsNaN(e.Error) {
			break
		}
	}
	e.Limit = max(2*s.Yardstick, 0x1p-20*largest)
	return nil
}
