package main

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// reading is one reading of all mail by one program.
type reading struct {
	took  time.Duration
	moved int64 // bytes, both ways
}

// side is the readings of one program.
type side struct {
	name  string
	read  func(ctx context.Context, round int) (reading, error)
	took  []time.Duration
	moved int64 // at most
}

// first is what the readings of a mailbox for the first time are about.
type first struct {
	*bench
	server *mailtest.Server
	corpus mailtest.Corpus
	keys   *trail.Keyring
	sends  int // tracked sends among the mails
	files  int // mails with the registered file
}

// sync measures the first reading of a large mailbox, against mbsync that
// fetches the same folders from the same server.
func (b *bench) sync(ctx context.Context, mails, rounds int) error {
	f := &first{bench: b}
	bytes, err := f.prepare(mails)
	if err != nil {
		return err
	}
	poller, mbsync, hasty := &side{name: "dealtrail", read: f.poll}, &side{name: "mbsync", read: f.durable}, &side{name: "mbsync, FSync no", read: f.hasty}
	sides := []*side{poller, mbsync, hasty}
	// What the server had not noted of its mail before, it has after these.
	fmt.Fprintln(os.Stderr, "  the first time, nobody counts it")
	fresh, err := f.poll(ctx, 0)
	if err != nil {
		return err
	}
	if _, err := f.hasty(ctx, 0); err != nil {
		return err
	}
	for round := 1; round <= rounds; round++ {
		for i := range sides {
			s := sides[(i+round)%len(sides)] // in turns, so that what the machine does besides hits all
			r, err := s.read(ctx, round)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			fmt.Fprintf(os.Stderr, "  %s: %.1f s, %.1f MB\n", s.name, r.took.Seconds(), float64(r.moved)/1e6)
			s.took, s.moved = append(s.took, r.took), max(s.moved, r.moved)
		}
	}
	b.say("\n## First reading of a mailbox\n\n%d mails of %.0f MB in INBOX and Sent on Dovecot (Maildir, loopback, no TLS), made up as salespeople's are: 85 of 100 are text and HTML of 1-8 KB, the others have attachments of 50 KB-2 MB; %d have a registered file of %d KB, which has to be fetched to be known. "+
		"dealtrail: from the start of the poller until all mail is read and each event is durable in its own Redis (appendfsync always); all %d tracked sends were found, each once, each time. "+
		"mbsync: the same folders into an empty Maildir on the same disk, each mail durable too, as is its default; and without that. "+
		"%d rounds in turns, after one of each program that does not count; medians. Bytes are those that passed a proxy which all go through, the most of all rounds.\n\n", mails, float64(bytes)/1e6, f.files, fileSize/1000, f.sends, rounds)
	b.say("| What | seconds, each round | median | mails/s | MB moved |\n|---|---|---:|---:|---:|\n")
	for _, s := range sides {
		b.say("| %s | %s | %.1f | %.0f | %.1f |\n", s.name, seconds(s.took), median(s.took).Seconds(), float64(mails)/median(s.took).Seconds(), float64(s.moved)/1e6)
	}
	b.say("\nThe first time, with nothing noted by the server yet, dealtrail took %.1f s.\n\n", fresh.took.Seconds())
	times, share := median(mbsync.took).Seconds()/median(poller.took).Seconds(), float64(poller.moved)/float64(mbsync.moved)
	b.bar(times >= 3, "At least three times as fast as mbsync (%.1f times)", times)
	b.bar(share < 0.1, "Less than a tenth of the bytes of mbsync (%.3f)", share)
	return nil
}

// prepare lays the mail into the server, and returns its bytes.
func (f *first) prepare(mails int) (bytes int64, err error) {
	if f.keys, err = trail.ParseKeys("a:abcdefghijklmnopqrstuvwxyz234567"); err != nil {
		return 0, err
	}
	f.corpus = mailtest.Corpus{
		Seed: 1, Mails: mails, Rep: rep, Until: time.Now().Add(-time.Hour), Span: 360 * 24 * time.Hour, Page: page, File: fixed(),
		Link: func(n int) string {
			return "https://go.harbor.example/c/" + f.keys.Seal(trail.KeyOf(content), shareOf(n))
		},
	}
	f.server = mailtest.Dovecot(f.host, "ana")
	for l := range f.corpus.Letters() {
		switch l.Kind {
		case mailtest.Tracked:
			f.sends += len(l.Outside)
		case mailtest.File:
			f.files++
		}
	}
	for _, folder := range []string{"INBOX", mailtest.SentFolder} {
		f.server.Deliver("ana", folder, f.corpus.In(folder))
	}
	return f.server.Size("ana"), nil
}

// shareOf returns the share of letter n, always the same.
func shareOf(n int) trail.ShareID {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return trail.ShareID(base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(b[2:]))
}

// poll reads all with a poller that knows nothing of it yet.
func (f *first) poll(ctx context.Context, round int) (r reading, err error) {
	p, err := f.pipe(ctx, fmt.Sprintf("redis%d", round))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	proxy := f.server.Proxy(f.host)
	defer proxy.Close()
	var mu sync.Mutex
	sends := map[string]int{}
	emit := func(ctx context.Context, events ...trail.Event) error {
		if err := p.buffer.Append(ctx, events...); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			if e.Kind == trail.Sent && e.Share != "" {
				sends[string(e.Share)+e.Person.Address]++
			}
		}
		return nil
	}
	poller := p.poller(f.keys, emit, box(f.server, "ana", proxy.Port))
	began := time.Now()
	stop := start(ctx, poller)
	err = until(ctx, 10*time.Minute, func() bool { return !poller.Status()[0].LastPoll.IsZero() })
	r.took, r.moved = time.Since(began), proxy.Down.Load()+proxy.Up.Load()
	status := poller.Status()[0]
	if err := errors.Join(err, stop()); err != nil {
		return r, fmt.Errorf("%w: %+v", err, status)
	}
	if status.Messages != uint64(f.corpus.Mails) || status.SetAside != 0 || len(sends) != f.sends {
		return r, fmt.Errorf("of %d mails with %d tracked sends %d were read, %d set aside, and %d sends found", f.corpus.Mails, f.sends, status.Messages, status.SetAside, len(sends))
	}
	for _, n := range sends {
		if n != 1 {
			return r, fmt.Errorf("a send was found %d times", n)
		}
	}
	return r, nil
}

// start runs a poller until stop is called.
func start(ctx context.Context, p *mailbox.Poller) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

// until waits until something holds, looking each millisecond.
func until(ctx context.Context, limit time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %s", limit))
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// durable is mbsync as it is installed: each mail is on the disk before the next,
// as each of our events is.
func (f *first) durable(ctx context.Context, round int) (reading, error) {
	return f.mbsync(ctx, round, "yes")
}

// hasty leaves to the kernel when mails get to the disk.
func (f *first) hasty(ctx context.Context, round int) (reading, error) {
	return f.mbsync(ctx, round, "no")
}

// mbsync fetches all into an empty Maildir.
func (f *first) mbsync(ctx context.Context, round int, fsync string) (r reading, err error) {
	dir := filepath.Join(f.dir, fmt.Sprintf("mbsync%d", round))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	proxy := f.server.Proxy(f.host)
	defer proxy.Close()
	config := filepath.Join(dir, "config")
	text := strings.NewReplacer("HOST", f.server.Host, "PORT", fmt.Sprint(proxy.Port), "SECRET", f.server.Password("ana"), "DIR", dir, "SENT", mailtest.SentFolder, "SYNC", fsync).Replace(`FSync SYNC
IMAPAccount far
Host HOST
Port PORT
User ana
Pass SECRET
SSLType None
AuthMechs PLAIN

IMAPStore far
Account far

MaildirStore near
Path DIR/
Inbox DIR/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX "SENT"
Create Near
Sync Pull
SyncState DIR/
`)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, "mbsync", "--quiet", "--config", config, "--all")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	began := time.Now()
	said, err := cmd.CombinedOutput()
	r.took, r.moved = time.Since(began), proxy.Down.Load()+proxy.Up.Load()
	if err != nil {
		return r, fmt.Errorf("mbsync: %w: %s", err, said)
	}
	got, err := filepath.Glob(filepath.Join(dir, "*", "*", "*=*"))
	if err == nil && len(got) != f.corpus.Mails {
		err = fmt.Errorf("mbsync fetched %d of %d mails: %s", len(got), f.corpus.Mails, said)
	}
	return r, err
}
