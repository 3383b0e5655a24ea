package main

import (
	"os"
	"strconv"
	"strings"
)

// reportMemory is how many bytes one report may take of the embedded engine: half of what
// this machine has, or the container, so that one alone cannot end the engine; 0 if
// neither can be told.
func reportMemory() uint64 {
	machine, _ := os.ReadFile("/proc/meminfo")
	container, _ := os.ReadFile("/sys/fs/cgroup/memory.max")
	return halfOf(string(machine), string(container))
}

// halfOf reads the text of /proc/meminfo and of a cgroup's memory.max, either of which may
// be missing.
func halfOf(machine, container string) (bytes uint64) {
	_, rest, _ := strings.Cut(machine, "MemTotal:")
	if words := strings.Fields(rest); len(words) > 1 && words[1] == "kB" {
		kB, _ := strconv.ParseUint(words[0], 10, 64)
		bytes = kB << 10
	}
	if most, err := strconv.ParseUint(strings.TrimSpace(container), 10, 64); err == nil && (bytes == 0 || most < bytes) {
		bytes = most
	}
	return bytes / 2
}
