package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dealtrail/ingest/crm"
	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

type readCmd struct {
	Files   []string `arg:"" help:"Mails as a mail program saves them (.eml)." type:"existingfile"`
	Rep     string   `required:"" help:"Whose mailbox they are from."`
	Folder  string   `help:"sent or inbox. Default: sent if the rep wrote it." enum:"sent,inbox," default:""`
	Content string   `help:"A CSV of content, as import takes it, to look links up in, or a folder of files to compare attachments with; no server is needed then." type:"path"`
}

// readLine is one line of output: an event, or why there is none.
type readLine struct {
	File   string `json:"file"`
	Reason string `json:"reason,omitempty"`
	*trail.Event
}

// Run prints what mails would yield and stores nothing. Which mails were sent
// before is not known here: an answer counts as if the mail it answers had
// carried content.
func (cmd readCmd) Run(e *env) error {
	if _, err := mail.ParseAddress(cmd.Rep); err != nil {
		return usageError{fmt.Errorf("%q is not an email address", cmd.Rep)}
	}
	r, err := cmd.reader(e)
	if err != nil {
		return err
	}
	out := json.NewEncoder(e.out)
	for _, path := range cmd.Files {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := r.Read(raw, cmd.folder(raw), cmd.Rep, time.Now())
		if err != nil {
			return err
		}
		if len(got.Events) == 0 {
			if err := out.Encode(readLine{File: path, Reason: got.Reason}); err != nil {
				return err
			}
		}
		for i := range got.Events {
			if err := out.Encode(readLine{File: path, Event: &got.Events[i]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// folder is the one that was named, else the one that such a mail lies in.
func (cmd readCmd) folder(raw []byte) mailbox.Folder {
	if cmd.Folder != "" {
		return mailbox.Folder(cmd.Folder)
	}
	if m, err := mail.ReadMessage(bytes.NewReader(raw)); err == nil {
		if from, err := mail.ParseAddress(m.Header.Get("From")); err == nil && trail.NormalAddress(from.Address) == trail.NormalAddress(cmd.Rep) {
			return mailbox.Sent
		}
	}
	return mailbox.Inbox
}

// reader knows the content of the file, or asks the server, and the keys and own
// domains of the configuration if there is one.
func (cmd readCmd) reader(e *env) (*mailbox.Reader, error) {
	config, secrets, err := e.load()
	if _, missing := os.Stat(e.Config); missing != nil && cmd.Content != "" {
		fresh := newSecrets() // without a configuration no token of ours can be read
		config, secrets, err = defaults(), &fresh, nil
	}
	if err != nil {
		return nil, err
	}
	keys, err := trail.ParseKeys(secrets.TokenKeys...)
	if err != nil {
		return nil, err
	}
	targets, err := cmd.targets(e)
	if err != nil {
		return nil, err
	}
	byKey, byURL, byFile := map[trail.ContentKey]trail.ContentID{}, map[string]trail.ContentID{}, map[string]trail.ContentID{}
	var sizes []int64
	for _, t := range targets {
		byKey[trail.KeyOf(t.Content)] = t.Content
		if t.File != "" {
			byFile[t.File] = t.Content
			sizes = append(sizes, t.FileSize)
		}
		for _, u := range append([]string{t.URL}, t.OtherURLs...) {
			if normal := trail.NormalURL(u); normal != "" {
				byURL[normal] = cmp.Or(byURL[normal], t.Content)
			}
		}
	}
	slices.Sort(sizes)
	return &mailbox.Reader{
		Keys: keys, Contacts: trail.ContactKey(secrets.ContactKey), OwnDomains: append(config.Company.Domains, trail.Domain(cmd.Rep)),
		ByURL: func(u string) (id trail.ContentID, until time.Time, ok bool) {
			id, ok = byURL[trail.NormalURL(u)]
			return id, until, ok
		},
		ByFile: func(sha string) (id trail.ContentID, until time.Time, ok bool) {
			id, ok = byFile[sha]
			return id, until, ok
		},
		FileSizes: func() []int64 { return sizes }, Exclude: config.excludes,
		ByKey: func(k trail.ContentKey) (trail.ContentID, bool, error) { id, ok := byKey[k]; return id, ok, nil },
		WasSent: func(messages ...string) (map[string]bool, error) {
			sent := map[string]bool{}
			for _, m := range messages {
				sent[m] = !strings.HasPrefix(m, mailbox.ForwardedMark) // who answers had it already
			}
			return sent, nil
		},
	}, nil
}

// targets are the contents that links may lead to.
func (cmd readCmd) targets(e *env) (targets []trail.Target, err error) {
	if cmd.Content == "" {
		list, err := get[struct{ Rows []trail.ContentRow }](e, "/v1/content", nil)
		for _, r := range list.Rows {
			targets = append(targets, trail.Target{Content: r.ID, URL: r.URL, OtherURLs: r.OtherURLs})
		}
		return targets, err
	}
	if info, err := os.Stat(cmd.Content); err == nil && info.IsDir() {
		return filesIn(cmd.Content)
	}
	f, err := os.Open(cmd.Content)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	nothing := func(context.Context, trail.Kind, []string) (map[string]trail.State, error) { return nil, nil }
	importer := crm.Importer{
		Emit: func(context.Context, ...trail.Event) error { return nil }, Settle: func(context.Context) error { return nil }, States: nothing,
		Known:    func(context.Context, []trail.ID) (map[trail.ID]trail.Event, error) { return nil, nil },
		Contacts: trail.ContactKey("read"), Zone: time.UTC, Now: time.Now,
		Listed: func(_ context.Context, found ...trail.Target) error { targets = append(targets, found...); return nil },
	}
	report, err := importer.Import(e.ctx, "content", filepath.Base(cmd.Content), f, false)
	if err != nil {
		return nil, err
	}
	for _, r := range report.Rows {
		fmt.Fprintf(e.err, "%s line %d: %s\n", cmd.Content, r.Line, r.Reason)
	}
	return targets, nil
}

// filesIn are the files of a folder as contents that are named after them.
func filesIn(dir string) (targets []trail.Target, err error) {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		name := entry.Name()
		targets = append(targets, trail.Target{
			Content: strings.TrimSuffix(name, filepath.Ext(name)), File: hex.EncodeToString(sum[:]), FileName: name, FileSize: int64(len(data)),
		})
	}
	return targets, err
}
