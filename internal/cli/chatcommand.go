package cli

import (
	"io"
	"slices"
	"strings"
)

// chatCommand is a line of a chat that begins with a slash. Its words for
// /help fit a narrow terminal.
type chatCommand struct {
	name, arg string // arg: what must follow, "[...]" what may
	help      string
	run       func(s *session, arg string) error
}

func chatCommands() []chatCommand {
	return []chatCommand{
		{"/help", "", "this list", (*session).help},
		{"/bye", "", "leave; Ctrl-D does too", func(*session, string) error { return io.EOF }},
		{"/clear", "", "forget what was said", (*session).clear},
		{"/save", "FILE", "keep the chat in a file", (*session).save},
		{"/load", "FILE", "go on with a saved chat", (*session).restore},
		{"/set", "[KEY VALUE]", "show the settings", (*session).change},
	}
}

// chatSettings are the keys of /set, which are the names of flags.
var chatSettings = []string{"temp", "top-k", "top-p", "seed", "predict", "system", "cache"}

func chatOption(key string) *option {
	if key == "cache" {
		key = "kv-cache"
	}
	return findOption(key)
}

// command runs a line that begins with a slash.
func (s *session) command(line string) error {
	name, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
	arg = strings.TrimSpace(arg)
	var names []string
	for _, c := range chatCommands() {
		names = append(names, c.name)
		if c.name != name {
			continue
		}
		switch {
		case c.arg == "" && arg != "":
			return usage("write "+name+" alone", "%s: takes nothing, not %q", name, arg)
		case arg == "" && c.arg != "" && c.arg[0] != '[':
			return usage("write "+name+" "+c.arg, "%s: needs a %s", name, strings.ToLower(c.arg))
		}
		return c.run(s, arg)
	}
	return usage(didYouMean(name, names, "/help lists the commands; text may begin with a space"), "%s: no such command", name)
}

func (s *session) help(string) error {
	for _, c := range chatCommands() {
		arg := c.arg
		if arg != "" && arg[0] == '[' {
			arg = ""
		}
		s.say("%s%s", pad(strings.TrimSpace(c.name+" "+arg), 12), c.help)
	}
	s.say("%s%s", pad("/set KEY V", 12), "change one:")
	s.say("%s%s", pad("", 12), strings.Join(chatSettings[:4], ", ")+",")
	s.say("%s%s", pad("", 12), strings.Join(chatSettings[4:], ", "))
	s.say("%s%s", pad(quotes, 12), "begins and ends text")
	s.say("%s%s", pad("", 12), "of several lines")
	return nil
}

func (s *session) clear(string) error {
	s.turns = nil
	s.forget()
	s.note("Forgotten.")
	return nil
}

// change is /set: without a key it shows what is in force.
func (s *session) change(arg string) error {
	if arg == "" {
		for _, key := range chatSettings {
			v := chatOption(key).value(s.set).String()
			if v == "" {
				v = "-"
			}
			s.say("%s%s", pad(key, 12), harmless(v))
		}
		return nil
	}
	key, value, _ := strings.Cut(arg, " ")
	value = strings.TrimSpace(value)
	if !slices.Contains(chatSettings, key) {
		return usage(didYouMean(key, chatSettings, "the settings are "+strings.Join(chatSettings, ", ")), "/set %s: no such setting", quoted(key))
	}
	if value == "" && key != "system" {
		return usage("/set alone shows the settings", "/set %s: needs a value", key)
	}
	if key == "cache" {
		cache, err := newChatCache(value)
		if err != nil {
			return err
		}
		s.cache = cache
		s.forget() // what is forgotten already is needed again
	}
	if err := chatOption(key).value(s.set).Set(value); err != nil {
		return usage("/set alone shows the settings", "/set %s %s: %w", key, quoted(value), err)
	}
	return nil
}
