package dataset

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/micaml/mica/op"
)

func read(t testing.TB, s Set, index ...int) *Batch {
	var b Batch
	if err := s.Read(&b, index); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestViews(t *testing.T) {
	s := counting(t, 9)
	sub, err := Subset(s, []int{8, 4, 2})
	if err != nil {
		t.Fatal(err)
	}
	b := read(t, sub, 2, 0)
	if !slices.Equal(b.X, []float32{2, 8}) || !slices.Equal(b.Index, []int{2, 0}) || !slices.Equal(b.Labels, []int32{2, 2}) {
		t.Errorf("subset: %+v", b)
	}
	wrong, err := Relabel(sub, []int32{0, 1, op.Ignore}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if b := read(t, wrong, 0, 1, 2); !slices.Equal(b.Labels, []int32{0, 1, op.Ignore}) || wrong.Classes() != 2 {
		t.Errorf("relabelled: %+v of %d classes", b, wrong.Classes())
	}
	if b := read(t, Scale(s, 1, 2), 5); b.X[0] != 2 {
		t.Errorf("(5 - 1) / 2 is %v", b.X[0])
	}
	var any Batch
	for _, s := range []Set{s, sub, wrong} {
		for _, i := range []int{-1, s.Len()} {
			if err := s.Read(&any, []int{i}); !errors.Is(err, ErrIndex) {
				t.Errorf("example %d of %d: %v", i, s.Len(), err)
			}
		}
	}
}

func TestSplitTakesOfEveryClass(t *testing.T) {
	s := counting(t, 90)
	rest, cut, err := Split(s, 0.1, 3)
	if err != nil {
		t.Fatal(err)
	}
	if rest.Len() != 81 || cut.Len() != 9 {
		t.Fatalf("%d and %d examples", rest.Len(), cut.Len())
	}
	labels, err := Labels(cut)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(labels)
	if !slices.Equal(labels, []int32{0, 0, 0, 1, 1, 1, 2, 2, 2}) {
		t.Errorf("the cut has labels %v", labels)
	}
	var all []float32
	for _, part := range []Set{rest, cut} {
		for i := range part.Len() {
			all = append(all, read(t, part, i).X...)
		}
	}
	slices.Sort(all)
	for i, x := range all {
		if x != float32(i) {
			t.Fatalf("example %d is missing or there twice", i)
		}
	}
	if _, _, err := Split(s, math.NaN(), 3); err == nil {
		t.Error("a share that is no number was accepted")
	}
}

func TestWindows(t *testing.T) {
	s, err := Windows([]int32{0, 1, 2, 3, 4, 5, 6}, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	b := read(t, s, 1, 0)
	if s.Len() != 2 || !slices.Equal(b.Tokens[0], []int32{2, 3, 4, 5}) || !slices.Equal(b.Tokens[1], []int32{0, 1, 2, 3}) {
		t.Errorf("%d windows: %v", s.Len(), b.Tokens)
	}
	if _, err := Windows([]int32{1, 2}, 2, 1); err == nil {
		t.Error("a text shorter than a window was accepted")
	}
}

func TestTableErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		x       int
		dims    []int
		labels  []int32
		classes int
		want    string
	}{
		{"shape", 4, []int{3}, nil, 0, "dataset: 4 numbers don't make examples of shape [3]"},
		{"zero", 4, []int{0}, nil, 0, "dataset: examples of shape [0]"},
		{"overflow", 4, []int{1 << 30, 1 << 30, 1 << 30}, nil, 0, "dataset: examples of shape [1073741824 1073741824 1073741824]"},
		{"labels", 4, []int{2}, []int32{0}, 1, "dataset: 1 labels for 2 examples"},
		{"class", 4, []int{2}, []int32{0, 1}, 1, "dataset: example 1 has label 1, of 1 classes"},
	} {
		if _, err := NewTable(make([]float32, c.x), c.dims, c.labels, c.classes); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// Labels of a set without classes are cut as one.
func TestSplitLabelsThatAreNoClasses(t *testing.T) {
	s := Make(10, nil, 0, func(b *Batch, i int) error { b.Labels = append(b.Labels, int32(i)); return nil })
	if rest, cut, err := Split(s, 0.5, 1); err != nil || rest.Len() != 5 || cut.Len() != 5 {
		t.Errorf("%v %v %v", rest, cut, err)
	}
}
