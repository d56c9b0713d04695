package recipe

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/micaml/mica/op"
	"github.com/micaml/mica/optim"
	"github.com/micaml/mica/tensor"
	"github.com/micaml/mica/train"
)

// JSON returns the recipe as a file: with what was set by hand, and with defaults.
func (r *Recipe) JSON() []byte {
	var flat, b bytes.Buffer
	encode(&flat, reflect.ValueOf(r).Elem(), "", func(string, *field) bool { return true })
	if err := json.Indent(&b, flat.Bytes(), "", "  "); err != nil {
		panic(err) // of this package's own text
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// encode writes the fields of a struct that take writes for.
func encode(b *bytes.Buffer, v reflect.Value, path string, take func(path string, f *field) bool) {
	b.WriteByte('{')
	kind, first := kindOf(v), true
	fields := fieldsOf(v.Type())
	for i := range fields {
		f, x := &fields[i], v.Field(fields[i].index)
		own := join(path, f.name)
		if !f.forKind(kind) || !take(own, f) || x.IsZero() && (!f.has || f.or == "" || f.or == "0" || f.or == "false") {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(strconv.Quote(f.name) + ":")
		switch {
		case x.Kind() == reflect.Struct:
			encode(b, x, own, take)
		case x.Kind() == reflect.Slice && x.Type().Elem().Kind() == reflect.Struct:
			b.WriteByte('[')
			for j := range x.Len() {
				if j > 0 {
					b.WriteByte(',')
				}
				encode(b, x.Index(j), own, take)
			}
			b.WriteByte(']')
		default:
			var one bytes.Buffer
			e := json.NewEncoder(&one)
			e.SetEscapeHTML(false)
			if err := e.Encode(x.Interface()); err != nil {
				panic(err) // words and finite numbers
			}
			b.Write(bytes.TrimSpace(one.Bytes()))
		}
	}
	b.WriteByte('}')
}

// elsewhere are fields that a training may change while it goes on: how long it lasts
// and what is kept. Where files lie says nothing about what is in them.
var elsewhere = []string{"$schema", "about", "steps", "save", "evaluate.every", "evaluate.patience", "evaluate.best"}

// Digest tells apart trainings that can't go on from each other's checkpoints: it is
// of the recipe but for its length and its paths, and of the data.
func (j *Job) Digest() string {
	var b bytes.Buffer
	encode(&b, reflect.ValueOf(j.Recipe).Elem(), "", func(path string, f *field) bool {
		return !f.path && !slices.Contains(elsewhere, path)
	})
	sum := sha256.Sum256(fmt.Appendf(b.Bytes(), "\n%x", j.data.sum.Sum(nil)))
	return hex.EncodeToString(sum[:])
}

// csvOf is a log as a table: a row for each line, evaluations under "eval.".
func csvOf(lines []train.Line) []byte {
	names := map[string]bool{}
	for _, l := range lines {
		for k := range l.Training {
			names[k] = true
		}
		for k := range l.Evaluation {
			names["eval."+k] = true
		}
	}
	head := slices.Sorted(maps.Keys(names))
	var b bytes.Buffer
	w := csv.NewWriter(&b) // to memory: it can't fail
	w.Write(append([]string{"step"}, head...))
	for _, l := range lines {
		row := []string{strconv.Itoa(l.Step)}
		for _, k := range head {
			x, ok := l.Training[k]
			if !ok && len(k) > 5 && k[:5] == "eval." {
				x, ok = l.Evaluation[k[5:]]
			}
			if row = append(row, ""); ok {
				row[len(row)-1] = number(x)
			}
		}
		w.Write(row)
	}
	w.Flush()
	return b.Bytes()
}

// asWeight is numbers of a state as a weight of one row.
func asWeight(s optim.Slot) *op.Weight {
	return op.NewWeight(s.Name, tensor.FromFloat32(1, len(s.Data), s.Data))
}
