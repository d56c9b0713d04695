// Command gomlx runs rows of mica's benchmarks on GoMLX's Go backend: one request a
// line of JSON on standard input, one answer a line.
//
//	{"kind": "matmul", "m": 512, "n": 1536, "k": 576}
//	{"kind": "conv", "n": 1, "h": 64, "w": 64, "c": 32, "out": 32, "size": 3, "groups": 1}
//
// An answer is {"seconds": ...} of one call, the mean of as many as fit in 0.2 seconds after
// a warm-up, or {"error": ...}. Graphs are compiled once and inputs stay where they
// are, so only the work is timed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	_ "github.com/gomlx/compute/gobackend"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

type request struct {
	Kind     string
	M, N, K  int
	H, W, C  int
	Out      int
	Size     int
	Groups   int
	Backward bool
}

func main() {
	backend, err := compute.NewWithConfig("go")
	if err != nil {
		fmt.Fprintln(os.Stderr, "gomlx:", err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var r request
		err := json.Unmarshal(in.Bytes(), &r)
		seconds := 0.0
		if err == nil {
			seconds, err = measure(backend, r)
		}
		if err != nil {
			out.Encode(map[string]string{"error": err.Error()})
			continue
		}
		out.Encode(map[string]float64{"seconds": seconds})
	}
}

func measure(backend compute.Backend, r request) (seconds float64, err error) {
	defer func() { // GoMLX reports by panicking
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	var a, b *tensors.Tensor
	var f func(a, b *Node) *Node
	switch {
	case r.Backward:
		return 0, fmt.Errorf("forward only")
	case r.Kind == "matmul":
		a, b = filled(r.M, r.K), filled(r.N, r.K)
		f = func(a, b *Node) *Node { return DotGeneral(a, []int{1}, nil, b, []int{1}, nil) }
	case r.Kind == "conv":
		a, b = filled(r.N, r.H, r.W, r.C), filled(r.Size, r.Size, r.C/r.Groups, r.Out)
		f = func(x, kernel *Node) *Node {
			return Convolve(x, kernel).ChannelGroupCount(r.Groups).PadSame().Done()
		}
	default:
		return 0, fmt.Errorf("no kind %q", r.Kind)
	}
	exec := MustNewExec(backend, f)
	once := func() { exec.MustExec(a, b)[0].MustFinalizeAll() }
	start := time.Now()
	once()
	once()
	n := 1 + int(0.2/(time.Since(start).Seconds()/2+1e-9))
	start = time.Now()
	for range n {
		once()
	}
	return time.Since(start).Seconds() / float64(n), nil
}

func filled(dims ...int) *tensors.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%17)/17 - 0.5
	}
	return tensors.FromFlatDataAndDimensions(x, dims...)
}
