package mailbox

import (
	"context"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// maxGroup is how many bytes of mail one command asks for, so that strays fit
// into memory.
const maxGroup = 16 << 20

// fetch reads messages and hands each to take as it arrives, or, when it is
// gone from the server, a nil arrival. It returns the UIDs that the server has
// but does not deliver whole; nothing may be concluded about those.
func (s *session) fetch(ctx context.Context, uids []imap.UID, take func(imap.UID, *arrival)) (incomplete []imap.UID, err error) {
	sizes, err := s.sizes(ctx, uids)
	if err != nil {
		return nil, err
	}
	var group []imap.UID
	var bytes int64
	flush := func() error {
		missing, err := s.bodies(ctx, group, take)
		if err != nil {
			return err
		}
		for _, uid := range missing {
			a, gone, err := s.single(ctx, uid)
			if err != nil {
				return err
			}
			if a == nil && !gone {
				incomplete = append(incomplete, uid)
				continue
			}
			take(uid, a)
		}
		group, bytes = nil, 0
		return nil
	}
	for _, uid := range uids {
		if sizes[uid] > MaxMessage {
			take(uid, &arrival{large: true})
			continue
		}
		if len(group) > 0 && bytes+sizes[uid] > maxGroup {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		group = append(group, uid)
		bytes += sizes[uid]
	}
	if len(group) > 0 {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	return incomplete, nil
}

// sizes asks how large messages are. What the server does not say is 0: the
// body itself will tell.
func (s *session) sizes(ctx context.Context, uids []imap.UID) (map[imap.UID]int64, error) {
	sizes := map[imap.UID]int64{}
	err := s.step(ctx, func() error {
		cmd := s.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, RFC822Size: true})
		defer cmd.Close()
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			s.alive()
			var uid imap.UID
			var size int64
			for item := msg.Next(); item != nil; item = msg.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = item.UID
				case imapclient.FetchItemDataRFC822Size:
					size = item.Size
				}
			}
			sizes[uid] = size
		}
		return cmd.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("fetch sizes: %w", err)
	}
	return sizes, nil
}

// bodies fetches messages by one command, without marking them as read, and
// returns the UIDs that did not arrive whole.
func (s *session) bodies(ctx context.Context, uids []imap.UID, take func(imap.UID, *arrival)) (missing []imap.UID, err error) {
	s.want(uids)
	defer s.want(nil)
	arrived := map[imap.UID]bool{}
	err = s.step(ctx, func() error {
		cmd := s.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{
			UID: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
		})
		defer cmd.Close()
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			if uid, a, ok := s.collect(msg); ok {
				arrived[uid] = true
				take(uid, &a)
			}
			s.alive()
		}
		return cmd.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	for _, uid := range uids {
		if arrived[uid] {
			continue
		}
		if a, ok := s.landing(uid); ok {
			take(uid, &a)
			continue
		}
		missing = append(missing, uid)
	}
	return missing, nil
}

// single fetches one message that did not arrive with the others. A nil arrival
// with gone means that the server no longer has it.
func (s *session) single(ctx context.Context, uid imap.UID) (a *arrival, gone bool, err error) {
	for range 2 {
		missing, err := s.bodies(ctx, []imap.UID{uid}, func(_ imap.UID, got *arrival) { a = got })
		if err != nil {
			return nil, false, err
		}
		if len(missing) == 0 {
			return a, false, nil
		}
		there, err := s.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{imap.UIDSetNum(uid)}})
		if err != nil {
			return nil, false, err
		}
		if len(there) == 0 {
			return nil, true, nil
		}
	}
	return nil, false, nil
}

// want says which strays to keep; nil forgets them.
func (s *session) want(uids []imap.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted, s.strays = map[imap.UID]bool{}, map[imap.UID]arrival{}
	for _, uid := range uids {
		s.wanted[uid] = true
	}
}

// landing returns the body of a message that came as a stray. The command is
// over, so it has been read from the wire; only its goroutine may be late.
func (s *session) landing(uid imap.UID) (arrival, bool) {
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
			return arrival{}, false
		}
	}
}
