package kerneltest

import "unsafe"

var sink float32

// faults reads the number next to f at the edge and reports whether that faults.
func faults(f []float32, edge Edge) (fault bool) {
	defer func() { fault = recover() != nil }()
	p := unsafe.Pointer(unsafe.SliceData(f))
	if edge == High {
		sink = *(*float32)(unsafe.Add(p, 4*len(f)))
	} else {
		sink = *(*float32)(unsafe.Add(p, -4))
	}
	return false
}
