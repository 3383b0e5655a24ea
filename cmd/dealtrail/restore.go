package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

type restoreCmd struct {
	File       string `arg:"" help:"The backup." type:"existingfile"`
	Data       string `required:"" help:"The folder that gets dealtrail.toml, its secrets and the data. It must be empty, but for a file tombstones, and for a dealtrail.toml with its secrets to restore under." type:"path"`
	Identity   string `help:"A file with the age key of an encrypted backup." type:"existingfile"`
	Tombstones string `help:"The file tombstones as it was last, if it was kept elsewhere: who was erased after the backup stays so." type:"existingfile"`
}

// Run checks the whole backup, then brings it back.
func (cmd restoreCmd) Run(e *env) error {
	var identities []age.Identity
	if cmd.Identity != "" {
		f, err := os.Open(cmd.Identity)
		if err != nil {
			return err
		}
		defer f.Close()
		if identities, err = age.ParseIdentities(f); err != nil {
			return usageError{fmt.Errorf("--identity %s: %w", cmd.Identity, err)}
		}
	}
	m, err := readArchive(cmd.File, identities, nil)
	if err != nil {
		return err
	}
	if unknown := store.UnknownSchema(m.Schema); len(unknown) > 0 {
		return fmt.Errorf("%s is of a newer dealtrail (%s), which has %s; restore it with that one", cmd.File, m.Version, strings.Join(unknown, ", "))
	}
	if err := emptyBut(cmd.Data, "tombstones", "dealtrail.toml", "dealtrail.secrets.toml"); err != nil {
		return err
	}
	r := &restoring{dir: cmd.Data, env: os.Environ(), log: logger(e.err), rows: map[string]uint64{}}
	if r.tombstones, err = oldTombstones(cmd.Tombstones, filepath.Join(cmd.Data, "tombstones")); err != nil {
		return err
	}
	if err := r.restore(e.ctx, cmd.File, identities); err != nil {
		return fmt.Errorf("%w (what was restored so far is incomplete; empty %s, and the databases that its dealtrail.toml names, before you try again)", err, cmd.Data)
	}
	fmt.Fprintf(e.out, "Restored the backup of %s: %d rows of events, %d events that wait, %d keys of state, %d files.\n", m.At.Format(time.RFC3339), r.rows["events"], m.Waiting, m.Keys, m.Files)
	if n := len(r.p.tombstones.All()); n > 0 {
		fmt.Fprintf(e.out, "Tombstones: %d. Of those people %d were in the backup, and are left out.\n", n, len(r.came))
	}
	if len(r.tombstones) == 0 {
		fmt.Fprintf(e.out, "No file tombstones was there: who was erased after that time is here again. Erase them again, or begin again with --tombstones.\n")
	}
	for _, f := range m.Needs {
		if _, err := os.Stat(r.p.config.beside(f)); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(e.out, "Still needed, and in no backup: %s\n", r.p.config.beside(f))
		}
	}
	_, err = fmt.Fprintf(e.out, "Start it with: %s serve --config %s\n", called(), r.p.config.path)
	return err
}

// emptyBut refuses a folder that has anything but some files.
func emptyBut(dir string, allowed ...string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return err
	}
	for _, f := range entries {
		if !slices.Contains(allowed, f.Name()) {
			return fmt.Errorf("%s has %s: a backup is restored into an empty folder, so that nothing is mixed or lost", dir, f.Name())
		}
	}
	return nil
}

// oldTombstones reads the tombstones that were kept apart from the backup.
func oldTombstones(paths ...string) (map[string]time.Time, error) {
	all := map[string]time.Time{}
	for _, path := range paths {
		if path == "" {
			continue
		}
		stones, err := ingest.ReadTombstones(path)
		if err != nil {
			return nil, err
		}
		for stone, at := range stones {
			all[stone] = at
		}
	}
	return all, nil
}

// restoring is a restore under way.
type restoring struct {
	dir        string
	env        []string
	log        *slog.Logger
	tombstones map[string]time.Time
	p          *program // nil until the configuration is there
	rows       map[string]uint64
	state      bool                               // all of it is loaded
	came       map[trail.ContactID][]trail.Person // who was erased and is in the backup
}

func (r *restoring) restore(ctx context.Context, file string, identities []age.Identity) (err error) {
	r.came = map[trail.ContactID][]trail.Person{}
	defer func() {
		if r.p != nil {
			err = errors.Join(err, r.p.close())
		}
	}()
	m, err := readArchive(file, identities, func(name string, size int64, content io.Reader) error {
		if err := r.entry(ctx, name, size, content); err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.erase(ctx); err != nil {
		return err
	}
	for _, table := range slices.Sorted(maps.Keys(m.Tables)) {
		if n := m.Tables[table]; r.rows[table] != n {
			return fmt.Errorf("the table %s got %d rows, and the backup has %d", table, r.rows[table], n)
		}
	}
	return os.Remove(filepath.Join(r.p.config.beside(r.p.config.Data.Dir), restoringFile))
}

func (r *restoring) entry(ctx context.Context, name string, size int64, content io.Reader) error {
	kind, rest, _ := strings.Cut(name, "/")
	if !filepath.IsLocal(filepath.FromSlash(rest)) && strings.Contains(name, "/") {
		return fmt.Errorf("it has a file %q that would lie outside the folder of the backup; no backup of ours has that, and nothing of it should be used", name)
	}
	if kind == "config" {
		path := filepath.Join(r.dir, rest)
		if _, err := os.Stat(path); err == nil {
			return nil // the one to restore under
		}
		return writeFrom(path, content)
	}
	if r.p == nil {
		if err := r.open(ctx); err != nil {
			return err
		}
	}
	switch kind {
	case "state":
		return eachLine(content, func(line []byte) error {
			var k ingest.StateKey
			if err := json.Unmarshal(line, &k); err != nil {
				return err
			}
			return ingest.LoadState(ctx, r.p.redis, k)
		})
	case "waiting":
		if err := r.heed(ctx); err != nil {
			return err
		}
		var some []string
		err := eachLine(content, func(line []byte) error {
			var raw []byte
			err := json.Unmarshal(line, &raw)
			some = append(some, r.p.tombstones.CleanRaw(string(raw)))
			return err
		})
		if err != nil || len(some) == 0 {
			return err
		}
		return r.p.buffer.Replay(ctx, some...)
	case "tables":
		if err := r.heed(ctx); err != nil {
			return err
		}
		table, _, _ := strings.Cut(rest, "/")
		block, err := io.ReadAll(io.LimitReader(content, size))
		if err != nil {
			return err
		}
		_, err = r.p.db.Load(ctx, table, block, func(row map[string]any) bool { return r.keep(table, row) })
		return err
	case "files":
		return writeFrom(filepath.Join(r.p.config.beside(r.p.config.Data.Dir), "files", filepath.FromSlash(rest)), content)
	}
	return fmt.Errorf("no backup of ours has that")
}

// open starts what the data goes into, which must be empty.
func (r *restoring) open(ctx context.Context) error {
	path := filepath.Join(r.dir, "dealtrail.toml")
	c, err := loadConfig(path, r.env)
	if err != nil {
		return err
	}
	s, err := loadSecrets(secretsPath(path))
	if err != nil {
		return err
	}
	r.p = &program{config: c, secrets: s, log: r.log}
	dir := c.beside(c.Data.Dir)
	if err := emptyBut(dir, "tombstones"); err != nil {
		return err
	}
	more, err := oldTombstones(filepath.Join(dir, "tombstones"))
	if err != nil {
		return err
	}
	for stone, at := range more {
		r.tombstones[stone] = at
	}
	lock, err := lockData(dir)
	if err != nil {
		return err
	}
	r.p.cleanup = append(r.p.cleanup, lock.Close)
	if err := writeFrom(filepath.Join(dir, restoringFile), strings.NewReader("until all of the backup is here\n")); err != nil {
		return err
	}
	if err := r.p.openRedis(ctx, dir); err != nil {
		return err
	}
	if err := r.p.openStore(ctx, dir); err != nil {
		return err
	}
	used, err := ingest.HasState(ctx, r.p.redis)
	if err != nil {
		return err
	}
	if events, err := r.p.db.Rows(ctx, "events"); err != nil || events > 0 || used {
		return errors.Join(err, fmt.Errorf("the Redis or the ClickHouse that %s names is not empty: a backup is restored into empty ones", path))
	}
	r.p.buffer = ingest.NewBuffer(r.p.redis, r.log)
	return r.p.openTombstones(ctx, dir, trail.ContactKey(s.ContactKey))
}

// heed applies the tombstones of the backup and those kept apart from it, once all state
// is loaded.
func (r *restoring) heed(ctx context.Context) error {
	if r.state {
		return nil
	}
	r.state = true
	if err := r.p.tombstones.Add(ctx, r.tombstones); err != nil {
		return err
	}
	if err := r.p.tombstones.Load(ctx); err != nil {
		return err
	}
	_, err := ingest.SweepState(ctx, r.p.redis, r.p.tombstones.Text)
	return err
}

// keep leaves out of a row who was erased.
func (r *restoring) keep(table string, row map[string]any) bool {
	r.rows[table]++
	t := r.p.tombstones
	if table == "people" {
		if c, _ := row["contact"].(string); t.Has(trail.ContactID(c)) {
			address, _ := row["address"].(string)
			name, _ := row["name"].(string)
			r.came[trail.ContactID(c)] = append(r.came[trail.ContactID(c)], trail.Person{Address: address, Name: name})
		}
	}
	return store.CleanRow(table, row, t.Has, t.Instead, t.Text)
}

// erase goes once more over all text, now that it is known what the erased who were in
// the backup were called.
func (r *restoring) erase(ctx context.Context) error {
	if err := r.heed(ctx); err != nil { // there may be no table with rows
		return err
	}
	for _, contact := range slices.Sorted(maps.Keys(r.came)) {
		called := r.came[contact]
		var addresses, names []string
		for _, p := range called {
			addresses, names = append(addresses, p.Address), append(names, p.Name)
		}
		pattern := trail.NamesPattern(addresses, names)
		if _, err := r.p.db.Erase(ctx, store.Trace{Contact: contact, Becomes: r.p.tombstones.Instead(contact), Pattern: pattern}); err != nil {
			return err
		}
		if _, err := ingest.SweepState(ctx, r.p.redis, trail.WithoutNames(pattern)); err != nil {
			return err
		}
	}
	return nil
}

// writeFrom writes a new file for its owner alone.
func writeFrom(path string, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

func eachLine(content io.Reader, f func(line []byte) error) error {
	b := bufio.NewReaderSize(content, 1<<20)
	for {
		line, err := b.ReadBytes('\n')
		if len(line) > 0 {
			if err := f(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
