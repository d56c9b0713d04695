package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// environment is what the process's environment says about models. It is read once, by
// Open; the rest of the package, and all packages above it, do not look there.
type environment struct {
	offline  string   // the variable that forbids the network, or ""
	endpoint string   // address of the Hub
	token    string   // sent to that address only; never logged
	cache    hubCache // the folder that all Hub clients share
}

// Default gives the folder of the default store: $MICA_CACHE, else mica in the
// user's cache folder (~/.cache on Linux, ~/Library/Caches on macOS, %LocalAppData% on Windows).
func Default() (string, error) {
	if dir := os.Getenv("MICA_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", &Error{Ref: "model store", Err: fmt.Errorf("no cache folder: %w", err), Hint: "set MICA_CACHE to a folder"}
	}
	return filepath.Join(dir, "mica"), nil
}

// readEnvironment follows the names and the precedence of the Hub's own client.
func readEnvironment() environment {
	env := environment{endpoint: "https://huggingface.co"}
	for _, name := range []string{"MICA_OFFLINE", "HF_HUB_OFFLINE"} {
		if isTrue(os.Getenv(name)) {
			env.offline = name
			break
		}
	}
	if e := os.Getenv("HF_ENDPOINT"); e != "" {
		env.endpoint = strings.TrimRight(e, "/")
	}
	home := hubHome()
	env.cache.root = first(os.Getenv("HF_HUB_CACHE"), os.Getenv("HUGGINGFACE_HUB_CACHE"), filepath.Join(home, "hub"))
	env.token = first(os.Getenv("HF_TOKEN"), os.Getenv("HUGGING_FACE_HUB_TOKEN"))
	if env.token == "" && !isTrue(os.Getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		// A missing or unreadable file means not logged in, which most models allow.
		b, _ := os.ReadFile(first(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token")))
		env.token = string(b)
	}
	env.token = strings.TrimSpace(env.token)
	return env
}

// hubHome is the folder of the Hub's clients: the same path on every system.
func hubHome() string {
	if dir := os.Getenv("HF_HOME"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "huggingface")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir() // no home, as in some containers: still a usable, if passing, place
	}
	return filepath.Join(home, ".cache", "huggingface")
}

// isTrue reads a switch as the Hub's client does.
func isTrue(v string) bool {
	switch strings.ToUpper(v) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
