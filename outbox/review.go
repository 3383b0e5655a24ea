package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"dealtrail/ingest"
	"dealtrail/store"
)

// summary is what mails and chats say of a review.
type summary struct {
	week                   string
	leads, won, lost, news int
	file                   []byte // to attach, if that was chosen
}

const (
	settlePatience = time.Minute // for what was accepted before the review was due
	latestReview   = time.Hour   // after it was due it goes out without what is not loaded
)

// review returns the review of the week that is due, nil when there is none. It is
// made once: from the moment on at which it is due it does not change.
func (x *Outbox) review(ctx context.Context, week string, due, now time.Time) (*summary, error) {
	x.mu.Lock()
	made, known := x.weeks[week]
	x.mu.Unlock()
	if known {
		return made, nil
	}
	if err := x.settle(ctx); err != nil && now.Sub(due) < latestReview {
		return nil, fmt.Errorf("wait for what came before the review: %w", err)
	}
	if err := x.DB.FreezeReview(ctx, due); err != nil {
		return nil, err
	}
	r, err := x.DB.WeekReview(ctx, week, x.Zone, now, store.Filter{})
	if err != nil {
		return nil, err
	}
	if !r.AsOf.IsZero() { // else dealtrail was not there that week
		made = &summary{week: week, leads: len(r.Leads)}
		for _, row := range r.Rows {
			switch row.Section {
			case "won":
				made.won++
			case "lost":
				made.lost++
			case "new":
				made.news++
			}
		}
		if x.Attach != nil {
			var b bytes.Buffer
			if err := x.Attach(&b, *r); err != nil {
				return nil, fmt.Errorf("write the review to attach: %w", err)
			}
			made.file = b.Bytes()
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.weeks = map[string]*summary{week: made} // the last one alone
	return made, nil
}

// Forget has the review that is mailed next made anew: somebody it names was erased.
func (x *Outbox) Forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.weeks = nil
}

func (x *Outbox) settle(ctx context.Context) error {
	if x.Settle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	return x.Settle(ctx)
}

func (s *summary) words() string {
	return fmt.Sprintf("%s to talk about, %s won, %d lost, %d new", count(s.leads, "lead", "leads"), count(s.won, "deal", "deals"), s.lost, s.news)
}

// link is the page of a review.
func (s *summary) link() string { return "/review?week=" + url.QueryEscape(s.week) }

// reviewLetter is the review as a mail to one address. It names nobody: files do.
func (x *Outbox) reviewLetter(s *summary, to string) letter {
	l := letter{
		ID: x.letterID("review", s.week), At: x.now(), To: to,
		Subject: "Lead review of " + s.week + ": " + s.words(),
		Lead:    fmt.Sprintf("The lead review of %s is ready: %s.", s.week, s.words()),
		Parts:   []part{{Title: "To go through together", Lines: []line{{Text: "Open the review", Link: x.page(s.link()), Hint: "What is filled in there becomes next week's list of decisions."}}}},
		Foot:    []line{{Text: "dealtrail sends this to the addresses in review.mail_to, once a week."}},
	}
	if s.file != nil {
		l.File = &file{"review-" + s.week + ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", s.file}
		l.Parts[0].Lines = append(l.Parts[0].Lines, line{Text: "The same is attached as a workbook.", Hint: "It names people: pass it on with care. Filled in, it can be brought back on the page."})
	}
	return l
}

func reviewKey(week string) string { return "dealtrail:outbox:review:" + week }

// reviewTrouble is what cannot be done, as Redis has it.
const reviewTrouble = "review mail"

// MailReview mails the review of the last week that is due to whoever did not get it
// yet. Each address gets a mail of its own under one Message-ID: one address that is
// refused keeps it from no other. The next week's review ends all tries.
func (x *Outbox) MailReview(ctx context.Context) error {
	now := x.now()
	week, due := x.ReviewAt.Due(now, x.Zone)
	if x.Mail == nil || len(x.ReviewTo) == 0 || x.isFinished("review", due) {
		return nil
	}
	ctx, release, ok := ingest.Alone(ctx, x.Redis, reviewLease)
	if !ok {
		return nil // another is at it, or the next look finds Redis again
	}
	defer release()
	key := reviewKey(week)
	sent := map[string]*attempt{}
	if err := x.read(ctx, key, &sent); err != nil {
		return err
	}
	var open []string
	left := 0
	for _, to := range x.ReviewTo {
		if sent[to] == nil {
			sent[to] = &attempt{}
		}
		if a := sent[to]; !a.over() {
			left++
			if !now.Before(a.Next) {
				open = append(open, to)
			}
		}
	}
	if left == 0 {
		x.finish("review", due)
		return x.tell(ctx, reviewTrouble, x.reviewTold(week, sent))
	}
	if len(open) == 0 {
		return nil
	}
	if x.Attach != nil {
		// Who is erased once it is read would be named in what is mailed, and the report of the erasing would not tell of it.
		held, free, ok := ingest.Alone(ctx, x.Redis, ingest.EraseLease)
		if !ok {
			return nil
		}
		defer free()
		ctx = held
	}
	s, err := x.review(ctx, week, due, now)
	if err != nil {
		return errors.Join(err, x.tell(ctx, reviewTrouble, fmt.Sprintf("The review of %s cannot be made to be mailed: %s. It is tried again every minute.", week, why(err))))
	}
	if s == nil {
		x.finish("review", due)
		return x.tell(ctx, reviewTrouble, "")
	}
	for _, to := range open {
		l := x.reviewLetter(s, to)
		if err := x.post(ctx, l, sent[to]); err != nil {
			return err
		}
		if err := x.write(ctx, key, sent); err != nil {
			return err
		}
		x.forget(l.ID + " " + to)
	}
	return x.tell(ctx, reviewTrouble, x.reviewTold(week, sent))
}

// post sends a letter unless that was done and only not noted, and says in the attempt
// what became of it. An error means that the program is being stopped.
func (x *Outbox) post(ctx context.Context, l letter, a *attempt) error {
	id := l.ID + " " + l.To
	if !x.remembers(id) {
		err := x.Mail.send(ctx, l)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		if err != nil {
			a.GaveUp = errors.Is(err, errAddress)
			a.failed(x.now(), 0, why(err))
			x.Log.Warn("a mail was not taken", "what", l.ID, "tries", a.Tries, "gave_up", a.GaveUp, "err", err)
			return nil
		}
		x.remember(id)
	}
	*a = attempt{Sent: x.now().UTC()}
	x.Log.Info("mailed", "what", l.ID)
	return nil
}

// reviewTold says to whom the review could not be mailed, "" when it was to all.
func (x *Outbox) reviewTold(week string, sent map[string]*attempt) string {
	var lines []string
	for _, to := range x.ReviewTo {
		switch a := sent[to]; {
		case a == nil || a.Error == "":
		case a.GaveUp:
			lines = append(lines, fmt.Sprintf("The review of %s is not mailed to %s: %s. Mend the address in review.mail_to.", week, to, a.Error))
		default:
			lines = append(lines, fmt.Sprintf("The review of %s could not be mailed to %s since %s: %s. It is tried again by itself; look at [smtp] in dealtrail.toml.", week, to, a.Since.Format(time.RFC3339), a.Error))
		}
	}
	return strings.Join(lines, " ")
}
