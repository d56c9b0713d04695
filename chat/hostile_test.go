package chat_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/micaml/mica/chat"
)

// The payloads are those published against Jinja2 in model loaders and web frameworks (CVE-2024-34359 and its
// relatives), and the ways of asking for too much. What each must give: an error (of a limit, if limit is set), or
// nothing that the host knows.
var hostile = []struct {
	name, src string
	limit     bool   // must be refused with ErrLimit
	want      string // if it renders, what it may print
}{
	{name: "mro", src: `{{ ''.__class__.__mro__[1].__subclasses__() }}`},
	{name: "globals", src: `{{ raise_exception.__globals__['os'].system('id') }}`},
	{name: "cycler", src: `{{ cycler.__init__.__globals__.os.popen('id').read() }}`},
	{name: "joiner", src: `{{ joiner.__init__.__globals__.os.popen('id').read() }}`},
	{name: "namespace init", src: `{{ namespace.__init__.__globals__ }}`},
	{name: "lipsum", src: `{{ lipsum.__globals__['os'].popen('id').read() }}`},
	{name: "subclass walk", src: `{% for x in ().__class__.__base__.__subclasses__() %}{% if "warning" in x.__name__ %}{{ x()._module.__builtins__['__import__']('os').popen('id').read() }}{% endif %}{% endfor %}`},
	{name: "attr filter", src: `{{ ''|attr('__class__')|attr('__mro__') }}`},
	{name: "hex attr", src: `{{ ''|attr('\x5f\x5fclass\x5f\x5f')|attr('\x5f\x5fbase\x5f\x5f') }}`},
	{name: "subscript", src: `{{ ''['__class__']['__mro__'] }}`},
	{name: "format string", src: `{{ '{0.__class__.__init__.__globals__}'.format('x') }}`},
	{name: "format index", src: `{{ '{0[__class__]}'.format('x') }}`},
	{name: "format width", src: `{{ '{0:1000000000}'.format('x') }}`},
	{name: "percent width", src: `{{ '%1000000000s' % 'x' }}`},
	{name: "self", src: `{{ self.__init__.__globals__ }}`},
	{name: "self alone", src: `{{ self }}`, want: ""},
	{name: "request", src: `{{ request.application.__globals__.__builtins__.__import__('os').popen('id').read() }}`},
	{name: "config", src: `{{ config.items() }}`},
	{name: "macro globals", src: `{% macro m() %}{% endmacro %}{{ m.__globals__.x }}`},
	{name: "loop reach", src: `{% for x in [1] %}{{ loop.__class__.__init__.__globals__ }}{% endfor %}`},
	{name: "generator frame", src: `{{ ([1]|map('string')).gi_frame.f_globals }}`},
	{name: "map attribute", src: `{{ ['']|map(attribute='__class__.__mro__')|list }}`},
	{name: "selectattr class", src: `{{ ['']|selectattr('__class__.__base__')|list }}`},
	{name: "builtins", src: `{{ __import__('os') }}`},
	{name: "open", src: `{{ open('/etc/passwd').read() }}`},
	{name: "include", src: `{% include '/etc/passwd' %}`},
	{name: "extends", src: `{% extends 'base' %}`},
	{name: "import", src: `{% import 'os' as os %}{{ os }}`},
	{name: "do", src: `{% do messages.append(1) %}`},
	{name: "mutate list", src: `{{ messages.append(1) }}`},
	{name: "mutate map", src: `{{ messages[0].update({'role': 'system'}) }}`},
	{name: "set on message", src: `{% set messages.x = 1 %}`},

	{name: "huge string", src: `{{ 'a' * 10**12 }}`, limit: true},
	{name: "huge string reversed", src: `{{ 1000000000000 * 'a' }}`, limit: true},
	{name: "overflowing string", src: `{{ 'aa' * 9223372036854775807 }}`, limit: true},
	{name: "huge list", src: `{{ ([0] * 10**12)|length }}`, limit: true},
	{name: "overflowing list", src: `{{ ([0,1,2,3] * 4611686018427387905)|length }}`, limit: true},
	{name: "huge range", src: `{% for x in range(10**12) %}{% endfor %}`, limit: true},
	{name: "extreme range", src: `{% for x in range(-9223372036854775807, 9223372036854775807) %}{% endfor %}`, limit: true},
	{name: "nested loops", src: `{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}`, limit: true},
	{name: "doubling", src: `{% set ns = namespace(s='aaaaaaaa') %}{% for x in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`, limit: true},
	{name: "doubling list", src: `{% set ns = namespace(l=[1]) %}{% for x in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}`, limit: true},
	{name: "doubling join", src: `{% set ns = namespace(s='ab') %}{% for x in range(60) %}{% set ns.s = [ns.s, ns.s]|join %}{% endfor %}`, limit: true},
	{name: "replace bomb", src: `{% set s = 'a' * 100000 %}{{ s.replace('a', s)|length }}`, limit: true},
	{name: "indent bomb", src: `{{ ('a\n' * 1000)|indent(100000) }}`, limit: true},
	{name: "json indent bomb", src: `{{ [[[[1]]]]|tojson(indent=1000000000) }}`, limit: true},
	{name: "tree of one", src: `{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}`, limit: true},
	{name: "tree compared", src: `{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}`, limit: true},
	{name: "tree as json", src: `{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}`, limit: true},
	{name: "tree as key", src: `{% set ns = namespace(x=(1,)) %}{% for i in range(40) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1}|length }}`, limit: true},
	{name: "deep value", src: `{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}`, limit: true},
	{name: "macro recursion", src: `{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}`, limit: true},
	{name: "mutual recursion", src: `{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}`, limit: true},
	{name: "caller recursion", src: `{% macro m() %}{{ caller is defined }}{% call m() %}x{% endcall %}{% endmacro %}{{ m() }}`, limit: true},
	{name: "default recursion", src: `{% macro m(x=m()) %}{% endmacro %}{{ m() }}`, limit: true},
	{name: "recursive loop", src: `{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}`, limit: true},
	{name: "map in map", src: `{{ [[['a']]]|map('map', 'map', 'upper')|list }}`, want: "[<generator>]"},
	{name: "output bomb", src: `{% for x in range(99999) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}`, limit: true},
	{name: "capture bomb", src: `{% set x %}{% for x in range(99999) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}{% endset %}`, limit: true},
	{name: "power", src: `{{ 9 ** 9 ** 9 ** 9 }}`},
	{name: "float power", src: `{{ 9.5 ** 99999 }}`},
	{name: "int overflow", src: `{{ 9223372036854775807 + 1 }}`},
	{name: "least by minus one", src: `{{ (-9223372036854775807 - 1) // -1 }}`},
	{name: "least negated", src: `{{ -(-9223372036854775807 - 1) }}`},
	{name: "least absolute", src: `{{ (-9223372036854775807 - 1)|abs }}`},
	{name: "big slice", src: `{{ 'abc'[-9223372036854775807:9223372036854775807:9223372036854775807] }}`, want: "a"},
	{name: "big backward slice", src: `{{ [1,2,3][::-9223372036854775807] }}`, want: "[3]"},
	{name: "big literal", src: `{{ 99999999999999999999 }}`},

	{name: "parentheses", src: `{{ ` + strings.Repeat("(", 100000) + `1` + strings.Repeat(")", 100000) + ` }}`, limit: true},
	{name: "brackets", src: `{{ ` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + ` }}`, limit: true},
	{name: "braces", src: `{{ ` + strings.Repeat("{1:", 100000) + `1` + strings.Repeat("}", 100000) + ` }}`, limit: true},
	{name: "minuses", src: `{{ ` + strings.Repeat("-", 100000) + `1 }}`, limit: true},
	{name: "nots", src: `{{ ` + strings.Repeat("not ", 100000) + `1 }}`, limit: true},
	{name: "inline ifs", src: `{{ ` + strings.Repeat("1 if 0 else ", 50000) + `1 }}`, limit: true},
	{name: "sums", src: `{{ 1` + strings.Repeat("+1", 100000) + ` }}`, limit: true},
	{name: "attributes", src: `{{ x` + strings.Repeat(".x", 100000) + ` }}`, limit: true},
	{name: "filters", src: `{{ 1` + strings.Repeat("|abs", 100000) + ` }}`, limit: true},
	{name: "calls", src: `{{ x` + strings.Repeat("()", 100000) + ` }}`, limit: true},
	{name: "blocks", src: strings.Repeat("{% if 1 %}", 50000), limit: true},
	{name: "targets", src: `{% set ` + strings.Repeat("(", 100000) + `a` + strings.Repeat(")", 100000) + ` = 1 %}`, limit: true},
	{name: "long source", src: strings.Repeat("a", chat.MaxSource+1), limit: true},
	{name: "many elifs", src: `{% if 0 %}` + strings.Repeat("{% elif 0 %}", 50000) + `{% endif %}`, want: ""},
	{name: "adjacent strings", src: `{{ ` + strings.Repeat("'a'", 300000) + `|length }}`, want: "300000"},
	{name: "openings", src: strings.Repeat("{", 500000)},
	{name: "unclosed brackets", src: `{{ ` + strings.Repeat("([{", 100000)},
	{name: "spaced braces", src: strings.Repeat("{ ", 500000), want: strings.Repeat("{ ", 500000)},
	{name: "raw openings", src: "{% raw %}" + strings.Repeat("{% ", 300000)},
	{name: "unclosed comment", src: strings.Repeat("{#", 300000)},
	{name: "backslashes", src: `{{ '` + strings.Repeat(`\`, 300001)},
	{name: "half a tag", src: `{{ 1 }`},
	{name: "nothing but a sign", src: `{%-`},
	{name: "not UTF-8", src: "{{ '\xff\xfe'|upper|length }}\xff", want: "2\xff"},
	{name: "NUL", src: "a\x00{{ '\x00' }}b", want: "a\x00\x00b"},
	{name: "quadratic cuts", src: `{% set ns = namespace(s='') %}{% for i in range(3000) %}{% set ns.s = ns.s ~ messages[0].content ~ 'x' %}{% endfor %}{% for c in ns.s %}{% endfor %}{{ ns.s|length }}`, want: "18000"},
	{name: "sort bomb", src: `{% set a = range(99999)|map('string')|list %}{{ a|sort|length }}`, limit: true},
	{name: "split bomb", src: `{% set s = 'a ' * 400000 %}{% for i in range(1000) %}{% set x = s.split() %}{% endfor %}`, limit: true},
	{name: "search bomb", src: `{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% if 'b' in s %}{% endif %}{% endfor %}`, limit: true},
	{name: "count bomb", src: `{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{{ s|length }}{% endfor %}`, limit: true},
	{name: "repr bomb", src: `{% set s = '\x00' * 1000000 %}{{ [s] }}`, limit: true},
	{name: "json escape bomb", src: `{% set s = '\x00' * 1000000 %}{{ s|tojson }}`, limit: true},
	{name: "strftime bomb", src: `{{ strftime_now('%c' * 400000) }}`, limit: true},
	{name: "lone brace", src: `{{ '}'.format() }}`},
}

func TestHostile(t *testing.T) {
	in := chat.Input{Messages: []chat.Message{{Role: "user", Content: "hello"}}}
	host, _ := os.ReadFile("/etc/passwd")
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out := ""
			tmpl, err := chat.Parse(c.src)
			if err == nil {
				out, err = tmpl.Render(in)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<30 {
				t.Errorf("allocated %d MiB", n>>20)
			}
			t.Logf("%d MiB, %.80v", (after.TotalAlloc-before.TotalAlloc)>>20, err)
			switch {
			case c.limit && !errors.Is(err, chat.ErrLimit):
				t.Errorf("error %v, want a limit", err)
			case err == nil && out != c.want:
				t.Errorf("rendered %.100q, want %.100q", out, c.want)
			case err != nil && !c.limit && (c.want != "" || errors.Is(err, chat.ErrLimit)):
				t.Errorf("%v", err)
			case len(host) > 0 && strings.Contains(out, string(host)):
				t.Error("the host's file came out")
			}
		})
	}
}

func TestLimits(t *testing.T) {
	tmpl, err := chat.Parse(`{% macro m(n) %}{% if n %}x{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(n) }}`)
	if err != nil {
		t.Fatal(err)
	}
	render := func(n int, l chat.Limits) error {
		_, err := tmpl.Render(chat.Input{Vars: map[string]any{"n": n}, Limits: l})
		return err
	}
	for _, c := range []struct {
		n    int
		l    chat.Limits
		good bool
	}{
		{60, chat.Limits{}, true}, {70, chat.Limits{}, false}, {70, chat.Limits{Depth: 80}, true},
		{10, chat.Limits{Output: 10}, true}, {11, chat.Limits{Output: 10}, false},
		{10, chat.Limits{Steps: 20}, false}, {10, chat.Limits{Steps: 2000}, true},
	} {
		if err := render(c.n, c.l); (err == nil) != c.good || err != nil && !errors.Is(err, chat.ErrLimit) {
			t.Errorf("depth %d with %+v: %v", c.n, c.l, err)
		}
	}
}

func TestErrorPlace(t *testing.T) {
	for src, want := range map[string]string{
		"a\n  {{ 1 + }}":  "chat template:2:10: ",
		"\n\n{% iff x %}": "chat template:3:4: ",
		"ok {{ nope.x }}": "chat template:1:11: ",
		"{% if 1 %}\n\n{{ [1]|wrong }}{% endif %}":          "chat template:3:8: ",
		"{% if 1 %}\n{{ raise_exception(1) }}{% endif %}\n": "chat template:2:4: the template refuses the conversation: 1",
	} {
		tmpl, err := chat.Parse(src)
		if err == nil {
			_, err = tmpl.Render(chat.Input{})
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want it to start %q", src, err, want)
		}
	}
}
