package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// A backup is one tar file, compressed by zstd and, if asked for, encrypted by age:
//
//	config/dealtrail.toml, config/dealtrail.secrets.toml   keys included
//	state.jsonl        keys of Redis, an ingest.StateKey a line
//	waiting.jsonl      events that were accepted and not loaded yet, a JSON string a line
//	tables/NAME/000001.native   blocks of tables in ClickHouse's format Native
//	files/...          files of content
//	manifest.json      the last: what is in it, with checksums

// manifest says what a backup has.
type manifest struct {
	Format  int               `json:"format"`
	Version string            `json:"version"`
	At      time.Time         `json:"at"`
	Schema  []string          `json:"schema"`  // files of the schema that had been applied
	Tables  map[string]uint64 `json:"tables"`  // rows
	Keys    int               `json:"keys"`    // of Redis
	Waiting int               `json:"waiting"` // events that were not loaded yet
	Files   int               `json:"files"`   // of content
	Needs   []string          `json:"needs"`   // files that the configuration names and the backup has not, such as passwords
	Entries []archived        `json:"entries"`
}

// archived is one entry of a backup.
type archived struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

const (
	manifestName = "manifest.json"
	// archiveFormat is raised when an older program could not read a backup rightly.
	archiveFormat = 2
	// archiveLines is how many bytes of lines make an entry.
	archiveLines = 8 << 20
)

// archive writes a backup.
type archive struct {
	tar      *tar.Writer
	zstd     *zstd.Encoder
	manifest manifest
}

func newArchive(w io.Writer, at time.Time) (*archive, error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return &archive{tar: tar.NewWriter(z), zstd: z, manifest: manifest{Format: archiveFormat, Version: version, At: at.UTC().Truncate(time.Second), Tables: map[string]uint64{}, Needs: []string{}}}, nil
}

// add writes one entry.
func (a *archive) add(name string, content []byte) error {
	sum := sha256.Sum256(content)
	a.manifest.Entries = append(a.manifest.Entries, archived{name, int64(len(content)), hex.EncodeToString(sum[:])})
	return a.write(name, content)
}

func (a *archive) write(name string, content []byte) error {
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: a.manifest.At, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := a.tar.Write(content)
	return err
}

// addFile writes an entry as large as a file.
func (a *archive) addFile(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: a.manifest.At, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(a.tar, sum), io.LimitReader(f, info.Size())); err != nil {
		return err
	}
	a.manifest.Entries = append(a.manifest.Entries, archived{name, info.Size(), hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// close writes the manifest and ends the file.
func (a *archive) close() error {
	text, err := json.MarshalIndent(a.manifest, "", "  ")
	if err == nil {
		err = a.write(manifestName, text)
	}
	return errors.Join(err, a.tar.Close(), a.zstd.Close())
}

// lines collects lines into entries of some size.
type lines struct {
	a    *archive
	name string
	n    int
	b    []byte
}

func (l *lines) add(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.b = append(append(l.b, text...), '\n')
	if len(l.b) < archiveLines {
		return nil
	}
	return l.flush()
}

func (l *lines) flush() error {
	if len(l.b) == 0 {
		return nil
	}
	l.n++
	err := l.a.add(fmt.Sprintf("%s/%06d.jsonl", l.name, l.n), l.b)
	l.b = nil
	return err
}

// readArchive reads a backup from its beginning and hands over each entry with its
// content, which is to be read before the next. It checks every sum against the
// manifest, which comes last: nothing that was handed over counts before it returns nil.
func readArchive(path string, identities []age.Identity, each func(name string, size int64, content io.Reader) error) (*manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := decrypted(f, path, identities)
	if err != nil {
		return nil, err
	}
	return readEntries(path, plain, each)
}

// readEntries is readArchive for one that comes as it was written.
func readEntries(path string, plain io.Reader, each func(name string, size int64, content io.Reader) error) (*manifest, error) {
	z, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("%s is no backup: %w", path, err)
	}
	defer z.Close()
	r := tar.NewReader(z)
	sums := map[string]archived{}
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil, fmt.Errorf("%s ends before its list of contents: it was cut off. Take another backup", path)
		}
		if err != nil && len(sums) == 0 {
			return nil, fmt.Errorf("%s is no backup: %w", path, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s is no whole backup: %w", path, err)
		}
		if h.Name == manifestName {
			return checkManifest(path, r, sums)
		}
		if !safeName(h.Name) {
			return nil, fmt.Errorf("%s has an entry %q, which no backup of ours has", path, h.Name)
		}
		sum := sha256.New()
		content := io.TeeReader(r, sum)
		if each != nil {
			if err := each(h.Name, h.Size, content); err != nil {
				return nil, err
			}
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return nil, fmt.Errorf("%s is damaged: %w", path, err)
		}
		sums[h.Name] = archived{h.Name, h.Size, hex.EncodeToString(sum.Sum(nil))}
	}
}

func checkManifest(path string, r io.Reader, sums map[string]archived) (*manifest, error) {
	m := &manifest{}
	if err := json.NewDecoder(r).Decode(m); err != nil {
		return nil, fmt.Errorf("%s: the list of contents cannot be read: %w", path, err)
	}
	if m.Format > archiveFormat {
		return nil, fmt.Errorf("%s was written by a newer dealtrail (%s); restore it with that one", path, m.Version)
	}
	for _, e := range m.Entries {
		if sums[e.Name] != e {
			return nil, fmt.Errorf("%s is damaged: %s is not what was written", path, e.Name)
		}
	}
	if len(sums) != len(m.Entries) {
		return nil, fmt.Errorf("%s has %d entries and lists %d", path, len(sums), len(m.Entries))
	}
	return m, nil
}

// safeName reports whether an entry stays below the folder that it is unpacked in.
func safeName(name string) bool {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\\x00") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// ageHeader begins what age encrypts.
const ageHeader = "age-encryption.org/"

func decrypted(f io.Reader, path string, identities []age.Identity) (io.Reader, error) {
	b := bufio.NewReaderSize(f, 1<<20)
	head, err := b.Peek(len(ageHeader))
	if err != nil && err != io.EOF {
		return nil, err
	}
	if string(head) != ageHeader {
		return b, nil
	}
	if len(identities) == 0 {
		return nil, usageError{fmt.Errorf("%s is encrypted; name the file with the key by --identity", path)}
	}
	plain, err := age.Decrypt(b, identities...)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be decrypted with that key: %w", path, err)
	}
	return plain, nil
}
