package chat

import "fmt"

// arguments evaluates a call's arguments.
func (r *render) arguments(x arguments, s *scope) (args, error) {
	var a args
	var err error
	if a.pos, err = r.evals(x.pos, s); err != nil {
		return a, err
	}
	if x.star != nil {
		v, err := r.eval(x.star, s)
		if err != nil {
			return a, err
		}
		more, err := r.iterate(v)
		if err != nil {
			return a, err
		}
		a.pos = append(a.pos, more...)
	}
	a.names = x.names
	if a.named, err = r.evals(x.named, s); err != nil {
		return a, err
	}
	if x.kwstar != nil {
		v, err := r.eval(x.kwstar, s)
		if err != nil {
			return a, err
		}
		d, ok := v.(*dict)
		if !ok {
			return a, fmt.Errorf("** needs a map, not %s", describe(v))
		}
		a.names = append([]string{}, a.names...)
		for i, k := range d.keys {
			t, ok := k.(text)
			if !ok {
				return a, fmt.Errorf("** needs a map with string keys")
			}
			a.names, a.named = append(a.names, t.s), append(a.named, d.vals[i])
		}
	}
	return a, nil
}

func (r *render) call(fn value, a args) (value, error) {
	switch fn := fn.(type) {
	case *callable:
		if err := r.enter(); err != nil {
			return nil, err
		}
		defer r.leave()
		return fn.call(r, a)
	case *loop:
		if fn.again == nil {
			return nil, fmt.Errorf("the loop is not recursive")
		}
		p, err := a.bind("loop", "iterable")
		if err == nil {
			err = p.required("loop", 1)
		}
		if err != nil {
			return nil, err
		}
		return fn.again(p[0])
	case undefined:
		return nil, fn.err()
	}
	return nil, fmt.Errorf("%s is not callable", describe(fn))
}

// macro makes a macro that sees the variables around its definition.
func (r *render) macro(m *macro, around *scope) *callable {
	return &callable{m.name, func(r *render, a args) (value, error) {
		s := &scope{parent: around}
		if err := r.bindMacro(m, a, s); err != nil {
			return nil, err
		}
		out := builder{r: r}
		_, err := r.block(m.body, s, &out)
		return out.text(), err
	}}
}

func (r *render) bindMacro(m *macro, a args, s *scope) error {
	n := min(len(a.pos), len(m.params))
	for i := range n {
		s.set(m.params[i], a.pos[i])
	}
	if rest := a.pos[n:]; m.varargs {
		s.set("varargs", tupleOf(rest...))
	} else if len(rest) > 0 {
		return fmt.Errorf("macro %q takes at most %d arguments", m.name, len(m.params))
	}
	kw := newDict()
	for i, name := range a.names {
		known := false
		for j, p := range m.params {
			if p == name {
				if j < n {
					return fmt.Errorf("macro %q got several values for %q", m.name, name)
				}
				known = true
			}
		}
		switch {
		case known, name == "caller" && m.caller:
			s.set(name, a.named[i])
		case m.kwargs:
			kw.put(name, a.named[i])
		default:
			return fmt.Errorf("macro %q has no argument %q", m.name, name)
		}
	}
	if m.kwargs {
		s.set("kwargs", kw)
	}
	if _, given := s.vars["caller"]; m.caller && !given {
		s.set("caller", undefined{"caller"})
	}
	for j := n; j < len(m.params); j++ {
		p := m.params[j]
		if _, given := s.vars[p]; given {
			continue
		}
		var v value = undefined{fmt.Sprintf("parameter %q", p)}
		if d := j - (len(m.params) - len(m.defaults)); d >= 0 {
			var err error
			if v, err = r.eval(m.defaults[d], s); err != nil {
				return err
			}
		}
		s.set(p, v)
	}
	return nil
}

// callBlock calls a macro with the block as its caller().
func (r *render) callBlock(st *callBlock, s *scope) (text, error) {
	fn, err := r.eval(st.call.fn, s)
	if err != nil {
		return text{}, err
	}
	a, err := r.arguments(st.call.args, s)
	if err != nil {
		return text{}, err
	}
	a.names = append(append([]string{}, a.names...), "caller")
	a.named = append(a.named, r.macro(st.macro, s))
	v, err := r.call(fn, a)
	if err != nil {
		return text{}, err
	}
	return r.str(v)
}
