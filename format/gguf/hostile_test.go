package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
)

// hostile is every way known to us in which a file can lie, each with the text
// of its refusal. Many are those of llama.cpp's tests/test-gguf.cpp.
var hostile = []struct {
	name string
	file []byte
	want string
}{
	// Header.
	{"empty file", nil, "header: magic takes 4 bytes, the file has 0 more (at byte 0)"},
	{"short magic", []byte("GGU"), "magic takes 4 bytes, the file has 3 more"},
	{"wrong magic", []byte("GGML\x03\x00\x00\x00"), `magic is "GGML", want "GGUF" (at byte 0)`},
	{"lower-case magic", []byte("gguf\x03\x00\x00\x00"), `magic is "gguf"`},
	{"zip file", append([]byte("PK\x03\x04"), make([]byte, 100)...), `magic is "PK\x03\x04"`},
	{"magic alone", []byte("GGUF"), "version takes 4 bytes, the file has 0 more (at byte 4)"},
	{"version 0", head(0, 0, 0), "version 0 is not supported, only 2 and 3 (at byte 4)"},
	{"version 1", head(1, 0, 0), "version 1 is not supported, only 2 and 3; convert the file again"},
	{"version 4", head(4, 0, 0), "version 4 is not supported"},
	{"version max", head(math.MaxUint32, 0, 0), "version 4294967295 is not supported"},
	{"big-endian 3", head(3<<24, 0, 0), "big-endian file (version 0x03000000); only little-endian files are supported"},
	{"big-endian 2", head(2<<24, 0, 0), "big-endian file"},
	{"no counts", []byte("GGUF\x03\x00\x00\x00"), "tensor count takes 8 bytes, the file has 0 more (at byte 8)"},
	{"no key count", head(3, 0, 0)[:16], "key count takes 8 bytes, the file has 0 more (at byte 16)"},
	{"one key claimed", head(3, 0, 1), "key count 1 needs more than the 0 bytes left (at byte 16)"},
	{"one tensor claimed", head(3, 1, 0), "tensor count 1 needs more than the 0 bytes left (at byte 8)"},
	{"keys beyond limit", append(head(3, 0, 1<<16+1), make([]byte, 64)...), "key count 65537 exceeds the limit of 65536"},
	{"keys 2^63", append(head(3, 0, 1<<63), make([]byte, 64)...), "key count 9223372036854775808 exceeds the limit"},
	{"keys max", append(head(3, 0, math.MaxUint64), make([]byte, 64)...), "key count 18446744073709551615 exceeds the limit"},
	{"tensors beyond limit", append(head(3, 1<<16+1, 0), make([]byte, 64)...), "tensor count 65537 exceeds the limit of 65536"},
	{"tensors 2^60", append(head(3, 1<<60, 0), make([]byte, 64)...), "tensor count 1152921504606846976 exceeds the limit"},
	{"tensors max", append(head(3, math.MaxUint64, 0), make([]byte, 64)...), "tensor count 18446744073709551615 exceeds the limit"},
	{"65536 keys in 64 bytes", append(head(3, 0, 1<<16), make([]byte, 64)...), "key count 65536 needs more than the 64 bytes left"},
	{"65536 tensors in 64 bytes", append(head(3, 1<<16, 0), make([]byte, 64)...), "tensor count 65536 needs more than the 64 bytes left"},
	{"one key too many", append(head(3, 0, 2), join(kv("k", kindUint8, uint8(1)), make([]byte, 14))...), "key 1: key is empty"},

	// Keys.
	{"empty key", withKeys(kv("", kindUint32, uint32(1))), "key 0: key is empty (at byte 24)"},
	{"key of 257 bytes", withKeys(kv(strings.Repeat("k", 257), kindUint8, uint8(1))), "key 0: key length 257 exceeds the limit of 256"},
	{"key length 2^40", append(head(3, 0, 1), join(uint64(1<<40), make([]byte, 64))...), "key length 1099511627776 exceeds the limit of 256 (at byte 24)"},
	{"key length max", append(head(3, 0, 1), join(uint64(math.MaxUint64), make([]byte, 64))...), "key length 18446744073709551615 exceeds"},
	{"key length -8", append(head(3, 0, 1), join(uint64(math.MaxUint64-7), make([]byte, 64))...), "key length 18446744073709551608 exceeds"},
	{"key beyond the end", append(head(3, 0, 1), join(uint64(200), make([]byte, 64))...), "key takes 200 bytes, the file has 64 more (at byte 32)"},
	{"key not UTF-8", withKeys(kv("\xff\xfe", kindUint8, uint8(1))), "key 0: key is not UTF-8 (at byte 32)"},
	{"key a cut rune", withKeys(kv("k\xe2\x82", kindUint8, uint8(1))), "key is not UTF-8"},
	{"key a surrogate", withKeys(kv("\xed\xa0\x80", kindUint8, uint8(1))), "key is not UTF-8"},
	{"duplicate key", withKeys(kv("k", kindUint8, uint8(1)), kv("k", kindUint8, uint8(1))), `key "k": duplicate key (at byte 38)`},
	{"duplicate key of another type", withKeys(kv("k", kindUint8, uint8(1)), kv("j", kindBool, uint8(1)), kv("k", kindString, "x")), `key "k": duplicate key`},
	{"value type 13", oneKey(13, uint64(0)), `key "k": value type 13 is unknown (at byte 33)`},
	{"value type max", oneKey(math.MaxUint32, uint64(0)), `key "k": value type 4294967295 is unknown`},
	{"second key broken", withKeys(kv("a", kindUint8, uint8(1)), kv("b", 99, uint8(1))), `key "b": value type 99 is unknown`},
	{"bool 2", oneKey(kindBool, uint8(2)), `key "k": bool is 2, want 0 or 1 (at byte 37)`},
	{"bool 255", oneKey(kindBool, uint8(255)), "bool is 255"},
	{"int16 cut", append(head(3, 0, 1), join("key", uint32(kindInt16), uint8(0))...), "value takes 2 bytes, the file has 1 more"},
	{"uint64 cut", append(head(3, 0, 1), join("k", uint32(kindUint64), uint32(0))...), "value takes 8 bytes, the file has 4 more"},
	{"float32 cut", append(head(3, 0, 1), join("k", uint32(kindFloat32), uint8(0))...), "value takes 4 bytes, the file has 1 more"},

	// String values.
	{"string length 2^40", oneKey(kindString, uint64(1<<40)), `key "k": value length 1099511627776 exceeds the limit of 1048576 (at byte 37)`},
	{"string length max", oneKey(kindString, uint64(math.MaxUint64)), "value length 18446744073709551615 exceeds"},
	{"string length 2^63", oneKey(kindString, uint64(1<<63)), "value length 9223372036854775808 exceeds"},
	{"string length 1 MiB in 64 bytes", oneKey(kindString, uint64(1<<20), make([]byte, 51)), "value takes 1048576 bytes, the file has 51 more"},
	{"string over 1 MiB", oneKey(kindString, strings.Repeat("a", 1<<20+1)), "value length 1048577 exceeds the limit of 1048576"},
	{"string not UTF-8", oneKey(kindString, "ab\xffcd"), "value is not UTF-8 (at byte 45)"},
	{"string overlong UTF-8", oneKey(kindString, "\xc0\x80"), "value is not UTF-8"},

	// Arrays.
	{"element type 13", oneKey(kindArray, arr(13, 0)), `key "k": element type 13 is unknown (at byte 37)`},
	{"element type max", oneKey(kindArray, arr(math.MaxUint32, 1)), "element type 4294967295 is unknown"},
	{"array of arrays", oneKey(kindArray, arr(kindArray, 1, arr(kindUint8, 1, uint8(1)))), `key "k": array of arrays (at byte 37)`},
	{"empty array of arrays", oneKey(kindArray, arr(kindArray, 0)), "array of arrays"},
	{"arrays 1000 deep", oneKey(kindArray, bytes.Repeat(arr(kindArray, 1), 1000)), "array of arrays"},
	{"64 Mi strings", oneKey(kindArray, arr(kindString, 64<<20)), "array of 67108864 elements needs more than the"},
	{"2^60 strings", oneKey(kindArray, arr(kindString, 1<<60)), "array of 1152921504606846976 elements needs"},
	{"strings wrapping to 0 bytes", oneKey(kindArray, arr(kindString, 1<<61)), "array of 2305843009213693952 elements needs"},
	{"max uint8", oneKey(kindArray, arr(kindUint8, math.MaxUint64)), "array of 18446744073709551615 elements needs"},
	{"uint64 wrapping to 8 bytes", oneKey(kindArray, arr(kindUint64, 1<<61+1, uint64(0))), "array of 2305843009213693953 elements needs"},
	{"float32 wrapping to 4 bytes", oneKey(kindArray, arr(kindFloat32, 1<<62+1, uint32(0))), "array of 4611686018427387905 elements needs"},
	{"more than a terabyte of int32", oneKey(kindArray, arr(kindInt32, 1<<38+1)), "array of 274877906945 elements needs"},
	{"bools beyond the end", append(head(3, 0, 1), kv("k", kindArray, arr(kindBool, 9, uint64(0)))...), "array of 9 elements needs more than the 8 bytes left (at byte 41)"},
	{"one int16 too many", append(head(3, 0, 1), kv("k", kindArray, arr(kindInt16, 5, uint64(0)))...), "array of 5 elements needs more than the 8 bytes left"},
	{"bool 3 in an array", oneKey(kindArray, arr(kindBool, 2, uint8(1), uint8(3))), "bool is 3, want 0 or 1 (at byte 50)"},
	{"array string beyond the end", append(head(3, 0, 1), kv("k", kindArray, arr(kindString, 2, "a", uint64(9)))...), "element takes 9 bytes, the file has 0 more"},
	{"array string length max", oneKey(kindArray, arr(kindString, 1, uint64(math.MaxUint64))), "element length 18446744073709551615 exceeds the limit"},
	{"array string over 1 MiB", oneKey(kindArray, arr(kindString, 1, strings.Repeat("a", 1<<20+1))), "element length 1048577 exceeds"},
	{"no element count", append(head(3, 0, 1), join("k", uint32(kindArray), uint32(kindUint8))...), "element count takes 8 bytes, the file has 0 more"},

	// Alignment.
	{"alignment 0", aligned(uint32(kindUint32), uint32(0)), `key "general.alignment": 0 is not a power of two from 8 to 1048576 (at byte 49)`},
	{"alignment 1", aligned(uint32(kindUint32), uint32(1)), "1 is not a power of two from 8"},
	{"alignment 3", aligned(uint32(kindUint32), uint32(3)), "3 is not a power of two"},
	{"alignment 48", aligned(uint32(kindUint32), uint32(48)), "48 is not a power of two"},
	{"alignment 2^31", aligned(uint32(kindUint32), uint32(1<<31)), "2147483648 is not a power of two from 8 to 1048576"},
	{"alignment max", aligned(uint32(kindUint32), uint32(math.MaxUint32)), "4294967295 is not a power of two"},
	{"alignment a string", aligned(uint32(kindString), "32"), `key "general.alignment": is of type string, want a uint32`},
	{"alignment a uint64", aligned(uint32(kindUint64), uint64(32)), "is of type uint64, want a uint32"},
	{"alignment an int32", aligned(uint32(kindInt32), int32(-32)), "is of type int32, want a uint32"},
	{"alignment an array", aligned(uint32(kindArray), arr(kindUint32, 1, uint32(32))), "is an array of uint32, want a uint32"},

	// Tensor table.
	{"empty name", withTensors(4, info("", F32, 0, 1)), "tensor 0: name is empty (at byte 24)"},
	{"name of 257 bytes", withTensors(4, info(strings.Repeat("n", 257), F32, 0, 1)), "tensor 0: name length 257 exceeds the limit of 256"},
	{"name length max", append(head(3, 1, 0), join(uint64(math.MaxUint64), make([]byte, 64))...), "tensor 0: name length 18446744073709551615 exceeds"},
	{"name not UTF-8", withTensors(4, info("\x80", F32, 0, 1)), "tensor 0: name is not UTF-8"},
	{"duplicate name", withTensors(64, info("t", F32, 0, 8), info("t", F32, 32, 8)), `tensor "t": duplicate name (at byte 57)`},
	{"0 dimensions", withTensors(64, info("t", F32, 0)), `tensor "t": 0 dimensions, want 1 to 4 (at byte 33)`},
	{"5 dimensions", withTensors(64, info("t", F32, 0, 1, 1, 1, 1, 1)), "5 dimensions, want 1 to 4"},
	{"max dimensions", append(head(3, 1, 0), join("t", uint32(math.MaxUint32), make([]byte, 64))...), "4294967295 dimensions, want 1 to 4"},
	{"first dimension zero", oneTensor(F32, 64, 0, 4), `tensor "t": dimension 0 is zero`},
	{"last dimension zero", oneTensor(F32, 64, 4, 4, 4, 0), "dimension 3 is zero"},
	{"zero hides an overflow", oneTensor(F32, 64, 1<<40, 1<<40, 0), "overflows"},
	{"2^63 elements", oneTensor(F32, 64, 1<<63), "overflows"},
	{"max elements", oneTensor(F32, 64, math.MaxUint64), "overflows"},
	{"product wraps to 0", oneTensor(F32, 64, 1<<32, 1<<32), "shape [4294967296 4294967296] overflows"},
	{"product wraps to 1", oneTensor(F32, 64, 0xffffffffffffffff, 0xffffffffffffffff), "overflows"},
	{"product of four wraps", oneTensor(F32, 64, 1<<16, 1<<16, 1<<16, 1<<16), "overflows"},
	{"product of 2^63", oneTensor(I8, 64, 1<<31, 1<<31, 2), "overflows"},
	{"bytes wrap", oneTensor(F32, 64, 1<<62), "of F32 overflows"},
	{"block bytes wrap", oneTensor(Q8_0, 64, 1<<62, 1), "tensor \"t\": data at offset 0 of 4899916394579099648 bytes ends beyond the file"},
	{"int64 bytes wrap to 8", oneTensor(I64, 64, 1<<61+1), "of I64 overflows"},
	{"more than a terabyte", oneTensor(F32, 64, 1<<20, 1<<20), "data at offset 0 of 4398046511104 bytes ends beyond the file (data section of 64 bytes)"},
	{"type 4, removed", oneTensor(4, 64, 32), `tensor "t": type 4 is unknown`},
	{"type 31, removed", oneTensor(31, 64, 32), "type 31 is unknown"},
	{"type 42", oneTensor(42, 64, 32), "type 42 is unknown"},
	{"type max", oneTensor(math.MaxUint32, 64, 32), "type 4294967295 is unknown"},
	{"Q4_1 row of 31", oneTensor(Q4_1, 64, 31), "31 columns are not a multiple of the Q4_1 block of 32"},
	{"Q4_1 row of 16 twice", oneTensor(Q4_1, 64, 16, 2), "16 columns are not a multiple of the Q4_1 block of 32"},
	{"Q6_K row of 32", oneTensor(Q6_K, 256, 32, 8), "32 columns are not a multiple of the Q6_K block of 256"},
	{"second tensor broken", withTensors(64, info("a", F32, 0, 8), info("b", 99, 32, 8)), `tensor "b": type 99 is unknown`},

	// Places.
	{"offset misaligned", withTensors(64, info("t", F32, 4, 8)), `tensor "t": offset 4 is not a multiple of the alignment 32 (at byte 49)`},
	{"offset misaligned by one", withTensors(64, info("t", F32, 33, 1)), "offset 33 is not a multiple"},
	{"offset beyond the end", withTensors(64, info("t", F32, 1<<20, 1)), "data at offset 1048576 of 4 bytes ends beyond the file"},
	{"offset 2^63", withTensors(64, info("t", F32, 1<<63, 1)), "offset 9223372036854775808 overflows"},
	{"offset near max", withTensors(64, info("t", F32, math.MaxUint64-31, 1)), "offset 18446744073709551584 overflows"},
	{"offset plus size wraps", withTensors(64, info("t", F32, math.MaxInt64-31, 1<<60)), "ends beyond the file"},
	{"same place", withTensors(64, info("a", F32, 0, 8), info("b", F32, 0, 8)), `tensor "b": offset 0 overlaps the tensor before, which ends at 32`},
	{"overlap", withTensors(128, info("a", F32, 0, 16), info("b", F32, 32, 8)), `tensor "b": offset 32 overlaps the tensor before, which ends at 64`},
	{"within another", withTensors(128, info("a", F32, 0, 32), info("b", F32, 32, 1)), "overlaps"},
	{"out of order", withTensors(64, info("a", F32, 32, 8), info("b", F32, 0, 8)), `tensor "a": offset 32 leaves a gap, the tensor before ends at 0`},
	{"gap", withTensors(128, info("a", F32, 0, 8), info("b", F32, 64, 8)), `tensor "b": offset 64 leaves a gap, the tensor before ends at 32`},
	{"data one byte short", oneTensor(F32, 31, 8), "data at offset 0 of 32 bytes ends beyond the file (data section of 31 bytes)"},
	{"no data", oneTensor(F32, 0, 8), "ends beyond the file (data section of 0 bytes)"},
	{"last tensor one byte short", withTensors(63, info("a", F32, 0, 8), info("b", F32, 32, 8)), `tensor "b": data at offset 32 of 32 bytes ends beyond the file`},
	{"padding missing", append(head(3, 1, 0), info("t", F32, 0, 1)...), "tensor data would begin at byte 64, the file has 57"},
	{"alignment beyond the end", build([][]byte{kv(alignmentKey, kindUint32, uint32(1<<20))}, [][]byte{info("t", F32, 0, 1)}, 64), "tensor data would begin at byte 1048576"},
	{"dimensions cut", append(head(3, 1, 0), join("t", uint32(4), uint64(1), uint64(1), uint64(1))...), "dimension takes 8 bytes, the file has 0 more"},
	{"type cut", append(head(3, 1, 0), join("output.weight", uint32(1), uint64(1), uint16(0))...), "type takes 4 bytes, the file has 2 more"},
	{"offset cut", append(head(3, 1, 0), join("tensor", uint32(1), uint64(1), uint32(0), uint32(0))...), "offset takes 8 bytes, the file has 4 more"},
}

func TestHostileFiles(t *testing.T) {
	if len(hostile) < 120 {
		t.Errorf("only %d files", len(hostile))
	}
	names := map[string]bool{}
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			if names[c.name] {
				t.Errorf("name is used twice")
			}
			names[c.name] = true
			var err error
			allocated := allocations(func() { _, err = Parse(bytes.NewReader(c.file), int64(len(c.file))) })
			var fe *FormatError
			if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if fe != nil && (fe.Offset < 0 || fe.Offset > int64(len(c.file)) || fe.Where == "") {
				t.Errorf("place %q, byte %d of %d", fe.Where, fe.Offset, len(c.file))
			}
			if limit := uint64(4*len(c.file) + 16<<20); allocated > limit {
				t.Errorf("%d bytes allocated for a file of %d, limit %d", allocated, len(c.file), limit)
			}
		})
	}
}

// allocations returns the bytes that f allocates, freed or not.
func allocations(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMemoryOfLargeFiles holds files that are right, but made to take much more
// memory than bytes, to the same bound.
func TestMemoryOfLargeFiles(t *testing.T) {
	many := func(n int, f func(i int) []byte) [][]byte {
		s := make([][]byte, n)
		for i := range s {
			s[i] = f(i)
		}
		return s
	}
	for name, file := range map[string][]byte{
		"keys":          build(many(maxKeys, func(i int) []byte { return kv(fmt.Sprintf("%04x", i), kindUint8, uint8(0)) }), nil, 0),
		"tensors":       build(nil, many(maxTensors, func(i int) []byte { return info(fmt.Sprintf("%04x", i), I8, uint64(i)*32, 1) }), maxTensors*32),
		"empty strings": oneKey(kindArray, arr(kindString, 4<<20, make([]byte, 32<<20))),
		"short strings": oneKey(kindArray, arr(kindString, 3<<20, bytes.Repeat(join("x"), 3<<20))),
		"long strings":  oneKey(kindArray, arr(kindString, 32, bytes.Repeat(join(strings.Repeat("x", 1<<20)), 32))),
		"numbers":       oneKey(kindArray, arr(kindFloat32, 8<<20, make([]byte, 32<<20))),
		"both limits": build(many(maxKeys, func(i int) []byte { return kv(fmt.Sprintf("%04x", i), kindArray, arr(kindUint8, 0)) }),
			many(maxTensors, func(i int) []byte { return info(fmt.Sprintf("%04x", i), I8, uint64(i)*32, 1) }), maxTensors*32),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			allocated := allocations(func() { _, err = Parse(bytes.NewReader(file), int64(len(file))) })
			if err != nil {
				t.Fatal(err)
			}
			if limit := uint64(4*len(file) + 16<<20); allocated > limit {
				t.Errorf("%d bytes allocated for a file of %d, limit %d", allocated, len(file), limit)
			}
			t.Logf("%d bytes allocated for a file of %d (%.1f)", allocated, len(file), float64(allocated)/float64(len(file)))
		})
	}
}

// TestTruncated cuts a good file at every byte.
func TestTruncated(t *testing.T) {
	file := good()
	for n := range file {
		_, err := Parse(bytes.NewReader(file[:n]), int64(n))
		var fe *FormatError
		if !errors.As(err, &fe) {
			t.Fatalf("cut at %d of %d: %v", n, len(file), err)
		}
	}
	// A reader that holds less than it promised is not the format's fault, but an
	// error all the same, also where the size was right for the header.
	for n := range file {
		f, err := Parse(bytes.NewReader(file[:n]), int64(len(file)))
		if err == nil && n < int(f.Tensors[0].Offset)-defaultAlignment {
			t.Fatalf("reader of %d bytes accepted", n)
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("reader of %d bytes: %v", n, err)
		}
	}
}

// TestFlipped flips every bit of a good file's header and tables: whatever is
// accepted must still have its tensors in the file and apart.
func TestFlipped(t *testing.T) {
	file := good()
	accepted := 0
	for i := range 8 * (len(file) - 128) {
		file[i/8] ^= 1 << (i % 8)
		if f, err := Parse(bytes.NewReader(file), int64(len(file))); err == nil {
			accepted++
			checkPlaces(t, f, int64(len(file)))
		}
		file[i/8] ^= 1 << (i % 8)
	}
	t.Logf("%d of %d accepted", accepted, 8*(len(file)-128))
}

// checkPlaces holds an accepted file to what Parse promises.
func checkPlaces(t *testing.T, f *File, size int64) {
	t.Helper()
	end := int64(0)
	for _, x := range f.Tensors {
		if x.Offset < end || x.Size <= 0 || x.Offset%int64(f.Alignment) != 0 || x.Size > size-x.Offset {
			t.Fatalf("tensor %q at %d of %d bytes: file of %d, tensor before ends at %d", x.Name, x.Offset, x.Size, size, end)
		}
		end = x.Offset + x.Size
		if y, ok := f.Tensor(x.Name); !ok || y.Offset != x.Offset {
			t.Fatalf("tensor %q is not found by name", x.Name)
		}
	}
}
