package chat

import "fmt"

// flow says how a block ended.
type flow uint8

const (
	flowOn flow = iota
	flowBreak
	flowContinue
)

// block runs statements in s, adding what they print to out. Errors get the place of the statement they came from.
func (r *render) block(body []stmt, s *scope, out *builder) (flow, error) {
	for _, st := range body {
		err := r.step(0)
		f := flowOn
		if err == nil {
			f, err = r.exec(st, s, out)
		}
		if err != nil {
			return flowOn, errorAt(r.t.src, st.at(), err)
		}
		if f != flowOn {
			return f, nil
		}
	}
	return flowOn, nil
}

func (r *render) exec(st stmt, s *scope, out *builder) (flow, error) {
	switch st := st.(type) {
	case *data:
		return flowOn, out.lit(st.s)
	case *output:
		v, err := r.eval(st.x, s)
		if err != nil {
			return flowOn, err
		}
		t, err := r.str(v)
		if err != nil {
			return flowOn, err
		}
		return flowOn, out.add(t)
	case *ifStmt:
		for _, b := range st.branches {
			c, err := r.eval(b.cond, s)
			if err != nil {
				return flowOn, err
			}
			if truth(c) {
				return r.block(b.body, s, out)
			}
		}
		return r.block(st.els, s, out)
	case *forStmt:
		v, err := r.eval(st.iter, s)
		if err != nil {
			return flowOn, err
		}
		return flowOn, r.loop(st, v, s, out, 0)
	case *setStmt:
		v, err := r.eval(st.x, s)
		if err != nil {
			return flowOn, err
		}
		return flowOn, r.assign(st.target, v, s)
	case *setBlock:
		v, err := r.capture(st.body, s)
		if err != nil {
			return flowOn, err
		}
		if st.filter != nil {
			if v, err = r.pipe(st.filter, v, s); err != nil {
				return flowOn, err
			}
		}
		return flowOn, r.assign(st.target, v, s)
	case *filterBlock:
		v, err := r.capture(st.body, s)
		if err == nil {
			v, err = r.pipe(st.filter, v, s)
		}
		if err != nil {
			return flowOn, err
		}
		t, err := r.str(v)
		if err != nil {
			return flowOn, err
		}
		return flowOn, out.add(t)
	case *withStmt:
		inner := &scope{parent: s}
		for i, t := range st.targets {
			v, err := r.eval(st.vals[i], s)
			if err == nil {
				err = r.assign(t, v, inner)
			}
			if err != nil {
				return flowOn, err
			}
		}
		return r.block(st.body, inner, out)
	case *macro:
		s.set(st.name, r.macro(st, s))
		return flowOn, nil
	case *callBlock:
		t, err := r.callBlock(st, s)
		if err != nil {
			return flowOn, err
		}
		return flowOn, out.add(t)
	case *breakStmt:
		return flowBreak, nil
	case *continueStmt:
		return flowContinue, nil
	}
	return flowOn, fmt.Errorf("unknown statement %T", st)
}

// capture runs a block in a scope of its own and returns what it prints.
func (r *render) capture(body []stmt, s *scope) (value, error) {
	out := builder{r: r}
	_, err := r.block(body, &scope{parent: s}, &out)
	return out.text(), err
}

// pipe gives v to a chain of filters that was parsed without a value.
func (r *render) pipe(chain expr, v value, s *scope) (value, error) {
	f := chain.(*filter)
	if f.x != nil {
		var err error
		if v, err = r.pipe(f.x, v, s); err != nil {
			return nil, err
		}
	}
	return r.filter(f, v, s)
}

func (r *render) assign(t target, v value, s *scope) error {
	switch {
	case t.list != nil:
		items, err := r.iterate(v)
		if err != nil {
			return err
		}
		if len(items) != len(t.list) {
			return fmt.Errorf("%d values for %d names", len(items), len(t.list))
		}
		for i, x := range t.list {
			if err := r.assign(x, items[i], s); err != nil {
				return err
			}
		}
		return nil
	case t.attr != "":
		v2, _ := s.get(t.name)
		ns, ok := v2.(*namespace)
		if !ok {
			return fmt.Errorf("cannot set an attribute of %q: only of a namespace", t.name)
		}
		ns.vars[t.attr] = v
		return nil
	}
	s.set(t.name, v)
	return nil
}

// loop is the variable of that name.
type loop struct {
	items   []value
	i       int
	depth   int
	changed []value
	again   func(v value) (text, error) // for recursive loops
}

func (r *render) loop(st *forStmt, over value, s *scope, out *builder, depth int) error {
	items, err := r.iterate(over)
	if err != nil {
		return err
	}
	if st.cond != nil {
		if items, err = r.keep(st, items, s); err != nil {
			return err
		}
	}
	l := &loop{items: items, depth: depth}
	if st.recursive {
		l.again = func(v value) (text, error) {
			if err := r.enter(); err != nil {
				return text{}, err
			}
			defer r.leave()
			inner := builder{r: r}
			err := r.loop(st, v, s, &inner, depth+1)
			return inner.text(), err
		}
	}
	whole := false // whether any round went through to its end, which is what Jinja2's else asks
	for i, x := range items {
		if err := r.step(0); err != nil {
			return err
		}
		l.i = i
		inner := &scope{parent: s}
		inner.set("loop", l)
		if err := r.assign(st.target, x, inner); err != nil {
			return err
		}
		f, err := r.block(st.body, inner, out)
		if err != nil {
			return err
		}
		if f == flowBreak {
			break
		}
		whole = whole || f == flowOn
	}
	if !whole {
		_, err = r.block(st.els, &scope{parent: s}, out)
	}
	return err
}

// keep applies the loop's own if.
func (r *render) keep(st *forStmt, items []value, s *scope) ([]value, error) {
	var out []value
	for _, x := range items {
		inner := &scope{parent: s}
		if err := r.assign(st.target, x, inner); err != nil {
			return nil, err
		}
		c, err := r.eval(st.cond, inner)
		if err != nil {
			return nil, err
		}
		if truth(c) {
			out = append(out, x)
		}
	}
	return out, nil
}

func (r *render) enter() error {
	if r.depth++; r.depth > r.limits.Depth {
		return limitf("calls within calls deeper than %d", r.limits.Depth)
	}
	return nil
}

func (r *render) leave() { r.depth-- }

// attr is loop.name.
func (l *loop) attr(name string) (value, bool) {
	n := int64(len(l.items))
	i := int64(l.i)
	switch name {
	case "index":
		return i + 1, true
	case "index0":
		return i, true
	case "revindex":
		return n - i, true
	case "revindex0":
		return n - i - 1, true
	case "first":
		return i == 0, true
	case "last":
		return i == n-1, true
	case "length":
		return n, true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if i == 0 {
			return undefined{"the item before the first"}, true
		}
		return l.items[i-1], true
	case "nextitem":
		if i == n-1 {
			return undefined{"the item after the last"}, true
		}
		return l.items[i+1], true
	case "cycle":
		return &callable{"loop.cycle", func(r *render, a args) (value, error) {
			if len(a.pos) == 0 {
				return nil, fmt.Errorf("loop.cycle needs items")
			}
			return a.pos[l.i%len(a.pos)], nil
		}}, true
	case "changed":
		return &callable{"loop.changed", func(r *render, a args) (value, error) {
			if l.changed != nil {
				eq, err := r.equal(tupleOf(l.changed...), tupleOf(a.pos...), 0)
				if err != nil || eq {
					return false, err
				}
			}
			l.changed = append([]value{}, a.pos...)
			return true, nil
		}}, true
	}
	return nil, false
}
