package ingest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxReview is how many bytes a file of a review, or a part of one unpacked, may have.
const maxReview = 64 << 20

// redactFiles rewrites the files of reviews in a folder that text changes, and returns
// their names. What people wrote into them besides stays.
func redactFiles(ctx context.Context, dir string, text func(string) string) (changed []string, err error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look into the reviews: %w", err)
	}
	for _, f := range entries {
		if err := context.Cause(ctx); err != nil {
			return changed, err
		}
		if !f.Type().IsRegular() || !strings.HasPrefix(f.Name(), "review-") {
			continue
		}
		path := filepath.Join(dir, f.Name())
		old, err := os.ReadFile(path)
		if err != nil {
			return changed, fmt.Errorf("look into the reviews: %w", err)
		}
		next, err := redact(old, text)
		if err != nil {
			return changed, fmt.Errorf("%s: %w", path, err)
		}
		if next == nil {
			continue
		}
		if err := writeFile(path, next); err != nil {
			return changed, fmt.Errorf("rewrite a review: %w", err)
		}
		changed = append(changed, f.Name())
	}
	return changed, nil
}

// redact returns a file that text changes, part by part if it is a workbook, or nil if
// there is nothing to change.
func redact(old []byte, text func(string) string) ([]byte, error) {
	if !bytes.HasPrefix(old, []byte("PK\x03\x04")) {
		if next := text(string(old)); next != string(old) {
			return []byte(next), nil
		}
		return nil, nil
	}
	r, err := zip.NewReader(bytes.NewReader(old), int64(len(old)))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	changed := false
	for _, part := range r.File {
		in, err := part.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(io.LimitReader(in, maxReview+1))
		if err = errors.Join(err, in.Close()); err != nil {
			return nil, err
		}
		if len(content) > maxReview {
			return nil, fmt.Errorf("%s has more than %d bytes", part.Name, maxReview)
		}
		next := text(string(content))
		changed = changed || next != string(content)
		out, err := w.CreateHeader(&zip.FileHeader{Name: part.Name, Method: zip.Deflate, Modified: part.Modified})
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(out, next); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil || !changed {
		return nil, err
	}
	return b.Bytes(), nil
}
