package mailbox

import (
	"cmp"
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
	folders, problem := choose(p.allowed(list), b.SentFolder)
	report.SentFolder, report.Problem = sentFolder(folders), problem
	w := watch{p: p, b: b, session: s, states: map[string]excludedFolder{}, excluded: p.notAllowed(list)}
	w.forget()
	if err := w.exclude(ctx); err != nil {
		return report, err
	}
	marked := map[string]bool{}
	for _, f := range folders {
		mails, err := w.newest(ctx, f, marked)
		if err != nil {
			return report, err
		}
		report.Mails = append(report.Mails, mails...)
	}
	slices.SortStableFunc(report.Mails, func(a, b Checked) int { return b.At.Compare(a.At) })
	report.Mails = report.Mails[:min(checked, len(report.Mails))]
	return report, nil
}

// newest reads the newest mails of a folder. marked gathers their marks, so that
// replies to mail with content are told from other mail.
func (w *watch) newest(ctx context.Context, f folder, marked map[string]bool) ([]Checked, error) {
	data, err := w.session.examine(ctx, f.name)
	if err != nil || data.NumMessages == 0 {
		return nil, err
	}
	first := max(1, int(data.NumMessages)-checked+1)
	uids, err := w.session.search(ctx, &imap.SearchCriteria{SeqNum: []imap.SeqSet{{{Start: uint32(first), Stop: data.NumMessages}}}})
	if err != nil {
		return nil, err
	}
	var mails []Checked
	for len(uids) > 0 {
		letters, err := w.session.gather(ctx, uids, gathering{
			needs: func(l *letter) { w.needs(ctx, f, l) }, sizes: w.p.Reader.sizes(), plain: func(imap.UID) bool { return false }, most: maxKept,
		})
		if err != nil {
			return nil, err
		}
		uids = uids[len(letters):]
		for _, l := range letters {
			if !l.done || l.a != nil { // else it was deleted since we asked
				mails = append(mails, w.checked(ctx, f, l, marked))
			}
		}
	}
	return mails, nil
}

// checked returns what a mail would yield.
func (w *watch) checked(ctx context.Context, f folder, l *letter, marked map[string]bool) Checked {
	c := Checked{Folder: f.kind, Reason: "the mail server does not deliver it whole"}
	if l.a != nil {
		c.At = l.a.at.UTC()
	}
	if !l.done {
		return c
	}
	o, err := w.yield(ctx, f, l, marked)
	for _, m := range o.Marks {
		marked[m] = true
	}
	if c.Events, c.Reason = o.Events, cmp.Or(o.aside, o.Reason, l.need.reason); err != nil {
		c.Reason = "what it links to or answers cannot be looked up right now"
	}
	return c
}
