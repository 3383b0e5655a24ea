package mailbox

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

// Bounds on what one command asks for.
const (
	maxSmall  = 16 << 10  // bytes of a mail that is fetched as a whole: asking for its structure would cost more
	maxGroup  = 4 << 20   // bytes of text that are asked for at once
	maxKept   = 8 << 20   // bytes of text that are fetched before they are worked off; less with many mailboxes at once
	leastKept = 256 << 10 // but not less than this
	maxMemory = 256 << 20 // bytes of text of all mailboxes together, about
	maxLeafs  = 100       // parts of one mail
)

// letter is one message on its way in.
type letter struct {
	uid  imap.UID
	a    *arrival // its headers; nil: gone from the server
	m    *message // nil: cannot be read
	need need
	err  error // why it cannot be said what is needed
	done bool  // all that is needed has arrived

	broken string // why it cannot be read

	large bool   // it is read by its structure
	leafs []leaf // its structure
}

// gathering is what there is to know for fetching no more than is needed.
type gathering struct {
	needs func(*letter)           // says what is needed of a mail whose headers are there
	sizes []int64                 // bytes of files that are worth fetching, ascending
	plain func(uid imap.UID) bool // whether the server's word on a message's structure cannot be read
	most  int64                   // bytes of text to fetch at most, but at least one message
}

// gather fetches what is needed of messages, headers first. It returns a letter
// for each of the first messages, as many as fit into memory, in order; those
// that are not done did not arrive whole. The error is that of the connection:
// what arrived until then is returned.
func (s *session) gather(ctx context.Context, uids []imap.UID, g gathering) ([]*letter, error) {
	letters, byUID := make([]*letter, len(uids)), map[imap.UID]*letter{}
	for i, uid := range uids {
		letters[i] = &letter{uid: uid}
		byUID[uid] = letters[i]
	}
	fields := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: headersRead, Peek: true}
	q := request{uids: uids, options: imap.FetchOptions{RFC822Size: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{fields}}}
	_, err := s.fetch(ctx, q, func(uid imap.UID, a *arrival) {
		l := byUID[uid]
		if l.a = a; a == nil {
			l.done = true
			return
		}
		var unread error
		if l.m, unread = head(a.sections[sectionName(fields)]); unread != nil {
			l.broken, l.done = unread.Error(), true
		}
	})
	if err != nil {
		return letters, err
	}
	var small, large []*letter
	var kept int64
	for i, l := range letters {
		if l.done || l.m == nil {
			continue
		}
		if kept += min(max(l.a.size, 1), maxReport); kept > g.most && i > 0 {
			letters = letters[:i]
			break
		}
		switch g.needs(l); {
		case l.need.reason != "" || l.broken != "" || l.err != nil:
			l.done = true
		case l.need.all || l.a.size <= maxSmall || g.plain(l.uid):
			small = append(small, l)
		default:
			l.large = true
			large = append(large, l)
		}
	}
	if err := s.texts(ctx, small, g.sizes); err != nil {
		return letters, err
	}
	return letters, s.parts(ctx, large, g.sizes)
}

// texts fetches the bodies of messages as a whole, or the beginnings of long
// ones.
func (s *session) texts(ctx context.Context, letters []*letter, sizes []int64) error {
	for _, long := range []bool{false, true} {
		limit := int64(MaxMessage)
		if long {
			limit = maxReport
		}
		section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierText, Peek: true, Partial: &imap.SectionPartial{Size: limit}}
		var group []*letter
		for _, l := range letters {
			if l.need.all == long {
				group = append(group, l)
			}
		}
		for _, some := range bySize(group, func(l *letter) int64 { return min(l.a.size, limit) }) {
			err := s.each(ctx, some, imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}, func(l *letter, a *arrival) {
				l.take(a.sections[sectionName(section)], sizes)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// take completes a letter with its body, and lets go of files.
func (l *letter) take(body []byte, sizes []int64) {
	l.complete(func() error {
		err := l.m.read(body)
		for i := range l.m.files {
			f := &l.m.files[i]
			if f.among(sizes) {
				f.hash()
			}
			f.body = nil
		}
		return err
	})
}

// complete reads what arrived of a letter.
func (l *letter) complete(read func() error) {
	l.done = true
	defer func() {
		if v := recover(); v != nil { // a bug in a parser must not stop the mailbox
			l.broken = "the parser gave up on it"
		}
	}()
	if err := read(); err != nil {
		l.broken = err.Error()
	}
}

// each asks the same of several messages.
func (s *session) each(ctx context.Context, letters []*letter, options imap.FetchOptions, take func(*letter, *arrival)) error {
	if len(letters) == 0 {
		return nil
	}
	byUID, uids := map[imap.UID]*letter{}, make([]imap.UID, len(letters))
	for i, l := range letters {
		byUID[l.uid], uids[i] = l, l.uid
	}
	_, err := s.fetch(ctx, request{uids: uids, options: options}, func(uid imap.UID, a *arrival) {
		if a == nil {
			byUID[uid].a, byUID[uid].done = nil, true
			return
		}
		take(byUID[uid], a)
	})
	return err
}

// bySize parts letters into groups that fit into memory.
func bySize(letters []*letter, size func(*letter) int64) (groups [][]*letter) {
	var group []*letter
	var bytes int64
	for _, l := range letters {
		if n := size(l); len(group) > 0 && bytes+n > maxGroup {
			groups, group, bytes = append(groups, group), nil, 0
		}
		group = append(group, l)
		bytes += size(l)
	}
	if len(group) > 0 {
		groups = append(groups, group)
	}
	return groups
}
