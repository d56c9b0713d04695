//go:build !unix && !windows

package tensor

import "os"

// mapFile reads the file where the operating system offers no mapping.
func mapFile(f *os.File, size int) (*Mapping, error) { return readFile(f, size) }
