package chat

import (
	"fmt"
	"strings"
)

// Bounds on a template's source. An expression's operators are bounded because each may nest one level deeper.
const (
	MaxSource    = 1 << 20 // bytes
	maxNesting   = 64      // brackets within brackets, blocks within blocks
	maxOperators = 2000    // in one expression
)

// Template is a parsed chat template. It is not changed by rendering and may be used by several goroutines.
type Template struct {
	src  string
	body []stmt
}

// Parse reads a template. Its errors are of type [*Error] and say where.
func Parse(src string) (*Template, error) {
	if len(src) > MaxSource {
		return nil, &Error{Line: 1, Column: 1, Err: limitf("source of %d bytes, at most %d", len(src), MaxSource)}
	}
	src = normalize(src)
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, toks: toks}
	body, err := p.block()
	if err != nil {
		return nil, err
	}
	return &Template{src: src, body: body}, nil
}

type parser struct {
	src   string
	toks  []token
	i     int
	depth int // of blocks and brackets
	ops   int // operators so far in this expression
	loops int // loops around the current statement, in this macro
	macro *macro
}

func (p *parser) cur() token { return p.toks[p.i] }

func (p *parser) take() token {
	t := p.toks[p.i]
	if p.i < len(p.toks)-1 {
		p.i++
	}
	return t
}

func (p *parser) fail(t token, format string, a ...any) error {
	return errorAt(p.src, t.off, fmt.Errorf(format, a...))
}

func (p *parser) unexpected(want string) error {
	return p.fail(p.cur(), "unexpected %v, expected %s", p.cur(), want)
}

func (t token) is(k kind, s string) bool { return t.kind == k && t.s == s }

// skip consumes an operator if it is next.
func (p *parser) skip(op string) bool {
	ok := p.cur().is(tokOp, op)
	if ok {
		p.take()
	}
	return ok
}

// skipName consumes a keyword if it is next.
func (p *parser) skipName(word string) bool {
	ok := p.cur().is(tokName, word)
	if ok {
		p.take()
	}
	return ok
}

func (p *parser) expect(op string) error {
	if !p.skip(op) {
		return p.unexpected("'" + op + "'")
	}
	return nil
}

func (p *parser) name() (token, error) {
	if p.cur().kind != tokName {
		return token{}, p.unexpected("a name")
	}
	return p.take(), nil
}

func (p *parser) endTag() error {
	if p.cur().kind != tokBlockEnd {
		return p.unexpected("'%}'")
	}
	p.take()
	return nil
}

// enter counts one level of nesting, and the caller leaves it when done.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return errorAt(p.src, p.cur().off, limitf("nested deeper than %d", maxNesting))
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// operator counts one operator of an expression.
func (p *parser) operator() error {
	if p.ops++; p.ops > maxOperators {
		return errorAt(p.src, p.cur().off, limitf("more than %d operators in one expression", maxOperators))
	}
	return nil
}

// block reads statements up to a tag named by one of ends, whose name is the current token afterwards; with no ends, to
// the end of the template.
func (p *parser) block(ends ...string) ([]stmt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var out []stmt
	for {
		t := p.take()
		switch t.kind {
		case tokEOF:
			if len(ends) > 0 {
				return nil, p.fail(t, "unexpected end of template, expected %s", strings.Join(ends, " or "))
			}
			return out, nil
		case tokData:
			out = append(out, &data{offset(t.off), t.s})
		case tokVarBegin:
			p.ops = 0
			x, err := p.tuple(true)
			if err != nil {
				return nil, err
			}
			if p.cur().kind != tokVarEnd {
				return nil, p.unexpected("'}}'")
			}
			p.take()
			out = append(out, &output{offset(t.off), x})
		case tokBlockBegin:
			p.ops = 0
			tag := p.cur()
			if tag.kind != tokName {
				return nil, p.unexpected("the name of a tag")
			}
			for _, e := range ends {
				if tag.s == e {
					return out, nil
				}
			}
			p.take()
			s, err := p.statement(tag)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		default:
			return nil, p.fail(t, "unexpected %v", t)
		}
	}
}

// closed reads the rest of a tag, a body, and the tag that ends it.
func (p *parser) closed(end string) ([]stmt, error) {
	if err := p.endTag(); err != nil {
		return nil, err
	}
	body, err := p.block(end)
	if err != nil {
		return nil, err
	}
	p.take()
	return body, p.endTag()
}

func (p *parser) statement(tag token) (stmt, error) {
	at := offset(tag.off)
	switch tag.s {
	case "if":
		return p.ifTag(at)
	case "for":
		return p.forTag(at)
	case "set":
		return p.setTag(at)
	case "macro":
		return p.macroTag(at)
	case "call":
		return p.callTag(at)
	case "with":
		return p.withTag(at)
	case "filter":
		f, err := p.filterChain(nil, true)
		if err != nil {
			return nil, err
		}
		body, err := p.closed("endfilter")
		return &filterBlock{at, f, body}, err
	case "generation": // marks what the assistant wrote, for training; in a prompt it is only a scope
		body, err := p.closed("endgeneration")
		return &withStmt{offset: at, body: body}, err
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.fail(tag, "%s outside a loop", tag.s)
		}
		if tag.s == "break" {
			return &breakStmt{at}, p.endTag()
		}
		return &continueStmt{at}, p.endTag()
	}
	return nil, p.fail(tag, "unknown tag %q", tag.s)
}

func (p *parser) ifTag(at offset) (stmt, error) {
	s := &ifStmt{offset: at}
	for {
		cond, err := p.tuple(false)
		if err != nil {
			return nil, err
		}
		if err := p.endTag(); err != nil {
			return nil, err
		}
		body, err := p.block("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		s.branches = append(s.branches, branch{cond, body})
		switch p.take().s {
		case "elif":
		case "else":
			s.els, err = p.closed("endif")
			return s, err
		default:
			return s, p.endTag()
		}
	}
}

func (p *parser) forTag(at offset) (stmt, error) {
	s := &forStmt{offset: at}
	var err error
	if s.target, err = p.targets(true); err != nil {
		return nil, err
	}
	if !p.skipName("in") {
		return nil, p.unexpected("'in'")
	}
	if s.iter, err = p.tuple(false, "recursive"); err != nil {
		return nil, err
	}
	if p.skipName("if") {
		if s.cond, err = p.expression(); err != nil {
			return nil, err
		}
	}
	s.recursive = p.skipName("recursive")
	if err := p.endTag(); err != nil {
		return nil, err
	}
	p.loops++
	s.body, err = p.block("else", "endfor")
	p.loops--
	if err != nil {
		return nil, err
	}
	if p.take().s == "else" {
		s.els, err = p.closed("endfor")
		return s, err
	}
	return s, p.endTag()
}

func (p *parser) setTag(at offset) (stmt, error) {
	t, err := p.targets(false)
	if err != nil {
		return nil, err
	}
	if p.skip("=") {
		x, err := p.tuple(true)
		if err != nil {
			return nil, err
		}
		return &setStmt{at, t, x}, p.endTag()
	}
	var f expr
	if p.cur().is(tokOp, "|") {
		if f, err = p.filterChain(nil, false); err != nil {
			return nil, err
		}
	}
	body, err := p.closed("endset")
	return &setBlock{at, t, f, body}, err
}

func (p *parser) macroTag(at offset) (stmt, error) {
	n, err := p.name()
	if err != nil {
		return nil, err
	}
	m := &macro{offset: at, name: n.s}
	return m, p.macroRest(m, "endmacro")
}

// macroRest reads parameters and body.
func (p *parser) macroRest(m *macro, end string) error {
	if end == "endmacro" || p.cur().is(tokOp, "(") {
		if err := p.params(m); err != nil {
			return err
		}
	}
	return p.macroBody(m, end)
}

func (p *parser) params(m *macro) error {
	if err := p.expect("("); err != nil {
		return err
	}
	for !p.skip(")") {
		if len(m.params) > 0 {
			if err := p.expect(","); err != nil {
				return err
			}
		}
		n, err := p.name()
		if err != nil {
			return err
		}
		m.params = append(m.params, n.s)
		if p.skip("=") {
			d, err := p.expression()
			if err != nil {
				return err
			}
			m.defaults = append(m.defaults, d)
		} else if len(m.defaults) > 0 {
			return p.fail(n, "parameter %q without a default follows one with", n.s)
		}
	}
	return nil
}

func (p *parser) macroBody(m *macro, end string) error {
	outer, loops := p.macro, p.loops
	p.macro, p.loops = m, 0
	body, err := p.closed(end)
	p.macro, p.loops = outer, loops
	m.body = body
	return err
}

func (p *parser) callTag(at offset) (stmt, error) {
	m := &macro{offset: at, name: "caller"}
	if p.cur().is(tokOp, "(") {
		if err := p.params(m); err != nil {
			return nil, err
		}
	}
	x, err := p.expression()
	if err != nil {
		return nil, err
	}
	c, ok := x.(*call)
	if !ok {
		return nil, errorAt(p.src, x.at(), fmt.Errorf("expected a call"))
	}
	return &callBlock{at, c, m}, p.macroBody(m, "endcall")
}

func (p *parser) withTag(at offset) (stmt, error) {
	s := &withStmt{offset: at}
	for p.cur().kind != tokBlockEnd {
		if len(s.vals) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		t, err := p.oneTarget(false)
		if err != nil {
			return nil, err
		}
		if err := p.expect("="); err != nil {
			return nil, err
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		s.targets, s.vals = append(s.targets, t), append(s.vals, x)
	}
	var err error
	s.body, err = p.closed("endwith")
	return s, err
}

// targets reads "a", "a, b" or, outside a for loop, "ns.a".
func (p *parser) targets(loop bool) (target, error) {
	first, err := p.oneTarget(!loop)
	if err != nil || !p.cur().is(tokOp, ",") {
		return first, err
	}
	list := target{offset: first.offset, list: []target{first}}
	for p.skip(",") {
		if t := p.cur(); t.kind != tokName && !t.is(tokOp, "(") || t.is(tokName, "in") {
			break
		}
		t, err := p.oneTarget(!loop)
		if err != nil {
			return list, err
		}
		list.list = append(list.list, t)
	}
	return list, nil
}

func (p *parser) oneTarget(attr bool) (target, error) {
	at := offset(p.cur().off)
	if p.skip("(") {
		if err := p.enter(); err != nil {
			return target{}, err
		}
		defer p.leave()
		t, err := p.targets(!attr)
		if err != nil {
			return t, err
		}
		return t, p.expect(")")
	}
	n, err := p.name()
	if err != nil {
		return target{}, err
	}
	switch n.s {
	case "true", "false", "none", "True", "False", "None":
		return target{}, p.fail(n, "can't assign to %s", n.s)
	}
	t := target{offset: at, name: n.s}
	if attr && p.skip(".") {
		a, err := p.name()
		if err != nil {
			return t, err
		}
		t.attr = a.s
	}
	return t, nil
}
