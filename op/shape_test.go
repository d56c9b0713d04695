package op

import (
	"encoding/json"
	"testing"
)

func TestShapeText(t *testing.T) {
	for _, s := range []Shape{{}, MakeShape(0), MakeShape(7), MakeShape(2, 3), MakeShape(1, 2, 4, 4)} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Shape
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Errorf("%v through %s is %v, %v", s, b, back, err)
		}
	}
	for _, bad := range []string{"x", "2x", "-1x3", "1x2x3x4x5", "70000x70000", "3.5", "2 x3", "99999999999"} {
		var s Shape
		if err := s.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is read as %v", bad, s)
		}
	}
}
