package cli

import "golang.org/x/sys/windows"

// memory is not known here.
func memory() (total, free int64) { return 0, 0 }

// diskFree returns how many bytes a user may still write below dir.
func diskFree(dir string) (int64, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	if windows.GetDiskFreeSpaceEx(name, &free, nil, nil) != nil {
		return 0, false
	}
	return int64(free), true
}
