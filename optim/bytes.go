package optim

import (
	"math"

	kernel "github.com/micaml/mica/internal/kernel/optim"

	"github.com/micaml/mica/internal/kernel/act"
)

// What is kept in bytes, as bitsandbytes does it: weights of minBytes numbers or
// more, in blocks that share a scale. The length of a cut is a multiple of a block.
const (
	minBytes = 4096
	block    = 256
)

// slot is some of the state of a weight: a number for each of its, or a code for
// each and a scale for each block of them.
type slot struct {
	name  string
	data  []float32 // the numbers, or the scales
	codes []uint8
	book  *codebook
}

func newSlot(r Rule, name string, n int) slot {
	if !r.inBytes() || n < minBytes {
		return slot{name: name, data: make([]float32, n)}
	}
	s := slot{name: name, data: make([]float32, (n+block-1)/block), codes: make([]uint8, n), book: &unsigned}
	if name == "mean" {
		s.book = &signed
	}
	for i := range s.codes {
		s.codes[i] = s.book.zero
	}
	return s
}

// part returns the numbers of a cut, nil if the rule has no such slot.
func (s *slot) part(lo, hi int) []float32 {
	if s.data == nil {
		return nil
	}
	return s.data[lo:hi]
}

// scratch holds the two slots of a block in float32.
type scratch [2][block]float32

// inBlocks is apply for a cut whose state is in bytes: block by block it is
// decoded, changed and encoded again. The weight is changed by the numbers before
// they are rounded.
func (u *update) inBlocks(p *param, lo, hi int, s *scratch) {
	for ; lo < hi; lo += block {
		end := min(lo+block, hi)
		var x [2][]float32
		for i := range x {
			x[i] = s[i][:end-lo]
			t := &p.state[i]
			t.book.decode(x[i], t.codes[lo:end], t.data[lo/block])
		}
		kernel.Adam(p.data[lo:end], p.Grad[lo:end], x[0], x[1], &u.adam)
		for i := range x {
			t := &p.state[i]
			t.data[lo/block] = t.book.encode(t.codes[lo:end], x[i])
		}
	}
}

// codebook is a map of 8 bits to numbers from -1 to 1 or from 0 to 1 (Dettmers
// 2016, "dynamic tree quantization"): in each of seven decades up to 1 the middles
// of equal parts of it, twice as many as in the decade below; 0; and 1.
type codebook struct {
	values [256]float32 // ascending
	zero   uint8        // the code of 0
	// The magnitudes: those of the codes from zero up. middle[j] has the bits of what
	// lies between magnitudes j-1 and j; bits of positive numbers ascend as they do.
	middle [257]uint32
	top    int // how far a negative number's magnitude goes: signed has no -1
	// first is by the upper bits of a number the least magnitude that is nearest to
	// a number with these bits. They are so many that there are two at most. Before
	// and behind it is 0, for what is less and for NaN.
	first [buckets + 2]uint8
}

var (
	signed   = newCodebook(true)
	unsigned = newCodebook(false)
)

// Buckets go by exponent and 7 bits of the fraction, from 2^-22, below which
// all is nearest to 0, to 1.
const (
	bucketShift = 16
	lowest      = (127 - 22) << (23 - bucketShift)
	buckets     = 22<<(23-bucketShift) + 1
)

func newCodebook(signed bool) codebook {
	var b codebook
	magnitudes := []float32{0}
	scale := float32(1e-6)
	for decade := range 7 {
		parts := 1 << decade
		if !signed {
			parts *= 2
		}
		for i := range parts {
			magnitudes = append(magnitudes, scale*((border(i, parts)+border(i+1, parts))/2))
		}
		scale = float32(math.Pow(10, float64(decade-5)))
	}
	magnitudes = append(magnitudes, 1)
	b.top = len(magnitudes) - 1
	if signed {
		b.top-- // there is room for 255 numbers and 0
		b.zero = uint8(b.top)
		for j := range b.top + 1 {
			b.values[int(b.zero)-j] = -magnitudes[j]
		}
	}
	copy(b.values[b.zero:], magnitudes)
	b.values[b.zero] = 0
	for j := range b.middle {
		b.middle[j] = math.MaxUint32
		if j > 0 && j < len(magnitudes) {
			b.middle[j] = math.Float32bits((magnitudes[j-1] + magnitudes[j]) / 2)
		}
	}
	j := 0
	for k := range buckets {
		for least := uint32(k+lowest) << bucketShift; least > b.middle[j+1]; {
			j++
		}
		b.first[k+1] = uint8(j)
	}
	return b
}

// border is the border before part i of [0.1, 1] cut into n, counted from the
// nearer end and rounded once, as PyTorch's linspace does.
func border(i, n int) float32 {
	lo, step := float32(0.1), (float32(1)-float32(0.1))/float32(n)
	if i < (n+1)/2 {
		return float32(float64(lo) + float64(step)*float64(i))
	}
	return float32(1 - float64(step)*float64(n-i))
}

// decode sets dst to what the codes stand for.
func (b *codebook) decode(dst []float32, codes []uint8, scale float32) {
	for i, c := range codes {
		dst[i] = b.values[c] * scale
	}
}

// encode sets the codes to those nearest to x and returns their scale, the largest
// magnitude. It overwrites x. In the unsigned book what is above 0 stays so. A NaN
// becomes the scale, and so spreads over the block.
func (b *codebook) encode(codes []uint8, x []float32) (scale float32) {
	top := uint32(0) // bits of magnitudes ascend as they do; those of NaN are above all
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^sign)
	}
	scale = math.Float32frombits(top)
	if scale == 0 {
		for i := range codes {
			codes[i] = b.zero
		}
		return 0
	}
	act.Divide(x, x, scale)
	codes = codes[:len(x)]
	if b.zero == 0 {
		for i, v := range x {
			j := b.magnitude(math.Float32bits(v))
			if j == 0 && v != 0 {
				j = 1
			}
			codes[i] = uint8(j)
		}
		return scale
	}
	for i, v := range x {
		bits := math.Float32bits(v)
		j := b.magnitude(bits &^ sign)
		minus := int(int32(bits) >> 31) // all ones if negative: the sign is as good as random
		if j > b.top {
			j += minus
		}
		codes[i] = uint8(int(b.zero) + (j ^ minus) - minus)
	}
	return scale
}

// sign is the bit of a float32's sign.
const sign = 1 << 31

// magnitude returns which magnitude is nearest to a number from 0 to 1, given its
// bits.
func (b *codebook) magnitude(bits uint32) int {
	k := min(max(int(bits>>bucketShift)-lowest+1, 0), buckets+1)
	j := int(b.first[k])
	// One more above the middle, without a branch that nobody could foresee.
	return j + int((int64(b.middle[j+1])-int64(bits))>>63&1)
}
