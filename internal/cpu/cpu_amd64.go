package cpu

import "golang.org/x/sys/cpu"

func hasAVX2() bool {
	c := &cpu.X86
	return c.HasAVX2 && c.HasFMA && c.HasF16C
}

func hasAVX512() bool {
	c := &cpu.X86
	return c.HasAVX512F && c.HasAVX512BW && c.HasAVX512DQ && c.HasAVX512VL &&
		c.HasAVX512VBMI && c.HasAVX512VNNI
}
