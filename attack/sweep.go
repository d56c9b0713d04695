package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// A sweep tries many cases against one promise.
type sweep struct {
	name  string // "T3/real": the test of the reliability plan, and which part
	what  string
	unit  string // of the figure: "spoiled files"
	asked int64  // the figure, 0: as many as there are
	start func(e *env) (*attempt, error)
}

// env is what a sweep may use.
type env struct {
	work  string // folder for its files, its own and empty
	model string // --model
	tally tally
}

// A tally counts what happened to the cases, by what it was.
type tally map[string]int64

// An attempt is a sweep at work: cases 0 to cases-1, tried one by one or, by
// another program, many at once.
type attempt struct {
	cases int64
	// try tries one case. An error is a finding; its input, if there is one, is
	// in a [*broken].
	try func(i int64) error
	// many, instead, tries cases from from on until ctx ends, at most up to to,
	// and returns the first that it didn't try, and the findings.
	many  func(ctx context.Context, from, to int64) (int64, []error, error)
	batch int64 // of many at most, 0: no limit
	close func()
}

// broken is a finding with the input that made it.
type broken struct {
	err   error
	input []byte
	name  string // with the extension of the input's kind
}

func (b *broken) Error() string { return b.err.Error() }
func (b *broken) Unwrap() error { return b.err }

// caseLimit is how long one case may take before it counts as endless. The
// slowest honest one opens a model of 200 MB.
const caseLimit = time.Minute

// errStuck ends the program: nothing can stop a loop without an end.
var errStuck = errors.New("took over a minute")

// guard runs one case. A panic is a finding, and so is a read outside a mapping:
// the fault becomes a panic too.
func guard(try func(i int64) error, i int64, stuck func()) (err error) {
	old := debug.SetPanicOnFault(true)
	watch := time.AfterFunc(caseLimit, stuck)
	defer func() {
		watch.Stop()
		debug.SetPanicOnFault(old)
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return try(i)
}

// spread is the i-th of n cases in an order in which every part of the list
// comes early: a sweep at a small scale, or cut short, has seen some of all.
func spread(i, n int64) int64 {
	if n < 3 {
		return i
	}
	step := int64(float64(n)*0.6180339887) | 1
	for gcd(step, n) != 1 {
		step += 2
		if step >= n {
			step = 1
		}
	}
	// n is below 2^31 wherever cases are listed, so this cannot overflow.
	return i * step % n
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// random is the source of case i of a sweep.
func random(sweep string, i int64) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(sweep) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(h, uint64(i)))
}
