//go:build !linux && !darwin && !windows

package cli

// memory is not known here.
func memory() (total, free int64) { return 0, 0 }

// diskFree is not known here.
func diskFree(string) (int64, bool) { return 0, false }
