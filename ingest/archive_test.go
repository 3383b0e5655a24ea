package ingest_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"strings"
	"testing"
)

// TestAnArchiveLeadsNowhereElse adds a ZIP whose entries lead out of it, by name or as a
// symbolic link: what is registered is what lies within.
func TestAnArchiveLeadsNowhereElse(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, mode := range map[string]fs.FileMode{
		"good.txt": 0o600, "link.txt": fs.ModeSymlink | 0o777, "folder/link": fs.ModeSymlink | 0o777, "device.txt": fs.ModeDevice | 0o600, "pipe.txt": fs.ModeNamedPipe | 0o600,
		"../../one.txt": 0o600, "/etc/two.txt": 0o600, "a/../../three.txt": 0o600, `..\..\four.txt`: 0o600,
	} {
		h := &zip.FileHeader{Name: name}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("/etc/passwd"))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	reports, err := r.AddFile(t.Context(), "all.zip", bytes.NewReader(b.Bytes()), int64(b.Len()), "", nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, report := range reports {
		found = found || report.Name == "good.txt" && report.Content == "good"
		if report.Name == "link.txt" || report.Name == "folder/link" || report.Name == "device.txt" || report.Name == "pipe.txt" {
			t.Errorf("registered is %+v", report)
		}
		if report.Content != "" {
			if a := p.state(t, report.Content); a["file_size"] != "11" || strings.ContainsAny(a["file_name"], `/\`) {
				t.Errorf("%s is %v", report.Content, a)
			}
		}
	}
	if !found {
		t.Errorf("the good file is not there: %+v", reports)
	}
}
