package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestABackupWritesNowhereElse restores entries whose names lead out of the folder.
func TestABackupWritesNowhereElse(t *testing.T) {
	within := t.TempDir()
	dir := filepath.Join(within, "restored")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	config := defaults()
	config.path = filepath.Join(dir, "dealtrail.toml")
	r := &restoring{dir: dir, p: &program{config: config}}
	for _, name := range []string{"config/../escaped", "config//etc/escaped", "files/../../../escaped", "files/ab/../../../../escaped", "config/..", "config/"} {
		if err := r.entry(t.Context(), name, 3, strings.NewReader("bad")); err == nil || !strings.Contains(err.Error(), "outside the folder") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, err := os.ReadDir(within); err != nil || len(left) != 1 {
		t.Errorf("beside the folder there is %v, %v", left, err)
	}
	if err := r.entry(t.Context(), "files/ab/abcd", 4, strings.NewReader("good")); err != nil {
		t.Error(err)
	}
}
