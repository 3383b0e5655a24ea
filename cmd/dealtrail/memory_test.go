package main

import "testing"

func TestAReportMayTakeHalfOfTheMemory(t *testing.T) {
	const machine = "MemTotal:        8000000 kB\nMemFree:          100000 kB\n"
	for _, c := range []struct {
		machine, container string
		want               uint64
	}{
		{machine, "", 4_096_000_000},
		{machine, "max\n", 4_096_000_000},
		{machine, "2000000000\n", 1_000_000_000},
		{machine, "9000000000000000000\n", 4_096_000_000},
		{"", "2000000000\n", 1_000_000_000},
		{"", "", 0},
		{"MemTotal: many kB", "", 0},
	} {
		if got := halfOf(c.machine, c.container); got != c.want {
			t.Errorf("%q and %q: %d, want %d", c.machine, c.container, got, c.want)
		}
	}
	if reportMemory() == 0 {
		t.Error("the memory of this machine is not known")
	}
}
