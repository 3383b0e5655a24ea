package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/redis/go-redis/v9"

	"dealtrail/api"
	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// backupKey holds when the last backup was taken, and when the first process began, as JSON.
	backupKey = "dealtrail:backup"
	// sinceKey holds when an installation began to run.
	sinceKey = "dealtrail:since"
	// backupGrace is how long a new installation need not have a backup.
	backupGrace = 24 * time.Hour
	// backupPatience is for events on the disks of all processes to get into Redis.
	backupPatience = 30 * time.Second
)

// Entries of a backup, before all others.
const (
	configEntry  = "config/dealtrail.toml"
	secretsEntry = "config/dealtrail.secrets.toml"
)

// lastBackup is what is known of the last backup.
type lastBackup struct {
	At    time.Time `json:"at"`
	Bytes int64     `json:"bytes"`
}

// backup writes a backup while everything goes on. The order makes it whole: cursors
// and other state first, then what was accepted and is not loaded, then the tables. So
// whatever was accepted before it began is in what waits or in the tables; what came
// later may be in it, and a source that tells of it again changes nothing.
func (p *program) backup(ctx context.Context, w io.Writer) (err error) {
	counted := &counter{w: w}
	a, err := newArchive(counted, time.Now())
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, *archive) error{p.backupConfig, p.backupState, p.backupTables, p.backupFiles} {
		if err := step(ctx, a); err != nil {
			return fmt.Errorf("back up: %w", err)
		}
	}
	if err := a.close(); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	text, err := json.Marshal(lastBackup{At: a.manifest.At, Bytes: counted.n})
	if err != nil {
		return err
	}
	p.log.Info("backup taken", "bytes", counted.n, "events", a.manifest.Tables["events"], "waiting", a.manifest.Waiting)
	return p.redis.Set(ctx, backupKey, text, 0).Err()
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func (p *program) backupConfig(_ context.Context, a *archive) error {
	a.manifest.Needs = append(a.manifest.Needs, p.config.secretFiles()...)
	if err := a.addFile(configEntry, p.config.path); err != nil {
		return err
	}
	return a.addFile(secretsEntry, secretsPath(p.config.path))
}

// secretFiles are the files with passwords and keys that the configuration names.
func (c *Config) secretFiles() (all []string) {
	add := func(paths ...string) {
		for _, f := range paths {
			if f != "" {
				all = append(all, f)
			}
		}
	}
	add(c.SMTP.PasswordFile)
	for _, b := range c.Boxes {
		add(b.PasswordFile, b.RefreshTokenFile)
	}
	for _, x := range c.Providers {
		add(x.ClientSecretFile, x.ServiceAccountFile)
	}
	for _, x := range c.Chats {
		add(x.URLFile, x.SecretFile)
	}
	for _, x := range c.CRMs {
		add(x.TokenFile, x.SecretFile, x.ClientSecretFile, x.PasswordFile)
	}
	add(c.OIDC.ClientSecretFile)
	return all
}

func (p *program) backupState(ctx context.Context, a *archive) error {
	state := &lines{a: a, name: "state"}
	err := ingest.DumpState(ctx, p.redis, func(k ingest.StateKey) error {
		a.manifest.Keys++
		return state.add(k)
	})
	if err = errors.Join(err, state.flush()); err != nil {
		return err
	}
	// A cursor may be behind events that are on some disk: they must be in Redis now.
	patience, cancel := context.WithTimeout(ctx, backupPatience)
	defer cancel()
	for {
		n, err := p.spooled(patience)
		if err == nil && n == 0 {
			break
		}
		select {
		case <-patience.Done():
			return trail.Problemf(trail.Unavailable, "Events wait on the disk of a process because Redis does not take them; a backup would lack them. Try again when dealtrail status shows none.")
		case <-time.After(100 * time.Millisecond):
		}
	}
	waiting := &lines{a: a, name: "waiting"}
	err = p.buffer.DumpWaiting(ctx, func(raw string) error {
		a.manifest.Waiting++
		return waiting.add([]byte(raw))
	})
	return errors.Join(err, waiting.flush())
}

func (p *program) backupTables(ctx context.Context, a *archive) (err error) {
	if a.manifest.Schema, err = p.db.Applied(ctx); err != nil {
		return err
	}
	for _, table := range store.DumpTables {
		n := 0
		rows, err := p.db.Dump(ctx, table, func(block []byte) error {
			n++
			return a.add(fmt.Sprintf("tables/%s/%06d.native", table, n), block)
		})
		if err != nil {
			return err
		}
		a.manifest.Tables[table] = rows
	}
	return nil
}

func (p *program) backupFiles(_ context.Context, a *archive) error {
	dir := filepath.Join(p.config.beside(p.config.Data.Dir), "files")
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // there are none, or one was replaced meanwhile
		}
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		below, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		a.manifest.Files++
		return a.addFile(path.Join("files", filepath.ToSlash(below)), name)
	})
	return err
}

// tellBackup says when there is no backup although there should be one.
func (p *program) tellBackup(ctx context.Context, s *trail.Status, trouble func(string, ...any)) {
	text, err := p.redis.Get(ctx, backupKey).Bytes()
	var last lastBackup
	if err == nil && json.Unmarshal(text, &last) == nil {
		s.BackupAt = last.At
		return
	}
	if !errors.Is(err, redis.Nil) || p.demo != nil {
		return
	}
	now := time.Now().UTC()
	_ = p.redis.SetNX(ctx, sinceKey, now.Format(time.RFC3339), 0).Err()
	since, err := time.Parse(time.RFC3339, p.redis.Get(ctx, sinceKey).Val())
	if err == nil && now.Sub(since) > backupGrace {
		trouble("There is no backup, and the keys of all links that were sent are on this machine alone. Take one and keep it elsewhere: dealtrail backup -o FILE")
	}
}

type backupCmd struct {
	Out string   `short:"o" help:"The file to write. Default: dealtrail-DATE.tar.zst here." type:"path"`
	To  []string `help:"Encrypt for an age recipient (age1...), made by age-keygen; repeat for several."`
}

// Run fetches a backup, checks it and only then gives it its name.
func (cmd backupCmd) Run(e *env) (err error) {
	c, err := e.client()
	if err != nil {
		return err
	}
	var recipients []age.Recipient
	for _, to := range cmd.To {
		r, err := age.ParseX25519Recipient(to)
		if err != nil {
			return usageError{fmt.Errorf("--to %s: %w", to, err)}
		}
		recipients = append(recipients, r)
	}
	out := cmd.Out
	if out == "" {
		out = "dealtrail-" + time.Now().UTC().Format("2006-01-02T150405Z") + ".tar.zst"
		if len(recipients) > 0 {
			out += ".age"
		}
	}
	if _, err := os.Stat(out); err == nil {
		return fmt.Errorf("%s exists; name another file", out)
	}
	part := out + ".part"
	// What is there by that name may be open to others, or lead elsewhere: the keys are not written into it.
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	defer f.Close()
	var m *manifest
	if len(recipients) > 0 {
		m, err = fetchEncrypted(e, c, out, f, recipients)
	} else {
		err = c.Do(e.ctx, http.MethodPost, "/v1/backup", "", nil, io.Writer(f))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if m == nil {
		if m, err = readArchive(part, nil, nil); err != nil {
			return err
		}
	}
	if err := os.Rename(part, out); err != nil {
		return err
	}
	told := fmt.Sprintf("%s: %d events, %d waiting, %d keys of state, %d files; ", out, m.Tables["events"], m.Waiting, m.Keys, m.Files)
	_, err = fmt.Fprintln(e.out, told+"it has the keys of this installation: keep it where only you can read it, and not on this machine.")
	return err
}

// fetchEncrypted writes a backup for recipients. As nobody here can read it afterwards, it is
// checked while it comes.
func fetchEncrypted(e *env, c *api.Client, name string, f io.Writer, recipients []age.Recipient) (m *manifest, err error) {
	w, err := age.Encrypt(f, recipients...)
	if err != nil {
		return nil, err
	}
	came, check := io.Pipe()
	checked := make(chan error, 1)
	go func() {
		read, err := readEntries(name, came, nil)
		if m = read; err == nil {
			_, err = io.Copy(io.Discard, came) // what ends the file
		}
		came.CloseWithError(err)
		checked <- err
	}()
	err = c.Do(e.ctx, http.MethodPost, "/v1/backup", "", nil, io.Writer(io.MultiWriter(w, check)))
	check.CloseWithError(err)
	err = errors.Join(err, <-checked, w.Close())
	return m, err
}
