package chat

import (
	"fmt"
	"strings"
	"time"
)

// layouts are strftime's letters in Go's terms, in the C locale.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'd': "02", 'e': "_2", 'm': "01", 'y': "06",
	'Y': "2006", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'c': "Mon Jan _2 15:04:05 2006",
	'x': "01/02/06", 'D': "01/02/06", 'X': "15:04:05", 'T': "15:04:05", 'F': "2006-01-02", 'R': "15:04",
}

func strftimeNow(r *render, a args) (value, error) {
	p, err := a.bind("strftime_now", "format")
	if err == nil {
		err = p.required("strftime_now", 1)
	}
	if err != nil {
		return nil, err
	}
	format, err := p.text(0, "")
	if err != nil {
		return nil, err
	}
	now := r.now
	if now.IsZero() {
		now = time.Now()
	}
	if err := r.room(0, len(format.s)); err != nil {
		return nil, err
	}
	s, err := strftime(format.s, now)
	if err != nil {
		return nil, err
	}
	return format.derive(s), r.room(0, len(s))
}

// strftime formats as Python's datetime does without a time zone; %-d and the like drop the padding.
func strftime(format string, t time.Time) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		bare := i < len(format) && format[i] == '-'
		if bare {
			i++
		}
		if i == len(format) {
			return "", fmt.Errorf("strftime_now: format ends in %%")
		}
		var s string
		switch c := format[i]; c {
		case '%', 'n', 't':
			s = map[byte]string{'%': "%", 'n': "\n", 't': "\t"}[c]
		case 'Z', 'z': // nothing: Python's time here has no zone
		case 'f':
			s = fmt.Sprintf("%06d", t.Nanosecond()/1000)
		case 'w':
			s = fmt.Sprint(int(t.Weekday()))
		case 'u':
			s = fmt.Sprint((int(t.Weekday())+6)%7 + 1)
		case 'G':
			y, _ := t.ISOWeek()
			s = fmt.Sprint(y)
		case 'V':
			_, w := t.ISOWeek()
			s = fmt.Sprintf("%02d", w)
		default:
			layout, ok := layouts[c]
			if !ok {
				return "", fmt.Errorf("strftime_now: %%%c is not supported", c)
			}
			s = t.Format(layout)
		}
		if bare {
			if s = strings.TrimLeft(s, "0 "); s == "" {
				s = "0"
			}
		}
		b.WriteString(s)
	}
	return b.String(), nil
}
