package chat

import (
	"fmt"
	"strconv"
	"strings"
)

// The methods below are Jinja2's grammar, loosest binding first. It is close to Python's, not equal: filters and tests
// bind tighter than arithmetic, ** groups to the left, and a minus takes no filter.

// tuple reads an expression or several with commas; withIf says whether "a if b else c" may stand bare. It ends before
// any of the words in ends.
func (p *parser) tuple(withIf bool, ends ...string) (expr, error) {
	at := offset(p.cur().off)
	var items []expr
	isTuple := false
	for {
		if p.tupleEnd(ends) {
			break
		}
		one := p.or
		if withIf {
			one = p.expression
		}
		x, err := one()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if !p.skip(",") {
			break
		}
		isTuple = true
	}
	if isTuple {
		return &sequence{at, items, true}, nil
	}
	if len(items) == 0 {
		return nil, p.unexpected("an expression")
	}
	return items[0], nil
}

func (p *parser) tupleEnd(ends []string) bool {
	t := p.cur()
	for _, e := range ends {
		if t.is(tokName, e) {
			return true
		}
	}
	return t.kind == tokVarEnd || t.kind == tokBlockEnd || t.is(tokOp, ")")
}

func (p *parser) expression() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	x, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.cur().is(tokName, "if") {
		at := p.take().off
		if err := p.operator(); err != nil {
			return nil, err
		}
		c := &conditional{offset: offset(at), yes: x}
		if c.cond, err = p.or(); err != nil {
			return nil, err
		}
		if p.skipName("else") {
			if c.no, err = p.expression(); err != nil {
				return nil, err
			}
		}
		x = c
	}
	return x, nil
}

// chain reads "sub op sub op ...", grouping to the left.
func (p *parser) chain(sub func() (expr, error), k kind, ops ...string) (expr, error) {
	l, err := sub()
	if err != nil {
		return nil, err
	}
next:
	for {
		for _, op := range ops {
			if p.cur().is(k, op) {
				at := p.take().off
				if err := p.operator(); err != nil {
					return nil, err
				}
				r, err := sub()
				if err != nil {
					return nil, err
				}
				l = &binary{offset(at), op, l, r}
				continue next
			}
		}
		return l, nil
	}
}

func (p *parser) or() (expr, error)  { return p.chain(p.and, tokName, "or") }
func (p *parser) and() (expr, error) { return p.chain(p.not, tokName, "and") }

func (p *parser) not() (expr, error) {
	if !p.cur().is(tokName, "not") {
		return p.compare()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	at := p.take().off
	x, err := p.not()
	return &unary{offset(at), "not", x}, err
}

func (p *parser) compare() (expr, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compare{offset: offset(p.cur().off), first: first}
	for {
		op := ""
		switch t := p.cur(); {
		case t.kind == tokOp && (t.s == "==" || t.s == "!=" || t.s == "<" || t.s == "<=" || t.s == ">" || t.s == ">="):
			op = t.s
		case t.is(tokName, "in"):
			op = "in"
		case t.is(tokName, "not") && p.toks[p.i+1].is(tokName, "in"):
			op = "not in"
			p.take()
		}
		if op == "" {
			break
		}
		p.take()
		if err := p.operator(); err != nil {
			return nil, err
		}
		x, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, x)
	}
	if len(c.ops) == 0 {
		return first, nil
	}
	return c, nil
}

func (p *parser) sum() (expr, error) { return p.chain(p.concat, tokOp, "+", "-") }

func (p *parser) concat() (expr, error) {
	x, err := p.product()
	if err != nil || !p.cur().is(tokOp, "~") {
		return x, err
	}
	c := &concat{offset(p.cur().off), []expr{x}}
	for p.skip("~") {
		if x, err = p.product(); err != nil {
			return nil, err
		}
		c.parts = append(c.parts, x)
	}
	return c, nil
}

func (p *parser) product() (expr, error) { return p.chain(p.power, tokOp, "*", "/", "//", "%") }
func (p *parser) power() (expr, error) {
	return p.chain(func() (expr, error) { return p.unary(true) }, tokOp, "**")
}

func (p *parser) unary(filters bool) (expr, error) {
	t := p.cur()
	var x expr
	var err error
	if t.is(tokOp, "-") || t.is(tokOp, "+") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		p.take()
		x, err = p.unary(false)
		p.leave()
		x = &unary{offset(t.off), t.s, x}
	} else {
		x, err = p.primary()
	}
	if err == nil {
		x, err = p.postfix(x)
	}
	if err == nil && filters {
		x, err = p.filters(x)
	}
	return x, err
}

func (p *parser) primary() (expr, error) {
	t := p.cur()
	at := offset(t.off)
	switch t.kind {
	case tokName:
		p.take()
		switch t.s {
		case "true", "True":
			return &constant{at, true}, nil
		case "false", "False":
			return &constant{at, false}, nil
		case "none", "None":
			return &constant{at, nil}, nil
		case "varargs", "kwargs", "caller":
			if p.macro != nil {
				p.macro.varargs = p.macro.varargs || t.s == "varargs"
				p.macro.kwargs = p.macro.kwargs || t.s == "kwargs"
				p.macro.caller = p.macro.caller || t.s == "caller"
			}
		}
		return &name{at, t.s}, nil
	case tokString:
		var b strings.Builder
		for p.cur().kind == tokString {
			b.WriteString(p.take().s)
		}
		return &constant{at, lit(b.String())}, nil
	case tokInt, tokFloat:
		p.take()
		v, err := parseNumber(t)
		if err != nil {
			return nil, p.fail(t, "%w", err)
		}
		return &constant{at, v}, nil
	case tokOp:
		switch t.s {
		case "(":
			p.take()
			if p.skip(")") {
				return &sequence{at, nil, true}, nil
			}
			x, err := p.tuple(true)
			if err != nil {
				return nil, err
			}
			return x, p.expect(")")
		case "[":
			p.take()
			items, err := p.items("]")
			return &sequence{at, items, false}, err
		case "{":
			p.take()
			return p.mapping(at)
		}
	}
	return nil, p.unexpected("an expression")
}

func parseNumber(t token) (value, error) {
	if t.kind == tokFloat {
		f, err := strconv.ParseFloat(t.s, 64)
		if err != nil && f == 0 {
			return nil, fmt.Errorf("bad number %q", t.s)
		}
		return f, nil
	}
	base := 10
	if len(t.s) > 1 && t.s[0] == '0' {
		base = 0
		for i := range t.s { // 00 is zero, not octal
			if t.s[i] != '0' {
				break
			}
			if i == len(t.s)-1 {
				return int64(0), nil
			}
		}
		if isDigit(t.s[1]) {
			return nil, fmt.Errorf("bad number %q", t.s)
		}
	}
	n, err := strconv.ParseInt(t.s, base, 64)
	if err != nil {
		return nil, fmt.Errorf("bad number %q: integers have 64 bits", t.s)
	}
	return n, nil
}

// items reads expressions with commas up to a closing bracket.
func (p *parser) items(end string) ([]expr, error) {
	var out []expr
	for !p.skip(end) {
		if len(out) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.skip(end) {
				break
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func (p *parser) mapping(at offset) (expr, error) {
	m := &mapping{offset: at}
	for !p.skip("}") {
		if len(m.keys) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.skip("}") {
				break
			}
		}
		k, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		m.keys, m.vals = append(m.keys, k), append(m.vals, v)
	}
	return m, nil
}

// postfix reads attributes, subscripts and calls.
func (p *parser) postfix(x expr) (expr, error) {
	for {
		t := p.cur()
		if t.kind != tokOp || t.s != "." && t.s != "[" && t.s != "(" {
			return x, nil
		}
		if err := p.operator(); err != nil {
			return nil, err
		}
		at := offset(t.off)
		var err error
		switch t.s {
		case "(":
			x, err = p.call(x)
		case "[":
			p.take()
			x, err = p.subscript(at, x)
		default:
			p.take()
			n := p.cur()
			switch n.kind {
			case tokName:
				p.take()
				x = &attribute{at, x, n.s}
			case tokInt:
				p.take()
				var v value
				if v, err = parseNumber(n); err != nil {
					return nil, p.fail(n, "%w", err)
				}
				x = &index{at, x, &constant{at, v}}
			default:
				err = p.unexpected("a name or number")
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// subscript reads the inside of x[...].
func (p *parser) subscript(at offset, x expr) (expr, error) {
	var part [3]expr
	n, colon := 0, false
	for n < 3 && !p.cur().is(tokOp, "]") {
		if p.skip(":") {
			colon = true
			n++
			continue
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		part[n] = e
		if !p.cur().is(tokOp, ":") {
			break
		}
	}
	if colon {
		return &slice{at, x, part[0], part[1], part[2]}, p.expect("]")
	}
	if part[0] == nil { // Jinja2 takes x[] for x[()]
		return &index{at, x, &sequence{at, nil, true}}, p.expect("]")
	}
	if p.skip(",") {
		rest, err := p.items("]")
		return &index{at, x, &sequence{at, append([]expr{part[0]}, rest...), true}}, err
	}
	return &index{at, x, part[0]}, p.expect("]")
}

func (p *parser) call(fn expr) (expr, error) {
	c := &call{offset: offset(fn.at()), fn: fn}
	var err error
	c.args, err = p.arguments()
	return c, err
}

func (p *parser) arguments() (arguments, error) {
	var a arguments
	if err := p.expect("("); err != nil {
		return a, err
	}
	for first := true; !p.skip(")"); first = false {
		if !first {
			if err := p.expect(","); err != nil {
				return a, err
			}
			if p.skip(")") {
				break
			}
		}
		t := p.cur()
		var to *expr
		switch {
		case p.skip("**"):
			to = &a.kwstar
		case p.skip("*"):
			to = &a.star
		case t.kind == tokName && p.toks[p.i+1].is(tokOp, "="):
			p.take()
			p.take()
			a.names, a.named = append(a.names, t.s), append(a.named, nil)
			to = &a.named[len(a.named)-1]
		default:
			if len(a.names) > 0 || a.kwstar != nil {
				return a, p.fail(t, "positional argument after a named one")
			}
			a.pos = append(a.pos, nil)
			to = &a.pos[len(a.pos)-1]
		}
		if *to != nil {
			return a, p.fail(t, "unpacked twice")
		}
		x, err := p.expression()
		if err != nil {
			return a, err
		}
		*to = x
	}
	return a, nil
}

// filters reads what may follow a value: |filter, "is test", and calls of their results.
func (p *parser) filters(x expr) (expr, error) {
	for {
		t := p.cur()
		var err error
		switch {
		case t.is(tokOp, "|"):
			x, err = p.filterChain(x, false)
		case t.is(tokName, "is"):
			x, err = p.test(x)
		case t.is(tokOp, "("):
			x, err = p.call(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
		if err := p.operator(); err != nil {
			return nil, err
		}
	}
}

// filterChain reads "|f(a)|g", or "f(a)|g" where a tag starts with the filter's name.
func (p *parser) filterChain(x expr, bare bool) (expr, error) {
	for bare || p.skip("|") {
		bare = false
		if err := p.operator(); err != nil {
			return nil, err
		}
		n, err := p.dotted()
		if err != nil {
			return nil, err
		}
		f := &filter{offset: offset(n.off), x: x, name: n.s}
		if p.cur().is(tokOp, "(") {
			if f.args, err = p.arguments(); err != nil {
				return nil, err
			}
		}
		x = f
	}
	return x, nil
}

func (p *parser) dotted() (token, error) {
	n, err := p.name()
	for err == nil && p.skip(".") {
		var more token
		more, err = p.name()
		n.s += "." + more.s
	}
	return n, err
}

func (p *parser) test(x expr) (expr, error) {
	at := p.take()
	not := p.skipName("not")
	n, err := p.dotted()
	if err != nil {
		return nil, err
	}
	t := &test{offset: offset(at.off), x: x, name: n.s}
	switch c := p.cur(); {
	case c.is(tokOp, "("):
		if t.args, err = p.arguments(); err != nil {
			return nil, err
		}
	case c.kind == tokString || c.kind == tokInt || c.kind == tokFloat || c.is(tokOp, "[") || c.is(tokOp, "{") ||
		c.kind == tokName && c.s != "else" && c.s != "or" && c.s != "and":
		if c.is(tokName, "is") {
			return nil, p.fail(c, "tests cannot be chained with 'is'")
		}
		a, err := p.primary()
		if err != nil {
			return nil, err
		}
		if a, err = p.postfix(a); err != nil {
			return nil, err
		}
		t.args.pos = []expr{a}
	}
	if not {
		return &unary{t.offset, "not", t}, nil
	}
	return t, nil
}
