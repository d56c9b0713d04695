package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/op"
	"github.com/micaml/mica/pass"
)

// A target is what a spoiled file is given to: it says whether it accepted the
// file, which then went through all that the sweep asks for.
type target func(path string, i int64) (accepted bool, err error)

// spoilAll is the attempt that gives a target every spoiled copy of a file. What
// it refuses it must refuse with an error that names the file and the place.
func spoilAll(e *env, name, path string, good []byte, l layout, t target) (*attempt, error) {
	p := newPlan(l, name)
	v, err := newVictim(path, good)
	if err != nil {
		return nil, err
	}
	return &attempt{
		cases: p.cases(),
		close: func() { v.f.Close() },
		try: func(i int64) (err error) {
			s := p.at(i)
			if err := v.spoil(s); err != nil {
				return err
			}
			defer func() {
				if p := recover(); p != nil { // here, where its input is at hand
					err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				}
				if err != nil {
					err = &broken{fmt.Errorf("%v: %w", s, err), v.copy(), filepath.Base(path)}
				}
				err = errors.Join(err, v.mend(s))
			}()
			e.tally[s.kind]++
			accepted, err := t(v.path, i)
			if accepted {
				e.tally["accepted"]++
				return err
			}
			e.tally["refused"]++
			return explains(err, v.path)
		},
	}, nil
}

// place is what every refusal must have: which part of the file is at fault.
var place = regexp.MustCompile(`header|metadata|index|(tensor|key) "[^"]|(tensor|key) [0-9]+|tokenizer`)

// explains returns what an error lacks.
func explains(err error, path string) error {
	switch {
	case err == nil:
		return errors.New("refused without an error")
	case !strings.Contains(err.Error(), filepath.Base(path)) && !strings.Contains(err.Error(), filepath.Dir(path)):
		return fmt.Errorf("the refusal doesn't name the file: %w", err)
	case !place.MatchString(strings.ReplaceAll(err.Error(), path, "")):
		return fmt.Errorf("the refusal doesn't name a tensor, key or field: %w", err)
	}
	return nil
}

// openAndRun opens a model and, for every n-th accepted one, runs a token.
func openAndRun(t tally, n int64) target {
	accepted := int64(0)
	return func(path string, i int64) (bool, error) {
		m, err := lm.Open(path)
		if err != nil {
			return false, err
		}
		defer m.Close()
		if accepted++; accepted%n != 0 {
			return true, nil
		}
		mode := op.Fast
		if accepted/n%8 == 1 { // takes several times as long
			mode = op.Exact
		}
		t["ran a token"]++
		err = runTokens(m, mode, 1)
		return true, err
	}
}

// runTokens runs tokens and reads the logits of the last. Numbers may come out
// as NaN; that they don't come is a finding.
func runTokens(m *lm.Model, mode op.Mode, tokens ...int32) error {
	e := pass.NewEngine(m.Net, pass.Options{Mode: mode, Threads: 1})
	defer e.Close()
	for i, id := range tokens {
		tokens[i] = id % int32(m.Net.Config.Vocabulary)
	}
	p, err := e.Begin(pass.NewSeq(tokens...))
	if err != nil {
		return fmt.Errorf("accepted, but doesn't begin: %w", err)
	}
	defer p.End()
	if err := p.Run(context.Background(), 0, e.Depth()); err != nil {
		return fmt.Errorf("accepted, but doesn't run: %w", err)
	}
	x, err := p.Logits(-1)
	if err != nil {
		return fmt.Errorf("accepted, but gives no logits: %w", err)
	}
	if len(x) != m.Net.Config.Vocabulary {
		return fmt.Errorf("%d logits for a vocabulary of %d", len(x), m.Net.Config.Vocabulary)
	}
	return nil
}
