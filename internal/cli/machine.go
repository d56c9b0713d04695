package cli

import (
	"runtime"

	"github.com/micaml/mica/internal/cpu"
)

// Version is the version of mica.
const Version = "0.1.0-dev"

// machine is where a result was computed.
type machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Kernels string `json:"kernels"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func thisMachine() machine {
	return machine{CPU: cpuModel(), Cores: runtime.NumCPU(), Kernels: cpu.Kernels().String(), OS: runtime.GOOS, Arch: runtime.GOARCH}
}

// head is what every JSON document begins with.
type head struct {
	Mica    string  `json:"mica"`
	Machine machine `json:"machine"`
	Seed    uint64  `json:"seed"`
	Digest  string  `json:"digest,omitempty"` // SHA-256 of the model's file
}

func (c *call) head(digest string) head {
	return head{Version, thisMachine(), c.set.seed, digest}
}
