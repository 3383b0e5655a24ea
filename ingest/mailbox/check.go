package mailbox

import (
	"context"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/trail"
)

// CheckReport is what a look into a mailbox shows before it is connected.
type CheckReport struct {
	Folders    []string  `json:"folders"`
	SentFolder string    `json:"sent_folder"`
	Problem    string    `json:"problem,omitzero"` // what is missing although the sign-in went well
	Mails      []Checked `json:"mails"`            // the newest, newest first
}

// Checked is what one mail would yield: events, or the reason for none.
type Checked struct {
	Folder Folder        `json:"folder"`
	At     time.Time     `json:"at"` // when it arrived
	Events []trail.Event `json:"events,omitempty"`
	Reason string        `json:"reason,omitzero"`
}

// checked is how many mails a check reads.
const checked = 20

// Check signs in to a mailbox and returns its folders and what the newest 20
// mails would yield. It stores nothing and emits nothing. Errors are Problems
// that name what to change.
func (p *Poller) Check(ctx context.Context, b Box) (CheckReport, error) {
	var report CheckReport
	if err := b.Validate(); err != nil {
		return report, err
	}
	report, err := p.check(ctx, &b)
	if err != nil && ctx.Err() == nil {
		reason, _ := explain(&b, err)
		return report, trail.Problemf(trail.Unavailable, "%s", reason)
	}
	return report, err
}

func (p *Poller) check(ctx context.Context, b *Box) (report CheckReport, err error) {
	s, err := p.connect(ctx, b)
	if err != nil {
		return report, err
	}
	defer s.close()
	list, err := s.list(ctx)
	if err != nil {
		return report, err
	}
	for _, f := range list {
		report.Folders = append(report.Folders, f.Mailbox)
	}
	folders, problem := choose(list, b.SentFolder)
	report.SentFolder, report.Problem = sentFolder(folders), problem
	sent := map[string]bool{}
	for _, f := range folders {
		mails, err := p.newest(ctx, s, b, f, sent)
		if err != nil {
			return report, err
		}
		report.Mails = append(report.Mails, mails...)
	}
	slices.SortStableFunc(report.Mails, func(a, b Checked) int { return b.At.Compare(a.At) })
	report.Mails = report.Mails[:min(checked, len(report.Mails))]
	return report, nil
}

// newest reads the newest mails of a folder. sent gathers the mail that yields
// sent events, so that replies to it are told from other mail.
func (p *Poller) newest(ctx context.Context, s *session, b *Box, f folder, sent map[string]bool) ([]Checked, error) {
	data, err := s.examine(ctx, f.name)
	if err != nil || data.NumMessages == 0 {
		return nil, err
	}
	first := max(1, int(data.NumMessages)-checked+1)
	uids, err := s.search(ctx, &imap.SearchCriteria{SeqNum: []imap.SeqSet{{{Start: uint32(first), Stop: data.NumMessages}}}})
	if err != nil {
		return nil, err
	}
	r := *p.Reader
	r.WasSent = func(messages ...string) (map[string]bool, error) {
		known := map[string]bool{}
		if p.Memory.WasSent != nil {
			if known, err = p.Memory.WasSent(ctx, messages...); err != nil {
				return nil, err
			}
		}
		out := map[string]bool{}
		for _, m := range messages {
			out[m] = known[m] || sent[m]
		}
		return out, nil
	}
	var mails []Checked
	incomplete, err := s.fetch(ctx, uids, func(_ imap.UID, a *arrival) {
		if a == nil {
			return
		}
		c := Checked{Folder: f.kind, At: a.at.UTC(), Reason: "larger than 25 MB"}
		if !a.large {
			var failed error
			c.Events, c.Reason, failed = r.Events(a.raw, f.kind, b.Rep, a.at)
			if failed != nil {
				c.Reason = "what it links to or answers cannot be looked up right now"
			}
		}
		for _, e := range c.Events {
			if e.Kind == trail.Sent {
				sent[e.Message] = true
			}
		}
		mails = append(mails, c)
	})
	for range incomplete {
		mails = append(mails, Checked{Folder: f.kind, Reason: "the mail server does not deliver it whole"})
	}
	return mails, err
}
