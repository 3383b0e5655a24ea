package mailbox

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// arrival is what arrived of one message.
type arrival struct {
	at        time.Time // the server's INTERNALDATE
	size      int64     // RFC822.SIZE: servers are not always exact
	structure imap.BodyStructure
	sections  map[string][]byte // by sectionName; without those that the server says are NIL
}

// request is what is asked of some messages.
type request struct {
	uids    []imap.UID
	options imap.FetchOptions
}

// whole reports whether an arrival has all that was asked for. Size and date may
// be missing: nothing depends on them.
func (q *request) whole(a *arrival) bool {
	if q.options.BodyStructure != nil && a.structure == nil {
		return false
	}
	for _, section := range q.options.BodySection {
		if _, ok := a.sections[sectionName(section)]; !ok {
			return false
		}
	}
	return true
}

// sectionName names a section as requests and responses have it in common.
func sectionName(s *imap.FetchItemBodySection) string {
	name := strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Part), " ", "."), "[]") + " " + string(s.Specifier)
	if len(s.HeaderFields) > 0 {
		name += ".FIELDS"
	}
	return name
}

// fetch asks for something of messages, without marking them as read, and hands
// each that arrived whole to take, or nil when it is gone from the server. It
// returns the UIDs that the server has and of which it does not deliver what was
// asked for, each after two more tries for it alone; nothing may be concluded
// about those.
func (s *session) fetch(ctx context.Context, q request, take func(imap.UID, *arrival)) (incomplete []imap.UID, err error) {
	if len(q.uids) == 0 {
		return nil, nil
	}
	missing, err := s.ask(ctx, q, take)
	if err != nil {
		return nil, err
	}
	for _, uid := range missing {
		gone, whole, err := s.single(ctx, uid, q.options, take)
		if err != nil {
			return nil, err
		}
		switch {
		case gone:
			take(uid, nil)
		case !whole:
			incomplete = append(incomplete, uid)
		}
	}
	return incomplete, nil
}

// single asks for a message that did not arrive with the others.
func (s *session) single(ctx context.Context, uid imap.UID, options imap.FetchOptions, take func(imap.UID, *arrival)) (gone, whole bool, err error) {
	for range 2 {
		missing, err := s.ask(ctx, request{uids: []imap.UID{uid}, options: options}, take)
		if err != nil || len(missing) == 0 {
			return false, true, err
		}
		there, err := s.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{imap.UIDSetNum(uid)}})
		if err != nil || len(there) == 0 {
			return true, false, err
		}
	}
	return false, false, nil
}

// ask sends one command and returns the UIDs that did not arrive whole.
func (s *session) ask(ctx context.Context, q request, take func(imap.UID, *arrival)) (missing []imap.UID, err error) {
	q.options.UID = true
	s.want(&q)
	defer s.want(nil)
	arrived := map[imap.UID]bool{}
	err = s.step(ctx, func() error {
		cmd := s.client.Fetch(imap.UIDSetNum(q.uids...), &q.options)
		defer cmd.Close()
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			uid, a, err := s.collect(msg)
			if err == nil && uid != 0 && q.whole(a) {
				arrived[uid] = true
				take(uid, a)
			}
			s.alive()
		}
		return cmd.Close()
	})
	if err != nil {
		for _, uid := range q.uids {
			if !arrived[uid] { // servers answer in order
				return nil, &stuck{uid: uid, err: fmt.Errorf("fetch: %w", err)}
			}
		}
		return nil, fmt.Errorf("fetch: %w", err)
	}
	for _, uid := range q.uids {
		if arrived[uid] {
			continue
		}
		if a, ok := s.landing(uid); ok {
			take(uid, a)
			continue
		}
		missing = append(missing, uid)
	}
	return missing, nil
}

// stuck is an error of the connection while a message was awaited, which may
// have caused it.
type stuck struct {
	uid imap.UID
	err error
}

func (s *stuck) Error() string { return s.err.Error() }
func (s *stuck) Unwrap() error { return s.err }

// want says which strays to keep; nil forgets them.
func (s *session) want(q *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strays, s.wanted = map[imap.UID]*arrival{}, map[imap.UID]bool{}
	if s.wants = q; q != nil {
		for _, uid := range q.uids {
			s.wanted[uid] = true
		}
	}
}

// stray takes a FETCH response that go-imap matched to no command.
func (s *session) stray(msg *imapclient.FetchMessageData) {
	uid, a, err := s.collect(msg)
	s.mu.Lock()
	if err == nil && s.wants != nil && s.wanted[uid] && s.wants.whole(a) {
		s.strays[uid] = a
	}
	s.mu.Unlock()
	select {
	case s.landed <- struct{}{}:
	default:
	}
}

// landing returns what of a message came as a stray. The command is over, so it
// has been read from the wire; only its goroutine may be late.
func (s *session) landing(uid imap.UID) (*arrival, bool) {
	late := time.NewTimer(100 * time.Millisecond)
	defer late.Stop()
	for {
		s.mu.Lock()
		a, ok := s.strays[uid]
		s.mu.Unlock()
		if ok {
			return a, true
		}
		select {
		case <-s.landed:
		case <-late.C:
			return nil, false
		}
	}
}

// collect reads one FETCH response to its end.
func (s *session) collect(msg *imapclient.FetchMessageData) (uid imap.UID, a *arrival, err error) {
	a = &arrival{sections: map[string][]byte{}}
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			uid = item.UID
		case imapclient.FetchItemDataInternalDate:
			a.at = item.Time
		case imapclient.FetchItemDataRFC822Size:
			a.size = item.Size
		case imapclient.FetchItemDataBodyStructure:
			a.structure = item.BodyStructure
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue // NIL: there should be something and is nothing
			}
			data, e := s.literal(item.Literal)
			a.sections[sectionName(item.Section)] = data
			if e != nil {
				err = e
			}
		}
	}
	return uid, a, err
}

// literal reads what the server announced, up to the bound on a message.
func (s *session) literal(l imap.LiteralReader) ([]byte, error) {
	in := &lively{s, l}
	if l.Size() > MaxMessage {
		_, err := io.Copy(io.Discard, in)
		return nil, err
	}
	data := make([]byte, l.Size())
	_, err := io.ReadFull(in, data)
	return data, err
}

// lively reads and tells the watchdog.
type lively struct {
	s *session
	r io.Reader
}

func (l *lively) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if n > 0 {
		l.s.alive()
	}
	return n, err
}
