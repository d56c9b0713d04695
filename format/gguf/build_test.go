package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
)

// The pieces of a file, for writing broken ones. le encodes numbers as they
// stand in a file; strings there have a length, raw bytes have none.

func le(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b = append(le(uint64(len(v))), v...)
		case []byte:
			b = append(b, v...)
			continue
		default:
			var err error
			if b, err = binary.Append(b, binary.LittleEndian, v); err != nil {
				panic(err)
			}
			continue
		}
	}
	return b
}

// join concatenates pieces: numbers, raw bytes, and strings with their length.
func join(values ...any) []byte {
	var b []byte
	for _, v := range values {
		b = append(b, le(v)...)
	}
	return b
}

func head(version uint32, tensors, keys uint64) []byte {
	return join([]byte("GGUF"), version, tensors, keys)
}

// kv is a key and its value; the value's bytes are as given.
func kv(key string, k kind, value ...any) []byte {
	return join(key, uint32(k), join(value...))
}

// arr is the value of an array key.
func arr(k kind, n uint64, elements ...any) []byte {
	return join(uint32(k), n, join(elements...))
}

// info is an entry of the tensor table.
func info(name string, t Type, offset uint64, dims ...uint64) []byte {
	return join(name, uint32(len(dims)), dims, uint32(t), offset)
}

// build makes a file of the given keys and tensor entries with right counts,
// followed by n bytes of data.
func build(keys, infos [][]byte, n int) []byte {
	b := head(3, uint64(len(infos)), uint64(len(keys)))
	b = append(b, bytes.Join(keys, nil)...)
	b = append(b, bytes.Join(infos, nil)...)
	b = append(b, make([]byte, alignUp(int64(len(b)), defaultAlignment)-int64(len(b)))...)
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

// withKeys is a file of keys alone, withTensors one of tensors alone.
func withKeys(keys ...[]byte) []byte                 { return build(keys, nil, 0) }
func withTensors(n int, infos ...[]byte) []byte      { return build(nil, infos, n) }
func aligned(value ...any) []byte                    { return withKeys(join(alignmentKey, join(value...))) }
func oneKey(k kind, value ...any) []byte             { return withKeys(kv("k", k, value...)) }
func oneTensor(t Type, n int, dims ...uint64) []byte { return withTensors(n, info("t", t, 0, dims...)) }

// good is a small file with a key of every kind and tensors of several types.
func good() []byte {
	return build([][]byte{
		kv("general.architecture", kindString, "llama"),
		kv("u8", kindUint8, uint8(200)), kv("i8", kindInt8, int8(-100)),
		kv("u16", kindUint16, uint16(60000)), kv("i16", kindInt16, int16(-30000)),
		kv("u32", kindUint32, uint32(4e9)), kv("i32", kindInt32, int32(-2e9)),
		kv("u64", kindUint64, uint64(math.MaxUint64)), kv("i64", kindInt64, int64(math.MinInt64)),
		kv("f32", kindFloat32, float32(1.5)), kv("f64", kindFloat64, 0.1),
		kv("yes", kindBool, uint8(1)), kv("no", kindBool, uint8(0)), kv("empty", kindString, ""),
		kv("pieces", kindArray, arr(kindString, 3, "a", "\xff\xfe", "")),
		kv("bools", kindArray, arr(kindBool, 2, uint8(0), uint8(1))),
		kv("scores", kindArray, arr(kindFloat32, 2, float32(-1), float32(0.5))),
		kv("kinds", kindArray, arr(kindInt32, 3, int32(1), int32(-2), int32(3))),
		kv("bytes", kindArray, arr(kindUint8, 3, []byte{1, 2, 3})),
		kv("big", kindArray, arr(kindUint64, 1, uint64(math.MaxUint64))),
		kv("none", kindArray, arr(kindString, 0)),
	}, [][]byte{
		info("norm", F32, 0, 3),
		info("up", Q4_1, 32, 32, 2),
		info("experts", F16, 96, 2, 3, 2),
		info("odd", 10, 128, 256), // Q2_K, which has no DType
	}, 128+84)
}
