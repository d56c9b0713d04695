package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/micaml/mica/chat"
	"github.com/micaml/mica/internal/atomicfile"
)

const (
	chatFormat  = 1
	maxChatFile = 16 << 20 // bytes
	maxTurns    = 100_000
)

// chatFile is what /save writes: a chat, and how it was had.
type chatFile struct {
	Format   int                        `json:"mica_chat"` // chatFormat
	Mica     string                     `json:"mica"`
	Model    string                     `json:"model"`
	Digest   string                     `json:"digest"`
	Settings map[string]json.RawMessage `json:"settings"` // of chatSettings, without the system message
	Messages []chatLine                 `json:"messages"` // system if there is one, then user and assistant by turns
}

type chatLine struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// save is /save. It replaces saved chats, and no other file.
func (s *session) save(path string) error {
	path = home(path)
	if _, err := os.Lstat(path); err == nil {
		if _, err := readChat(path); err != nil {
			return usage("choose another name", "%s: is there, and no saved chat", path)
		}
	}
	digest, err := s.m.digest()
	if err != nil {
		return err
	}
	f := chatFile{Format: chatFormat, Mica: Version, Model: s.m.file.Name, Digest: digest, Settings: map[string]json.RawMessage{}, Messages: []chatLine{}}
	for _, key := range chatSettings {
		switch v := chatOption(key).value(s.set).String(); {
		case key == "system", v == "":
		case key == "cache":
			f.Settings[key] = json.RawMessage(strconv.Quote(v)) // of letters, digits and signs
		default:
			f.Settings[key] = json.RawMessage(v)
		}
	}
	for _, m := range s.messages() {
		f.Messages = append(f.Messages, chatLine{m.Role, m.Content})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(f); err != nil {
		return err
	}
	// What people say is for their own eyes.
	if err := atomicfile.WriteBytes(path, 0o600, b.Bytes()); err != nil {
		return failed("name a file in a folder that you can write to", "%w", err)
	}
	s.note("Saved %s messages in\n%s", count(len(f.Messages)), harmless(path))
	return nil
}

// restore is /load. It takes the whole file or, if anything is wrong with it,
// nothing.
func (s *session) restore(path string) error {
	path = home(path)
	f, err := readChat(path)
	if err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return failed("name a file that /save has written", "%s: %w", path, fmt.Errorf(format, args...))
	}
	set := *s.set
	for key, raw := range f.Settings {
		v, err := scalar(raw)
		if err == nil {
			err = chatOption(key).value(&set).Set(v)
		}
		if err != nil {
			return bad("settings.%s: %w", key, err)
		}
	}
	cache, err := newChatCache(set.cache)
	if err != nil {
		return bad("settings.cache: %w", err)
	}
	set.system = ""
	var turns []chat.Message
	for _, m := range f.Messages {
		if m.Role == "system" {
			set.system = m.Content
			continue
		}
		turns = append(turns, chat.Message{Role: m.Role, Content: m.Content})
	}
	// A copy shows whether it fits before anything changes.
	next := *s.call
	next.set = &set
	trial := session{call: &next, turns: turns}
	ids, err := s.m.Chat(trial.messages()...)
	if err != nil && len(f.Messages) > 0 {
		return bad("chat template: %w", err)
	}
	if len(ids) > s.context {
		return usage("--context makes room, or load a shorter one", "%s: %s tokens, and the context holds %s", path, count(len(ids)), count(s.context))
	}
	*s.set, s.cache, s.turns = set, cache, turns
	s.forget()
	if digest, err := s.m.digest(); err == nil && digest != f.Digest {
		s.note("It was had with another model: %s.", harmless(f.Model))
	}
	s.note("Loaded %s messages.", count(len(f.Messages)))
	return nil
}

// readChat reads and checks a saved chat. Errors name the file and the field.
func readChat(path string) (*chatFile, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing("name a file that /save has written", "%s: no such file", path)
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	bad := func(format string, args ...any) error {
		return failed("name a file that /save has written", "%s: %w", path, fmt.Errorf(format, args...))
	}
	switch {
	case !st.Mode().IsRegular(): // a pipe would be waited for
		return nil, bad("not a file")
	case st.Size() > maxChatFile:
		return nil, bad("%s, and a saved chat has at most %s", size(st.Size()), size(maxChatFile))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	var f chatFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // what isn't understood would be lost with the next /save
	if err := d.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("ends too early")
		}
		return nil, bad("not a saved chat: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, bad("not a saved chat: something follows it")
	}
	if err := f.check(); err != nil {
		return nil, bad("%w", err)
	}
	return &f, nil
}

func (f *chatFile) check() error {
	switch {
	case f.Format == 0:
		return errors.New("mica_chat: missing: not a saved chat")
	case f.Format != chatFormat:
		return fmt.Errorf("mica_chat: format %d, and this version reads %d", f.Format, chatFormat)
	case len(f.Messages) > maxTurns:
		return fmt.Errorf("messages: %s of them, at most %s", count(len(f.Messages)), count(maxTurns))
	}
	for key := range f.Settings {
		if key == "system" || !slices.Contains(chatSettings, key) {
			return fmt.Errorf("settings.%s: no such setting", key)
		}
	}
	turn := []string{"user", "assistant"}
	said := f.Messages
	if len(said) > 0 && said[0].Role == "system" {
		said = said[1:]
	}
	for i, m := range said {
		if want := turn[i%2]; m.Role != want {
			return fmt.Errorf("messages[%d].role: %q, and it is %s's turn", i+len(f.Messages)-len(said), m.Role, want)
		}
	}
	if len(said)%2 != 0 {
		return fmt.Errorf("messages[%d]: not answered", len(f.Messages)-1)
	}
	return nil
}

// home replaces a leading ~/, which no shell has seen here.
func home(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, rest)
		}
	}
	return path
}
