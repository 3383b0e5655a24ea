package ingest_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dealtrail/ingest"
	"dealtrail/trail"
)

func TestFileIsFoundByItsHashOnly(t *testing.T) {
	files := &ingest.Files{Dir: filepath.Join(t.TempDir(), "files")}
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for range 2 { // the same file twice is one file
		sha, size, err := files.Save(strings.NewReader("abc"), 3)
		if err != nil || sha != abc || size != 3 {
			t.Fatalf("saved as %s with %d bytes, %v", sha, size, err)
		}
	}
	f, err := files.Open(abc)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); string(data) != "abc" || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
	for _, name := range []string{"", "..", "../../etc/passwd", strings.ToUpper(abc), abc[:62], abc + "ab", "ba/" + abc[3:], strings.Repeat("0", 64)} {
		if f, err := files.Open(name); !errors.Is(err, os.ErrNotExist) {
			f.Close()
			t.Errorf("open %q: %v", name, err)
		}
	}
}

func TestFileOverTheLimitLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	files := &ingest.Files{Dir: dir}
	_, _, err := files.Save(strings.NewReader("abcd"), 3)
	wantProblem(t, err, trail.TooLarge)
	if _, _, err := files.Save(io.MultiReader(strings.NewReader("a"), broken{}), 3); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken upload: %v", err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
