package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/micaml/mica/keep"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
)

func newCacheSession(t *testing.T, cache string) *session {
	t.Helper()
	s := newSession(t)
	if err := s.change("cache " + cache); err != nil {
		t.Fatal(err)
	}
	return s
}

// A method that forgets with each token does so in a chat as it does in one
// generation: the answers are those of a sequence whose first prompt was
// compressed and which has then run every token by itself.
func TestChatCacheSteps(t *testing.T) {
	for _, cache := range []string{"tova:budget=16", "streaming:budget=16,sinks=2", "h2o-step:budget=16"} {
		s := newCacheSession(t, cache)
		var prompts []int // where the answers begin
		for _, text := range []string{"hello", "how are you", "the end"} {
			s.ask(t, text)
			prompts = append(prompts, len(s.seq.Tokens)-s.set.predict)
			if got := s.seq.Memory(1).(*pass.KV).Longest(); got > 17 { // and the token at hand
				t.Errorf("%s: %d entries", cache, got)
			}
		}
		_, method, err := parseCache(cache)
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Clone(s.seq.Tokens)
		seq := pass.NewSeq(slices.Clone(all[:prompts[0]])...)
		if _, err := keep.Compress(s.eng, seq, prompts[0], method); err != nil {
			t.Fatal(err)
		}
		for i := range all[prompts[0]:] {
			at := prompts[0] + i
			p, err := s.eng.Begin(seq)
			if err == nil {
				err = p.Run(context.Background(), 0, s.eng.Depth())
			}
			if err != nil {
				t.Fatal(err)
			}
			logits, err := p.Logits(-1)
			if err != nil {
				t.Fatal(err)
			}
			answered := slices.ContainsFunc(prompts, func(n int) bool { return n <= at && at < n+s.set.predict })
			if got := int32(lm.Argmax(logits)); answered && got != all[at] {
				t.Errorf("%s: token %d is %d, by itself %d", cache, at, all[at], got)
			}
			p.End()
			seq.Append(all[at])
		}
	}
}

// A method that forgets once leaves what follows alone; /set cache has the
// whole chat read again.
func TestChatCacheOnce(t *testing.T) {
	s := newCacheSession(t, "snapkv:budget=16,window=8")
	s.ask(t, "hello")
	first := len(s.prior)
	s.ask(t, "how are you")
	if got, want := s.seq.Memory(0).Len(0), 16+len(s.seq.Tokens)-1-first; got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
	if err := s.change("cache streaming:budget=12"); err != nil {
		t.Fatal(err)
	}
	s.ask(t, "go on")
	if got := s.seq.Memory(0).Len(0); got != 12 {
		t.Errorf("%d entries after /set cache, want 12", got)
	}
	if err := s.change("cache full"); err != nil {
		t.Fatal(err)
	}
	s.ask(t, "go on")
	if got, want := s.seq.Memory(0).Len(0), len(s.seq.Tokens)-1; got != want {
		t.Errorf("%d entries after /set cache full, want %d", got, want)
	}
}

// A question that is stopped while its tokens run one by one is taken back,
// and the chat goes on as if it had not been asked.
func TestChatCacheTakenBack(t *testing.T) {
	s := newCacheSession(t, "tova:budget=16")
	s.ask(t, "hello")
	turns := slices.Clone(s.turns)
	stop, cancel := context.WithCancel(context.Background())
	n := 0
	if err := s.seq.Watch("0.resid_pre", func(pass.At, []float32) {
		if n++; n == 3 {
			cancel()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.answer(stop, "never answered"); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if len(s.turns) != len(turns) {
		t.Errorf("%d turns, want %d", len(s.turns), len(turns))
	}
	s.ask(t, "go on")
	other := newCacheSession(t, "tova:budget=16")
	other.turns = slices.Clone(turns)
	other.ask(t, "go on")
	if !slices.Equal(s.seq.Tokens, other.seq.Tokens) {
		t.Error("the chat goes on otherwise than one that is read anew")
	}
}

func TestChatCacheSaved(t *testing.T) {
	s := newCacheSession(t, "streaming:budget=12")
	s.ask(t, "hello")
	path := filepath.Join(t.TempDir(), "chat.json")
	if err := s.save(path); err != nil {
		t.Fatal(err)
	}
	other := newSession(t)
	if err := other.restore(path); err != nil {
		t.Fatal(err)
	}
	if other.set.cache != "streaming:budget=12" || other.cache.name != "streaming" || !other.cache.steps {
		t.Errorf("loaded %q, %+v", other.set.cache, other.cache)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(strings.Replace(string(text), "budget=12", "budget=0", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	want := bad + ": settings.cache: --cache streaming: budget=0: less than 1"
	if err := other.restore(bad); err == nil || err.Error() != want || other.set.cache != "streaming:budget=12" {
		t.Errorf("error %v, want %s", err, want)
	}
}
