package keep

import "github.com/micaml/mica/pass"

// Stored is a Compressor that keeps what Method keeps, everything if that is
// nil, in numbers of another type: KVQ8 takes about half the memory of KVF16.
type Stored struct {
	Method Compressor
	KV     pass.KVKind
}

// Plan is the method's.
func (s Stored) Plan(n int) (p Plan, err error) {
	if s.Method != nil {
		p, err = s.Method.Plan(n)
	}
	p.KV = s.KV
	return p, err
}

// Compress is the method's.
func (s Stored) Compress(l *Layer) error {
	if s.Method == nil {
		return nil
	}
	return s.Method.Compress(l)
}
