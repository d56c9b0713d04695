package philox

import "testing"

// The known answers of the authors' library Random123 (kat_vectors, philox4x32 10).
func TestKnownAnswers(t *testing.T) {
	const ones = 0xffffffff
	for _, test := range []struct {
		key           [2]uint32
		counter, want [4]uint32
	}{
		{[2]uint32{}, [4]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[2]uint32{ones, ones}, [4]uint32{ones, ones, ones, ones}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := Block(test.key, test.counter); got != test.want {
			t.Errorf("key %x, counter %x: %x, want %x", test.key, test.counter, got, test.want)
		}
	}
}

func BenchmarkBlock(b *testing.B) {
	var c [4]uint32
	for b.Loop() {
		c = Block([2]uint32{1, 2}, c)
	}
}
