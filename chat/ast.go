package chat

// offset is where in the source a node starts.
type offset int

func (o offset) at() int { return int(o) }

type expr interface{ at() int }

type (
	constant struct {
		offset
		v value
	}
	name struct {
		offset
		name string
	}
	sequence struct { // [a, b] or (a, b)
		offset
		items []expr
		tuple bool
	}
	mapping struct {
		offset
		keys, vals []expr
	}
	unary struct {
		offset
		op string // - + not
		x  expr
	}
	binary struct {
		offset
		op   string // arithmetic, "and", "or"
		l, r expr
	}
	concat struct { // a ~ b ~ c
		offset
		parts []expr
	}
	compare struct { // a < b <= c
		offset
		first expr
		ops   []string
		rest  []expr
	}
	conditional struct { // yes if cond else no; no may be nil
		offset
		cond, yes, no expr
	}
	attribute struct {
		offset
		x    expr
		name string
	}
	index struct {
		offset
		x, i expr
	}
	slice struct { // x[lo:hi:step], each of the three may be nil
		offset
		x, lo, hi, step expr
	}
	call struct {
		offset
		fn   expr
		args arguments
	}
	filter struct { // x is nil where a block's body is filtered
		offset
		x    expr
		name string
		args arguments
	}
	test struct {
		offset
		x    expr
		name string
		args arguments
	}
)

type arguments struct {
	pos          []expr
	names        []string
	named        []expr
	star, kwstar expr // *a, **m
}

// target is the left side of set and for: a name, an attribute of a namespace, or several targets.
type target struct {
	offset
	name, attr string
	list       []target
}

type stmt interface{ at() int }

type (
	data struct {
		offset
		s string
	}
	output struct {
		offset
		x expr
	}
	branch struct {
		cond expr
		body []stmt
	}
	ifStmt struct {
		offset
		branches []branch
		els      []stmt
	}
	forStmt struct {
		offset
		target    target
		iter      expr
		cond      expr // may be nil
		body, els []stmt
		recursive bool
	}
	setStmt struct {
		offset
		target target
		x      expr
	}
	setBlock struct { // filter may be nil
		offset
		target target
		filter expr
		body   []stmt
	}
	macro struct {
		offset
		name            string
		params          []string
		defaults        []expr // for the last len(defaults) parameters
		body            []stmt
		varargs, kwargs bool // the body asks for what is left over
		caller          bool // the body uses caller
	}
	callBlock struct {
		offset
		call  *call
		macro *macro
	}
	filterBlock struct {
		offset
		filter expr
		body   []stmt
	}
	withStmt struct {
		offset
		targets []target
		vals    []expr
		body    []stmt
	}
	breakStmt    struct{ offset }
	continueStmt struct{ offset }
)
