package mailbox

import (
	"context"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// idles reports whether the server can tell of new mail by itself.
func (s *session) idles() bool { return s.client.Caps().Has(imap.CapIdle) }

// grown takes what the server volunteers of the open folder.
func (s *session) grown(data *imapclient.UnilateralDataMailbox) {
	if data.NumMessages != nil {
		s.tell()
	}
}

func (s *session) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// idle opens a folder and lets the server tell of new mail in it until end is
// called, which must be before any other command. A server that falls silent
// then is noticed by that. What came since the folder was read, up to last, is
// news already.
func (s *session) idle(ctx context.Context, folder string, last imap.UID) (end func() error, err error) {
	select {
	case <-s.news: // of before
	default:
	}
	data, err := s.examine(ctx, folder)
	if err != nil {
		return nil, err
	}
	if data.UIDNext > last+1 {
		s.tell()
	}
	var cmd *imapclient.IdleCommand
	if err := s.step(ctx, func() (err error) { cmd, err = s.client.Idle(); return err }); err != nil {
		return nil, fmt.Errorf("idle: %w", err)
	}
	return func() error {
		return s.step(ctx, func() error {
			if err := cmd.Close(); err != nil {
				return err
			}
			return cmd.Wait()
		})
	}, nil
}
