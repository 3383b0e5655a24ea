package outbox

import (
	"context"
	"net/mail"
	"slices"
	"strings"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Channels lists what is sent, to whom, and how that goes.
func (x *Outbox) Channels(ctx context.Context) ([]trail.Channel, error) {
	all := []trail.Channel{}
	known, err := ingest.Troubles(ctx, x.Redis)
	if err != nil {
		return nil, err
	}
	troubles := map[string]string{}
	for _, t := range known {
		troubles[t.What] = t.Text
	}
	if x.Mail != nil && len(x.ReviewTo) > 0 {
		c := trail.Channel{Name: "review", Kind: "mail", Events: []string{ReviewReady}, To: x.ReviewTo, Trouble: troubles[reviewTrouble]}
		week, _ := x.ReviewAt.Due(x.now(), x.Zone)
		sent := map[string]*attempt{}
		if err := x.read(ctx, reviewKey(week), &sent); err != nil {
			return nil, err
		}
		for _, a := range sent {
			if a.Sent.After(c.SentAt) {
				c.SentAt = a.Sent
			}
		}
		all = append(all, c)
	}
	if x.Mail != nil && x.Digest != nil {
		c := trail.Channel{Name: "digest", Kind: "mail", Events: []string{"digest"}, Zone: x.Zone.String(), Trouble: troubles[digestTrouble]}
		if c.Off, err = x.Redis.SMembers(ctx, digestsOff).Result(); err != nil {
			return nil, err
		}
		slices.Sort(c.Off)
		var last attempt
		if err := x.read(ctx, digestSent, &last); err != nil {
			return nil, err
		}
		c.SentAt = last.Sent
		for _, rep := range x.Digest.Reps() {
			if !slices.Contains(c.Off, trail.NormalAddress(rep)) {
				c.To = append(c.To, trail.NormalAddress(rep))
			}
		}
		all = append(all, c)
	}
	for _, chat := range x.Chats {
		t := &told{}
		if err := x.read(ctx, chatKey(chat.Name), t); err != nil {
			return nil, err
		}
		c := trail.Channel{Name: chat.Name, Kind: chat.Kind, Events: chat.Events, Rep: chat.Rep, Quiet: chat.Quiet.String(), Waiting: len(t.Pending), SentAt: t.Sent, Trouble: troubles[chatTrouble(chat.Name)]}
		if c.Quiet != "" {
			c.Zone = chat.Zone.String()
		}
		if t.Batch != nil {
			c.Waiting += len(t.Batch.Notices)
		}
		all = append(all, c)
	}
	return all, nil
}

// TestMail mails a test to an address. A *trail.Problem says why that did not work.
func (x *Outbox) TestMail(ctx context.Context, to string) error {
	if x.Mail == nil {
		return trail.Problemf(trail.Conflict, "No mail server is set up; set smtp.host and smtp.from in dealtrail.toml.")
	}
	if _, err := mail.ParseAddress(to); err != nil {
		return trail.Problemf(trail.Invalid, "%q is not an email address.", plain(to))
	}
	now := x.now()
	err := x.Mail.send(ctx, letter{
		ID: "test-" + strings.ToLower(trail.NewID(now).String()), At: now, To: to, Subject: "A test from dealtrail", Lead: "This is a test: dealtrail can send mail to you.",
		Foot: []line{{Text: "Somebody asked for it", Link: x.page("/status")}},
	})
	if err != nil {
		return trail.Problemf(trail.Conflict, "The mail was not taken: %s.", why(err))
	}
	return nil
}
