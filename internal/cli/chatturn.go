package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/pass"
	"github.com/micaml/mica/tokenizer"
)

// reply is an answer in a chat: a line of chat --json. Fields have the names
// of run --json.
type reply struct {
	head
	Turn         int          `json:"turn"` // from 1
	Text         string       `json:"text"`
	TokenIDs     []int32      `json:"token_ids"`
	PromptTokens int          `json:"prompt_tokens"` // of the whole chat so far
	NewTokens    int          `json:"new_tokens"`    // of these, what this turn has computed
	LoadMS       float64      `json:"load_ms"`
	PrefillMS    float64      `json:"prefill_ms"`
	FirstTokenMS float64      `json:"first_token_ms"`
	DecodeRate   float64      `json:"decode_tokens_per_s"`
	PrefillRate  float64      `json:"prefill_tokens_per_s"` // of the new tokens
	Mode         string       `json:"mode"`
	Threads      int          `json:"threads"`
	KVBytes      int64        `json:"kv_bytes"`
	PeakRSS      int64        `json:"peak_rss_bytes"`
	Finish       string       `json:"finish_reason"` // "stop", "length", "context", "interrupted"
	Adapter      *adapterInfo `json:"adapter"`
	Cache        *cached      `json:"cache"` // what this turn has forgotten of the beginning; null: nothing

	decode time.Duration
}

// errStopped is the cause of the end of one answer, by Ctrl-C.
var errStopped = errors.New("stopped")

// answer adds a message and its answer to the chat. If there is none, the
// message is not added.
func (s *session) answer(ctx context.Context, text string) error {
	s.turns = append(s.turns, chat.Message{Role: "user", Content: text})
	taken := false
	defer func() {
		if !taken {
			s.turns = s.turns[:len(s.turns)-1]
		}
	}()
	start, before, run := time.Now(), 0, 0
	if s.seq != nil {
		before, run = len(s.seq.Tokens), s.seq.Next()
	}
	seq, ids, err := s.extend()
	if err != nil {
		return err
	}
	forgotten := func() *cached { return nil }
	if seq != s.seq {
		if forgotten, err = s.cache.begin(s.eng, seq); err != nil {
			return err
		}
	}
	r, err := s.generate(ctx, seq, start)
	r.Cache = forgotten()
	if err != nil && len(r.TokenIDs) == 0 { // the pass has gone back, and so does the rest
		switch {
		case s.seq != seq:
		case seq.Next() == run:
			seq.Tokens = seq.Tokens[:before]
		default: // passes before it can't
			s.forget()
		}
		if r.Finish == "interrupted" {
			s.told = true
			s.note("Stopped before the first word: the question is taken back. Ctrl-C again leaves.")
			return nil
		}
		return err
	}
	taken = true
	s.seq, s.prior = seq, ids
	s.turns = append(s.turns, chat.Message{Role: "assistant", Content: r.Text})
	s.told = r.Finish == "interrupted"
	if !s.set.json && !strings.HasSuffix(r.Text, "\n") {
		if _, e := fmt.Fprintln(s.out); err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	return s.show(r)
}

// extend returns the sequence with the tokens of the last message added, and
// the template's tokens for the whole chat. What earlier turns have computed
// stays, unless the template tells the past in other words than before: then
// it is a new sequence, to be read from the start.
func (s *session) extend() (*pass.Seq, []int32, error) {
	ids, err := s.m.Chat(s.messages()...)
	var refused *chat.RaisedError
	switch {
	case errors.As(err, &refused):
		return nil, nil, failed("/set system without a value takes the system message away", "chat template: %w", err)
	case err != nil:
		return nil, nil, failed("shorten it, or /clear", "chat template: %w", err)
	}
	seq := pass.NewSeq(ids...)
	fresh, ok := s.fresh(ids)
	if n := len(fresh); ok {
		if n += len(s.seq.Tokens); n > s.context {
			return nil, nil, s.full(n)
		}
		seq = s.seq
		seq.Append(fresh...)
	} else if len(ids) > s.context {
		return nil, nil, s.full(len(ids))
	}
	return seq, ids, nil
}

// fresh finds, in the tokens of the whole chat, those after the last answer.
// The answer itself is in the sequence already, in the tokens that the model
// chose, which are not always those that a tokenizer would.
func (s *session) fresh(ids []int32) ([]int32, bool) {
	n := len(s.prior)
	if s.seq == nil || len(ids) < n || !slices.Equal(ids[:n], s.prior) {
		return nil, false
	}
	// What someone said makes no control tokens, so the first one ends it.
	end := slices.IndexFunc(ids[n:], func(id int32) bool {
		return s.m.Tokenizer.IsEOG(id) || s.m.Tokenizer.Kind(id) == tokenizer.KindControl
	})
	if end < 0 {
		return nil, false
	}
	// Templates trim answers. Blanks that the model remembers beyond that are
	// not worth reading everything again.
	said, told := s.turns[len(s.turns)-2].Content, s.m.Tokenizer.Decode(ids[n:n+end])
	if strings.TrimSpace(said) != strings.TrimSpace(told) {
		return nil, false
	}
	return ids[n+end:], true
}

func (s *session) full(n int) error {
	hint := "/clear begins anew; /save FILE before it keeps the chat"
	if len(s.turns) == 1 {
		hint = "shorten it"
	}
	if own := s.m.config().Context; s.context < own {
		hint += "; --context goes up to " + count(own)
	}
	return usage(hint, "the context is full: %s tokens with this, and it holds %s", count(n), count(s.context))
}

// generate answers, writing as it goes. The reply is not nil even with an
// error; an answer that Ctrl-C has stopped is none if it has begun.
func (s *session) generate(ctx context.Context, seq *pass.Seq, start time.Time) (*reply, error) {
	r := &reply{
		Turn: len(s.turns)/2 + 1, TokenIDs: []int32{}, LoadMS: millis(s.m.load), Mode: s.eng.Mode().String(), Threads: s.eng.Threads(),
		PromptTokens: len(seq.Tokens), NewTokens: len(seq.Tokens) - seq.Next(),
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.talking {
		defer interruptsOf(ctx).catch(func() { cancel(errStopped) })()
	}

	var timing lm.Timing
	opt := lm.Options{Max: s.set.predict, Stop: lm.StopAtEnd(s.m.Tokenizer), Context: s.context, Timing: &timing,
		// A turn has a stream of its own, so that a loaded chat goes on as it would have.
		Sampler: lm.Sampler{Temperature: float32(s.set.temp), TopK: s.set.topK, TopP: float32(s.set.topP), Seed: s.set.seed + uint64(r.Turn-1)}}
	write := func(string) error { return nil }
	if !s.set.json {
		write = s.answerWriter()
	}
	var text strings.Builder
	emit := func(piece string) error {
		if text.WriteString(piece); piece == "" {
			return nil
		}
		return write(piece)
	}
	stop := s.working("reading %s tokens", count(r.NewTokens))
	defer stop()
	stream := s.m.Tokenizer.Stream()
	var err error
	for id, e := range s.cache.generate(ctx, s.eng, seq, opt) {
		if err = e; err != nil {
			break
		}
		if len(r.TokenIDs) == 0 {
			stop()
			r.FirstTokenMS = millis(time.Since(start))
		}
		r.TokenIDs = append(r.TokenIDs, id)
		if err = emit(stream.Add(id)); err != nil {
			break
		}
	}
	if e := emit(stream.Flush()); err == nil {
		err = e
	}
	r.Text, r.Finish = strings.ToValidUTF8(text.String(), "\uFFFD"), timing.Finish
	if context.Cause(ctx) == errStopped {
		if r.Finish = "interrupted"; len(r.TokenIDs) > 0 {
			err = nil
		}
	}
	r.PrefillMS, r.PrefillRate = millis(timing.Prompt), rate(r.NewTokens, timing.Prompt)
	r.decode, r.DecodeRate = timing.Decode, rate(max(0, len(r.TokenIDs)-1), timing.Decode)
	r.KVBytes, r.PeakRSS = seq.Bytes(), peakRSS()
	return r, err
}

// show tells what there is to tell of an answer, or all of it in JSON.
func (s *session) show(r *reply) error {
	if s.set.json {
		r.head, r.Adapter = s.head(s.digest), s.adapter
		e := json.NewEncoder(s.out)
		e.SetEscapeHTML(false)
		return e.Encode(r) // one line
	}
	if s.set.verbose {
		s.note("turn      %d: %s tokens, %s of them new", r.Turn, count(r.PromptTokens), count(r.NewTokens))
		s.note("prefill   %s, %.0f tokens/s", seconds(time.Duration(r.PrefillMS*1e6)), r.PrefillRate)
		s.note("decode    %s, %s tokens, %.1f tokens/s", seconds(r.decode), count(len(r.TokenIDs)), r.DecodeRate)
		if r.Cache != nil {
			s.note("cache     %s, in %s", r.Cache, seconds(time.Duration(r.Cache.CompressMS*1e6)))
		}
		s.note("memory    %s of keys and values", size(r.KVBytes))
		s.note("context   %s of %s tokens", count(r.PromptTokens+len(r.TokenIDs)), count(s.context))
	}
	switch r.Finish {
	case "interrupted":
		s.note("Stopped. Ctrl-C again leaves.")
	case "context":
		s.note("The context is full.\n/clear begins anew;\n/save FILE before it keeps the chat.")
	}
	return nil
}
