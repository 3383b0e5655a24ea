package mailbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Excluded folders, and Gmail's labels, which are folders to IMAP: a mail in one
// of them lies in other folders too, and is known there by its Message-ID.

// key names a mail by its headers alone.
func (m *message) key() string {
	if m.id != "" {
		return m.id
	}
	hash := sha256.New()
	for _, name := range []string{"From", "Date", "Subject", "To"} {
		fmt.Fprintf(hash, "%q", m.header[name])
	}
	return "headers:" + hex.EncodeToString(hash.Sum(nil))
}

// excludes reports whether a folder, or one that it lies in, is among those that
// leave no trace, by its name or by its whole path.
func (p *Poller) excludes(f *imap.ListData) bool {
	names := []string{f.Mailbox}
	if f.Delim != 0 {
		names = strings.Split(f.Mailbox, string(f.Delim))
		for i := range names {
			names = append(names, strings.Join(names[:i+1], string(f.Delim)))
		}
	}
	return slices.ContainsFunc(p.ExcludeFolders, func(excluded string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, excluded) })
	})
}

// allowed returns the folders that may be read.
func (p *Poller) allowed(list []*imap.ListData) []*imap.ListData {
	return slices.DeleteFunc(slices.Clone(list), p.excludes)
}

// notAllowed returns the names of those that may not.
func (p *Poller) notAllowed(list []*imap.ListData) (names []string) {
	for _, f := range list {
		if p.excludes(f) && !slices.Contains(f.Attrs, imap.MailboxAttrNoSelect) && !slices.Contains(f.Attrs, imap.MailboxAttrNonExistent) {
			names = append(names, f.Mailbox)
		}
	}
	return names
}

// exclude learns which mails lie in excluded folders, as far as those have
// changed.
func (w *watch) exclude(ctx context.Context) error {
	changed := false
	for _, name := range w.excluded {
		data, err := w.session.examine(ctx, name)
		if err != nil {
			return err
		}
		state := fmt.Sprint(data.UIDValidity, data.UIDNext, data.NumMessages)
		if w.states[name].state == state && data.UIDNext != 0 {
			continue
		}
		since := w.p.now().Add(-max(w.b.since(), month) - 24*time.Hour)
		uids, err := w.session.search(ctx, &imap.SearchCriteria{Since: since})
		if err != nil {
			return err
		}
		keys := map[string]bool{}
		for len(uids) > 0 {
			part := uids[:min(maxBatch, len(uids))]
			letters, err := w.session.gather(ctx, part, gathering{needs: func(l *letter) { l.need.reason = "excluded" }, most: maxKept})
			if err != nil {
				return err
			}
			uids = uids[len(letters):]
			for _, l := range letters {
				if l.m == nil && l.a != nil || !l.done {
					return errIncomplete // it must be known before anything else is read
				}
				if l.m != nil {
					keys[l.m.key()] = true
				}
			}
		}
		w.states[name], changed = excludedFolder{state: state, keys: keys}, true
	}
	if changed {
		w.private = map[string]bool{}
		for _, f := range w.states {
			for key := range f.keys {
				w.private[key] = true
			}
		}
	}
	return nil
}

// excludedFolder is what an excluded folder had when it was last looked at.
type excludedFolder struct {
	state string
	keys  map[string]bool
}
