package tokenizer

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileTexts gives each hostile text, and half of it, to every tokenizer that
// the tests have. The candidates that are merged may be 2.3 times as many for twice
// the text. With MICA_ATTACK set, as `go run ./attack T33` does, it also takes the
// time of 1 MiB, which is only worth something on a quiet machine: at most 1 s, and
// at most 2.3 times that of the half.
func TestHostileTexts(t *testing.T) {
	timed := os.Getenv("MICA_ATTACK") != ""
	models := map[string]*BPE{}
	for _, pre := range []string{"smollm", "gpt-2", "llama-bpe", "qwen2"} {
		models["smollm2's vocabulary, "+pre] = smol(t, pre)
	}
	for _, name := range families {
		file, _ := family(t, name)
		models[name+", cut down"] = fromJSON(t, file)
		t.Run(name, func(t *testing.T) { models[name] = realTokenizer(t, name) }) // skips where it isn't
	}
	worst, ratio := time.Duration(0), 0.0
	n := 0
	for name, bpe := range models {
		if bpe == nil {
			continue
		}
		for unit, s := range hostileUnits {
			n++
			if a, b := candidates(bpe, s, 1<<13), candidates(bpe, s, 1<<14); b > 100 && float64(b) > 2.3*float64(a) {
				t.Errorf("%s, %s: %d candidates for 16 KiB, %d for half of it", name, unit, b, a)
			}
			if !timed {
				continue
			}
			whole, half := best(t, bpe, s)
			r := float64(whole) / float64(half)
			if !within(whole, half) {
				t.Errorf("%s, %s: %v for 1 MiB, %v for half of it", name, unit, whole, half)
			}
			if worst = max(worst, whole); whole >= 20*time.Millisecond {
				ratio = max(ratio, r)
			}
		}
	}
	t.Logf("attack: %d texts in tokenizers", n)
	if n < 9*len(hostileUnits) {
		t.Errorf("only %d", n)
	}
	if !timed {
		return
	}
	t.Logf("worst: %v of processor time for 1 MiB; %.2f times the time of its half", worst, ratio)
}

// candidates counts the merges that encoding n bytes of unit looks at.
func candidates(bpe *BPE, unit string, n int) int {
	m := new(merger)
	bpe.appendText(nil, m, strings.Repeat(unit, n/len(unit)))
	return m.steps
}

// best is the least processor time of an encoding of 1 MiB of unit, and of half of
// it, in turns: two, or as many more as it takes to be within the limits, up to
// 12. Anything that disturbs a measurement makes it longer.
func best(t *testing.T, bpe *BPE, unit string) (whole, half time.Duration) {
	const n = 1 << 20
	text := strings.Repeat(unit, n/len(unit))
	cut := strings.Repeat(unit, n/2/len(unit))
	whole, half = time.Hour, time.Hour
	for i := range 12 {
		runtime.GC()
		a := cpuTime(t)
		bpe.Encode(cut, EncodeOptions{Special: true})
		b := cpuTime(t)
		bpe.Encode(text, EncodeOptions{Special: true})
		half, whole = min(half, b-a), min(whole, cpuTime(t)-b)
		if i > 0 && within(whole, half) {
			break
		}
	}
	return whole, half
}

// within are the limits. Half a text that takes no time to speak of has no ratio.
func within(whole, half time.Duration) bool {
	return whole <= time.Second && (float64(whole) <= 2.3*float64(half) || whole < 20*time.Millisecond)
}

// TestWithin: a tokenizer in time quadratic in the text is found.
func TestWithin(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		whole, half time.Duration
		want        bool
	}{{100 * ms, 50 * ms, true}, {400 * ms, 100 * ms, false}, {1100 * ms, 600 * ms, false}, {114 * ms, 50 * ms, true}, {116 * ms, 50 * ms, false}} {
		if within(c.whole, c.half) != c.want {
			t.Errorf("%v and %v: %t", c.whole, c.half, !c.want)
		}
	}
}
