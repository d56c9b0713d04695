package op

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Shape is the dimensions of a tensor, at most four. Row-major; dimension 0
// counts rows: packed token rows [T, D] or images [batch, channels, h, w].
type Shape struct {
	rank int8
	dim  [4]int32
}

// MakeShape returns the shape of dims. It panics on more than four
// dimensions, which is a mistake in the program and not in its input.
func MakeShape(dims ...int) Shape {
	s := Shape{rank: int8(len(dims))}
	for i, d := range dims {
		s.dim[i] = int32(d)
	}
	return s
}

// Rank returns the number of dimensions.
func (s Shape) Rank() int { return int(s.rank) }

// Dim returns dimension i.
func (s Shape) Dim(i int) int { return int(s.dim[i]) }

// Len returns the number of elements.
func (s Shape) Len() int {
	n := 1
	for _, d := range s.dim[:s.rank] {
		n *= int(d)
	}
	return n
}

// Rows returns dimension 0 (1 for a scalar).
func (s Shape) Rows() int {
	if s.rank == 0 {
		return 1
	}
	return int(s.dim[0])
}

// Width returns the number of elements in a row.
func (s Shape) Width() int {
	n := 1
	for i := 1; i < int(s.rank); i++ {
		n *= int(s.dim[i])
	}
	return n
}

// WithRows returns s with another dimension 0.
func (s Shape) WithRows(n int) Shape {
	s.dim[0] = int32(n)
	return s
}

func (s Shape) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range s.dim[:s.rank] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, d)
	}
	b.WriteByte(']')
	return b.String()
}

// MarshalText writes the dimensions, so that a shape can cross a wire: "2x3".
func (s Shape) MarshalText() ([]byte, error) {
	var b []byte
	for i, d := range s.dim[:s.rank] {
		if i > 0 {
			b = append(b, 'x')
		}
		b = strconv.AppendInt(b, int64(d), 10)
	}
	return b, nil
}

// UnmarshalText reads what MarshalText writes: at most four dimensions whose
// product fits an int32.
func (s *Shape) UnmarshalText(text []byte) error {
	*s = Shape{}
	if len(text) == 0 {
		return nil
	}
	total := int64(1)
	for part := range strings.SplitSeq(string(text), "x") {
		d, err := strconv.ParseInt(part, 10, 32)
		if err != nil || d < 0 || int(s.rank) == len(s.dim) {
			return fmt.Errorf("op: shape %q: not up to four dimensions like 2x3", text)
		}
		if total *= d; total > math.MaxInt32 {
			return fmt.Errorf("op: shape %q: too large", text)
		}
		s.dim[s.rank] = int32(d)
		s.rank++
	}
	return nil
}
