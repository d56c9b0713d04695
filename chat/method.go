package chat

import "fmt"

// changing are the methods by which Python would change a map in place. Jinja2's immutable sandbox hides them.
var changing = map[string]bool{"clear": true, "pop": true, "popitem": true, "setdefault": true, "update": true, "fromkeys": true}

// method is v's method of that name, nil if it has none. The tables below are all there is: nothing is looked up by
// reflection.
func method(v value, name string) value {
	switch v := v.(type) {
	case text:
		if f := stringMethods[name]; f != nil {
			return &callable{"str." + name, func(r *render, a args) (value, error) {
				// Each looks through the string once or twice.
				if err := r.charge(len(v.s)); err != nil {
					return nil, err
				}
				out, err := f(r, v, a)
				if err != nil {
					err = fmt.Errorf("%s: %w", name, err)
				}
				return out, err
			}}
		}
	case *dict:
		if f := dictMethods[name]; f != nil {
			return &callable{"dict." + name, func(r *render, a args) (value, error) { return f(r, v, a) }}
		}
	case *list:
		if f := listMethods[name]; f != nil && v.kind <= kindRange {
			return &callable{"list." + name, func(r *render, a args) (value, error) { return f(r, v, a) }}
		}
	}
	return nil
}

var dictMethods = map[string]func(r *render, d *dict, a args) (value, error){
	"get": func(r *render, d *dict, a args) (value, error) {
		p, err := a.bind("get", "key", "default")
		if err == nil {
			err = p.required("get", 1)
		}
		if err != nil {
			return nil, err
		}
		v, ok, err := d.get(p[0])
		if !ok {
			v = p.or(1, nil)
		}
		return v, err
	},
	"keys": func(r *render, d *dict, a args) (value, error) {
		return &list{items: d.keys, kind: kindView, shown: "dict_keys"}, none("keys", a)
	},
	"values": func(r *render, d *dict, a args) (value, error) {
		return &list{items: d.vals, kind: kindView, shown: "dict_values"}, none("values", a)
	},
	"items": func(r *render, d *dict, a args) (value, error) {
		l, err := pairs(r, d)
		if err != nil {
			return nil, err
		}
		return &list{items: l, kind: kindView, shown: "dict_items"}, none("items", a)
	},
	"copy": func(r *render, d *dict, a args) (value, error) {
		return d, none("copy", a) // nothing can change it
	},
}

func none(fn string, a args) error {
	_, err := a.bind(fn)
	return err
}

func pairs(r *render, d *dict) ([]value, error) {
	if err := r.step(len(d.keys)); err != nil {
		return nil, err
	}
	out := make([]value, len(d.keys))
	for i, k := range d.keys {
		out[i] = tupleOf(k, d.vals[i])
	}
	return out, nil
}

var listMethods = map[string]func(r *render, l *list, a args) (value, error){
	"index": func(r *render, l *list, a args) (value, error) {
		p, err := a.bind("index", "value")
		if err == nil {
			err = p.required("index", 1)
		}
		if err != nil {
			return nil, err
		}
		for i, x := range l.items {
			if eq, err := r.equal(x, p[0], 0); eq || err != nil {
				return int64(i), err
			}
		}
		return nil, fmt.Errorf("index: the value is not in the list")
	},
	"count": func(r *render, l *list, a args) (value, error) {
		p, err := a.bind("count", "value")
		if err == nil {
			err = p.required("count", 1)
		}
		if err != nil {
			return nil, err
		}
		n := int64(0)
		for _, x := range l.items {
			eq, err := r.equal(x, p[0], 0)
			if err != nil {
				return nil, err
			}
			if eq {
				n++
			}
		}
		return n, nil
	},
	"copy": func(r *render, l *list, a args) (value, error) {
		if l.kind != kindList {
			return nil, fmt.Errorf("copy: not a list")
		}
		return newList(l.items), none("copy", a) // a list of its own, though nothing can change it
	},
}
