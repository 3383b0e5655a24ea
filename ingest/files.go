package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"dealtrail/trail"
)

// Files keeps the files that links serve, each once, under the SHA-256 of its
// bytes: Dir/ab/abcd....
type Files struct {
	Dir string
}

// Save stores what r holds, durably, and returns its SHA-256 in hex and its
// size in bytes. More than max bytes are a *trail.Problem TooLarge.
func (f *Files) Save(r io.Reader, max int64) (sha string, size int64, err error) {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return "", 0, fmt.Errorf("make the directory of files: %w", err)
	}
	tmp, err := os.CreateTemp(f.Dir, ".new-*")
	if err != nil {
		return "", 0, fmt.Errorf("save file: %w", err)
	}
	defer os.Remove(tmp.Name()) // once renamed, there is nothing under this name
	defer tmp.Close()
	sum := sha256.New()
	size, err = io.Copy(io.MultiWriter(tmp, sum), io.LimitReader(r, max+1))
	if err != nil {
		return "", 0, fmt.Errorf("save file: %w", err)
	}
	if size > max {
		return "", 0, trail.Problemf(trail.TooLarge, "The file is larger than the %d MB that are allowed.", max>>20)
	}
	sha = hex.EncodeToString(sum.Sum(nil))
	path := f.path(sha)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), tmp.Sync(), tmp.Close()); err != nil {
		return "", 0, fmt.Errorf("save file: %w", err) // before it has its name: half a file would count as the whole
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return "", 0, fmt.Errorf("save file: %w", err)
	}
	if err := errors.Join(syncDir(filepath.Dir(path)), syncDir(f.Dir)); err != nil {
		return "", 0, fmt.Errorf("save file: %w", err)
	}
	return sha, size, nil
}

// Open opens a file by its SHA-256 in lower-case hex. Any other name and a hash
// that nobody saved are os.ErrNotExist.
func (f *Files) Open(sha string) (*os.File, error) {
	if !isSHA(sha) {
		return nil, fmt.Errorf("open file: %w", os.ErrNotExist)
	}
	return os.Open(f.path(sha))
}

func (f *Files) path(sha string) string { return filepath.Join(f.Dir, sha[:2], sha) }

func isSHA(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && hex.EncodeToString(b) == s
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// writeFile replaces a file as a whole: whoever reads it, even after a power
// cut, finds the old bytes or the new.
func writeFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
