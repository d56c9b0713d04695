package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/micaml/mica/internal/cpu"
	"github.com/micaml/mica/model/lm"
	"github.com/micaml/mica/store"
	"github.com/rivo/uniseg"
	"github.com/spf13/pflag"
)

var doctorVerb = verb{
	name:  "doctor",
	short: "check this machine for what mica needs",
	long: `doctor checks the processor, the memory, the folder of models and each model in
it, the settings and the terminal, and says what to do about what isn't well. It
changes nothing and doesn't use the network. It exits with 1 if a check fails.`,
	run: runDoctor, anyKernels: true,
}

// States of a check, by what they mean for the user.
const (
	stateOK   = "ok"   // as it should be
	stateWarn = "warn" // works, but not as well as it could
	stateFail = "fail" // a verb will fail
)

// check is a line of doctor.
type check struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Found string `json:"found"`
	Fix   string `json:"fix,omitempty"` // what to do about it
}

// roomy is the free disk space, and the free memory beyond the model's own,
// with which most small models work.
const roomy = 1 << 30

func runDoctor(_ context.Context, c *call) error {
	checks := []check{checkVersion(), checkKernels(), checkCores(), checkSettings()}
	s, err := store.Open("")
	if err != nil {
		checks = append(checks, check{"store", stateFail, err.Error(), "set MICA_CACHE to a folder"})
	} else {
		checks = append(checks, checkFolder(s.Dir()))
		models, need := checkModels(s)
		checks = append(checks, checkNetwork(len(models) > 0), checkMemory(need))
		checks = append(checks, models...)
		if len(models) == 0 {
			checks = append(checks, check{"models", stateWarn, "none yet", "`mica pull " + demoModel + "` fetches a small one"})
		}
	}
	checks = append(checks, c.checkTerminal())
	failures := 0
	for _, k := range checks {
		if k.State == stateFail {
			failures++
		}
	}
	if c.set.json {
		err = c.printJSON(struct {
			head
			OK     bool    `json:"ok"`
			Checks []check `json:"checks"`
		}{c.head(""), failures == 0, checks})
	} else {
		c.printChecks(checks)
	}
	if err == nil && failures > 0 {
		err = failed("what to do stands under each of them", "checks that failed: %d of %d", failures, len(checks))
	}
	return err
}

func (c *call) printChecks(checks []check) {
	width := c.outTTY
	if width == 0 {
		width = 1 << 16 // for grep, a line is a line
	}
	name, style := 0, map[string]string{stateOK: green, stateWarn: yellow, stateFail: red}
	for _, k := range checks {
		name = max(name, uniseg.StringWidth(k.Name))
	}
	left := len(stateWarn) + 2 + name + 2
	if width-left < 24 {
		left = len(stateWarn) + 2 // the name gets a line of its own
	}
	for _, k := range checks {
		lines := fold(harmless(k.Found), width-left)
		if k.Fix != "" {
			lines = append(lines, fold(harmless(k.Fix), width-left)...)
		}
		head := paint(c.colorOut, style[k.State], pad(k.State, len(stateWarn))) + "  "
		if left > len(stateWarn)+2 {
			head += pad(k.Name, name) + "  "
		} else {
			head += k.Name + "\n" + strings.Repeat(" ", left)
		}
		fmt.Fprintln(c.out, head+strings.Join(lines, "\n"+strings.Repeat(" ", left)))
	}
}

// fold breaks text at spaces into lines of a width in columns. A word that is
// longer than that stays whole: it may be a path, to be copied.
func fold(text string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && uniseg.StringWidth(line)+1+uniseg.StringWidth(w) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}

func checkVersion() check {
	return check{"version", stateOK, fmt.Sprintf("mica %s, %s, %s/%s", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH), ""}
}

func checkKernels() check {
	have := cpu.Tiers()
	best := have[len(have)-1]
	tier, err := cpu.Selected()
	k := check{"kernels", stateOK, fmt.Sprintf("%s, on %s", tier, cpuModel()), ""}
	switch {
	case err != nil:
		k.State, k.Found, k.Fix = stateFail, err.Error(), "unset "+cpu.EnvKernels+", or set it to one of those"
	case tier < best:
		k.State, k.Fix = stateWarn, fmt.Sprintf("%s asks for that; without it the faster %s would run", cpu.EnvKernels, best)
	case tier == cpu.Go:
		k.State, k.Fix = stateWarn, "all works, but slowly: a processor with AVX2 or AVX-512 is many times faster"
	}
	return k
}

func checkCores() check {
	k := check{"cores", stateOK, fmt.Sprint(runtime.NumCPU()), ""}
	if n := runtime.GOMAXPROCS(0); n < runtime.NumCPU() {
		k.State, k.Found = stateWarn, fmt.Sprintf("%d, and mica may use %d", runtime.NumCPU(), n)
		k.Fix = "a container's limit or GOMAXPROCS says so; raise it for more speed"
	}
	return k
}

// checkSettings looks at every setting of the environment and of the
// configuration file; a verb looks only at its own.
func checkSettings() check {
	var opts []*option
	for i := range options {
		opts = append(opts, &options[i])
	}
	from, err := settle(opts, pflag.NewFlagSet("", pflag.ContinueOnError), defaults())
	if err != nil {
		f := judge(err)
		return check{"settings", stateFail, f.Error(), f.hint}
	}
	n := 0
	for _, f := range from {
		if f != fromDefault {
			n++
		}
	}
	if n == 0 {
		return check{"settings", stateOK, "all defaults", ""}
	}
	return check{"settings", stateOK, fmt.Sprintf("%d changed; `mica env` shows which", n), ""}
}

// checkFolder tells whether models can be stored in a folder, which need not
// exist yet.
func checkFolder(dir string) check {
	k := check{"store", stateOK, dir, ""}
	at := dir
	for {
		st, err := os.Stat(at)
		if err == nil && !st.IsDir() {
			err = errors.New("not a folder")
		}
		if err == nil {
			break
		}
		up := filepath.Dir(at)
		if !errors.Is(err, fs.ErrNotExist) || up == at {
			return check{"store", stateFail, fmt.Sprintf("%s: %v", at, reason(err)), "make it a folder that you can write to, or set MICA_CACHE to another"}
		}
		at = up
	}
	f, err := os.CreateTemp(at, ".mica-doctor-*")
	if err != nil {
		return check{"store", stateFail, fmt.Sprintf("%s: can't be written to: %v", at, reason(err)), "make it writable, or set MICA_CACHE to another folder"}
	}
	f.Close()
	os.Remove(f.Name())
	free, known := diskFree(at)
	if !known {
		return k
	}
	k.Found += ", " + size(free) + " free"
	if free < roomy {
		k.State, k.Fix = stateWarn, "make room, or set MICA_CACHE to a folder on a larger disk"
	}
	return k
}

// reason is an error without the path and the system call.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// checkModels opens each model of the store, which reads all but the weights.
// need is the size of the smallest that works.
func checkModels(s *store.Store) (checks []check, need int64) {
	have, err := s.List()
	known := map[string]bool{}
	for _, m := range have {
		known[m.Name] = true
		k := check{"model", stateOK, m.Name + ", " + size(m.Size), ""}
		open, err := lm.Open(m.Path)
		if err == nil {
			err = open.Close()
		}
		if err != nil {
			k.State, k.Found, k.Fix = stateFail, m.Name+": "+err.Error(), pullAgain(m.Name)
		} else if need == 0 || m.Size < need {
			need = m.Size
		}
		checks = append(checks, k)
	}
	told := ""
	if err != nil {
		told = err.Error()
		for line := range strings.Lines(told) {
			checks = append(checks, check{"model", stateFail, strings.TrimSpace(line), "delete that folder and pull the model again"})
		}
	}
	// A model whose file has gone, or has another size than when it was
	// pulled, is none to the store, and isn't listed.
	manifests, _ := filepath.Glob(filepath.Join(s.Dir(), "models", "*", "manifest.json"))
	for _, path := range manifests {
		var m struct{ Name, File string }
		if b, err := os.ReadFile(path); err != nil || json.Unmarshal(b, &m) != nil || known[m.Name] || strings.Contains(told, path) {
			continue
		}
		checks = append(checks, check{"model", stateFail, m.Name + ": " + m.File + " has gone, or has changed since it was pulled", pullAgain(m.Name)})
	}
	return checks, need
}

func pullAgain(name string) string { return "`mica pull " + name + "` fetches it again" }

func checkNetwork(models bool) check {
	for _, name := range []string{"MICA_OFFLINE", "HF_HUB_OFFLINE"} {
		switch strings.ToUpper(os.Getenv(name)) {
		case "1", "ON", "YES", "TRUE": // as the store reads them
			k := check{"network", stateOK, "not used: " + name + " forbids it", ""}
			if !models {
				k.State, k.Fix = stateWarn, "unset "+name+" for the first `mica pull`"
			}
			return k
		}
	}
	return check{"network", stateOK, "used by `mica pull` only; not tried now", ""}
}

func checkMemory(need int64) check {
	total, free := memory()
	if total == 0 {
		return check{"memory", stateOK, "not known on this system", ""}
	}
	k := check{"memory", stateOK, size(total), ""}
	if free > 0 {
		k.Found = size(free) + " free of " + size(total)
	} else {
		free = total
	}
	if free < need+roomy/4 {
		k.State, k.Fix = stateWarn, "end other programs, or use a smaller model: what doesn't fit is read from the disk again and again"
	}
	return k
}

func (c *call) checkTerminal() check {
	k := check{"terminal", stateOK, fmt.Sprintf("%d columns, ", c.outTTY), ""}
	if c.outTTY == 0 {
		k.Found = "none on standard output, "
	}
	switch {
	case c.colorOut:
		k.Found += "colour"
	case os.Getenv("NO_COLOR") != "":
		k.Found += "no colour: NO_COLOR is set"
	case os.Getenv("TERM") == "dumb":
		k.Found += "no colour: TERM is dumb"
	default:
		k.Found += "no colour"
	}
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} { // the first that is set counts
		if locale = os.Getenv(name); locale != "" {
			break
		}
	}
	utf8 := strings.Contains(strings.ToUpper(strings.ReplaceAll(locale, "-", "")), "UTF8")
	switch {
	case c.outTTY > 0 && runtime.GOOS != "windows" && !utf8:
		k.State, k.Found = stateWarn, k.Found+", no UTF-8"
		k.Fix = "signs such as ·, ⏎ and … may look wrong: set LANG to a locale with UTF-8, such as C.UTF-8"
	case c.outTTY > 0 && c.outTTY < 40:
		k.State, k.Fix = stateWarn, "tables are cut to fit: 40 columns or more are better"
	}
	return k
}
