// Package paper says what the research systems are that mica makes work, and
// how far each of them has been shown to work.
//
// A [Paper] is a row of the one table in package paper/all. Its state isn't
// typed there but follows from the result that its experiment has stored: no
// result, no claim.
package paper

import (
	"encoding/json"
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
	Slug    string
	Title   string
	Verb    string // the first one where a system does several things
	Command string // that shows the technique, or ""
	Result  []byte // results.json of the last full run, or nil
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

// result is the part of a stored result that decides.
type result struct {
	Slug   string `json:"slug"`
	Quick  bool   `json:"quick"`
	Claims []struct {
		ID    string `json:"id"`
		Holds *bool  `json:"holds"` // nil: can't be shown at this scale
	} `json:"claims"`
}

// Status computes the state from the stored result. A result that can't be
// read, is another paper's, or judges nothing is an error.
func (p Paper) Status() (Status, error) {
	if p.Result == nil {
		return Status{State: Missing}, nil
	}
	var r result
	if err := json.Unmarshal(p.Result, &r); err != nil {
		return Status{State: Missing}, fmt.Errorf("paper %s: stored result: %w", p.Slug, err)
	}
	if r.Slug != p.Slug {
		return Status{State: Missing}, fmt.Errorf("paper %s: stored result is of %q", p.Slug, r.Slug)
	}
	if len(r.Claims) == 0 {
		return Status{State: Missing}, fmt.Errorf("paper %s: stored result has no claims", p.Slug)
	}
	s := Status{State: Works, Total: len(r.Claims)}
	if r.Quick {
		s.State = Partial
	}
	for _, c := range r.Claims {
		switch {
		case c.Holds == nil:
			s.State = Partial
		case *c.Holds:
			s.Holds++
		}
	}
	return s, nil
}
