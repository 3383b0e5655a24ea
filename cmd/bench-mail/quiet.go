package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// looks is how often all mailboxes are looked into.
const looks = 7

// quiet measures one look into many mailboxes where nothing is new, on
// connections that are there already.
func (b *bench) quiet(ctx context.Context, n int) (err error) {
	keys, err := trail.ParseKeys("a:abcdefghijklmnopqrstuvwxyz234567")
	if err != nil {
		return err
	}
	var users []string
	for i := range n {
		users = append(users, fmt.Sprintf("rep%03d", i))
	}
	server := mailtest.Dovecot(b.host, users...)
	var boxes []mailbox.Box
	for i, user := range users {
		corpus := mailtest.Corpus{
			Seed: uint64(i), Mails: 12, Rep: rep, Until: time.Now().Add(-time.Hour), Span: 20 * 24 * time.Hour, Page: page, Attach: [2]int{-1},
			Link: func(n int) string {
				return "https://go.harbor.example/c/" + keys.Seal(trail.KeyOf(content), shareOf(i*100+n))
			},
		}
		server.Deliver(user, "INBOX", corpus.In("INBOX"))
		server.Deliver(user, mailtest.SentFolder, corpus.In(mailtest.SentFolder))
		boxes = append(boxes, box(server, user, server.Port))
	}
	p, err := b.pipe(ctx, "redis-quiet")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	poller := p.poller(keys, p.buffer.Append, boxes...)
	since := func(t time.Time) func() bool {
		return func() bool {
			return !slices.ContainsFunc(poller.Status(), func(s mailbox.BoxStatus) bool { return !s.LastPoll.After(t) })
		}
	}
	began := time.Now()
	stop := start(ctx, poller)
	defer func() { err = errors.Join(err, stop()) }()
	if err := until(ctx, 5*time.Minute, since(time.Time{})); err != nil {
		return fmt.Errorf("the first look: %w", err)
	}
	opened := time.Since(began)
	read := messages(poller)
	var took []time.Duration
	for range looks {
		began := time.Now()
		for _, user := range users {
			poller.Poke(user)
		}
		if err := until(ctx, time.Minute, since(began)); err != nil {
			return fmt.Errorf("a quiet look: %w", err)
		}
		took = append(took, time.Since(began))
	}
	if after := messages(poller); after != read {
		return fmt.Errorf("%d mails were read in quiet looks", after-read)
	}
	b.say("\n## A look where nothing is new\n\n%d mailboxes of the same server, each on its kept connection, from poking all of them until the last has been looked into (INBOX and Sent); %d times. Signing in to all and the first reading of 12 mails each took %.1f s.\n\n", n, looks, opened.Seconds())
	b.say("- Milliseconds: %s; median %d, longest %d.\n", milliseconds(took), median(took).Milliseconds(), slices.Max(took).Milliseconds())
	b.bar(slices.Max(took) < 2*time.Second, "The longest under 2 s (%.2f s)", slices.Max(took).Seconds())
	return nil
}

func messages(p *mailbox.Poller) (n uint64) {
	for _, s := range p.Status() {
		n += s.Messages
	}
	return n
}

func milliseconds(all []time.Duration) string {
	out := ""
	for i, d := range all {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprint(d.Milliseconds())
	}
	return out
}
