// Package paper says what the research systems are that mica makes work, and
// how far each of them has been shown to work.
//
// A [Paper] is a row of the one table in package paper/all. Its state isn't
// typed there but follows from the result that its [Experiment] has stored: no
// result, no claim.
//
// An experiment states its claims before the run. [Paper.Reproduce] runs it and
// returns a [Result] with a [Verdict] on each: it holds, it doesn't, or it can't
// be shown at this scale, and why.
package paper

import (
	"fmt"
	"strings"
)

// The verbs: what a system does at the boundary between two layers.
const (
	Look  = "look"  // read the stream
	Edit  = "edit"  // change the stream
	Keep  = "keep"  // let only some tokens go deeper
	Stop  = "stop"  // leave before the last layer
	Learn = "learn" // train what belongs to a depth
	Build = "build" // blocks and stacks of a new kind
)

// Paper is a research system.
type Paper struct {
	Slug       string
	Title      string
	Verb       string      // the first one where a system does several things
	Command    string      // that shows the technique, or ""
	Experiment *Experiment // that tests its claims; nil: none yet
	Result     []byte      // results.json of the last full run; empty: none yet
}

// Folder is the name of the paper's folder under paper/.
func (p Paper) Folder() string { return strings.ReplaceAll(p.Slug, "-", "") }

// State says how far a system has been shown to work.
type State string

const (
	Works   State = "works"   // a full run has judged every claim
	Partial State = "partial" // a quick run, or some claims can't be shown at this scale
	Missing State = "missing" // no run is stored
)

// Status is what a stored result comes to.
type Status struct {
	State State
	Holds int // claims that hold
	Total int // claims that were made before the run
}

// Status computes the state from the stored result. A result that can't be
// read, is another paper's, judges nothing or is about other claims than the
// experiment makes is an error.
func (p Paper) Status() (Status, error) {
	if len(p.Result) == 0 {
		return Status{State: Missing}, nil
	}
	r, err := readResult(p.Result)
	switch {
	case err != nil:
	case r.Slug != p.Slug:
		err = fmt.Errorf("is of %q", r.Slug)
	default:
		err = r.matches(p.Experiment)
	}
	if err != nil {
		return Status{State: Missing}, fmt.Errorf("paper %s: stored result: %w", p.Slug, err)
	}
	s := Status{State: Works, Total: len(r.Claims)}
	if r.Quick {
		s.State = Partial
	}
	for _, v := range r.Claims {
		switch {
		case v.Holds == nil:
			s.State = Partial
		case *v.Holds:
			s.Holds++
		}
	}
	return s, nil
}
