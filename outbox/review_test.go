package outbox_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"dealtrail/ingest"
	"dealtrail/outbox"
	"dealtrail/trail"
)

var list = []string{"lee@us.example", "mia@us.example"}

func TestTheReviewIsMailedOncePerWeekWhateverHappens(t *testing.T) {
	w := newWorld(t)
	post := newMailServer(t, nil)
	process := func(change func(*outbox.Outbox)) *outbox.Outbox {
		return w.outbox(func(x *outbox.Outbox) {
			x.Mail, x.ReviewTo = post.mailer, list
			if change != nil {
				change(x)
			}
		})
	}
	fresh := func(t *testing.T, at time.Time) {
		w.t, w.now = t, at
		w.must(w.rdb.FlushDB(t.Context()).Err())
		post.take()
	}

	t.Run("what it says", func(t *testing.T) {
		fresh(t, monday.Add(-time.Second))
		x := process(nil)
		w.must(x.MailReview(t.Context()))
		if all := post.take(); len(all) != 0 && !strings.Contains(all[0].subject(t), "W46") {
			t.Fatalf("before it is due: %d mails, %s", len(all), all[0].raw)
		}
		w.now = monday
		w.must(x.MailReview(t.Context()))
		all := post.take()
		if len(all) != 2 || all[0].to != list[0] || all[1].to != list[1] || all[0].from != "dealtrail@us.example" {
			t.Fatalf("%d mails: %+v", len(all), all)
		}
		e := all[0].parts(t)
		for _, want := range []string{"2026-W47", "1 deal won, 0 lost", "https://deals.us.example/review?week=2026-W47"} {
			if !strings.Contains(e.Text, want) || !strings.Contains(e.HTML, want) {
				t.Errorf("it does not say %q:\n%s\n%s", want, e.Text, e.HTML)
			}
		}
		for _, name := range []string{"Ann", "alpha", "Big"} {
			if strings.Contains(all[0].raw, name) {
				t.Errorf("it names %s:\n%s", name, all[0].raw)
			}
		}
		h := all[0].header(t)
		if h.Get("Auto-Submitted") != "auto-generated" || len(e.Attachments) != 0 || !strings.HasSuffix(h.Get("Message-Id"), "@us.example>") || all[0].id(t) != all[1].id(t) {
			t.Errorf("header %v, %d attachments", h, len(e.Attachments))
		}
	})

	t.Run("two processes, many looks", func(t *testing.T) {
		fresh(t, monday.Add(time.Minute))
		var both sync.WaitGroup
		for range 2 {
			x := process(nil)
			both.Go(func() {
				for range 4 {
					if err := x.MailReview(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		both.Wait()
		w.must(process(nil).MailReview(t.Context())) // whoever was kept out by the other
		if all := post.take(); len(all) != 2 {
			t.Errorf("%d mails, want one to each", len(all))
		}
		w.now = monday.AddDate(0, 0, 6)
		w.must(process(nil).MailReview(t.Context()))
		if all := post.take(); len(all) != 0 {
			t.Errorf("%d mails on Sunday", len(all))
		}
		w.now = monday.AddDate(0, 0, 7)
		w.must(process(nil).MailReview(t.Context()))
		if all := post.take(); len(all) != 2 || !strings.Contains(all[0].subject(t), "W48") {
			t.Errorf("a week later: %d mails", len(all))
		}
	})

	t.Run("a crash between sending and noting", func(t *testing.T) {
		fresh(t, monday)
		x := process(func(x *outbox.Outbox) { x.Redis = w.dying() })
		if err := x.MailReview(t.Context()); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		if err := x.MailReview(t.Context()); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		before := post.take()
		if len(before) != 1 {
			t.Fatalf("%d mails by a process that can take no notes; want one, not one at every look", len(before))
		}
		w.must(process(nil).MailReview(t.Context()))
		after := post.take()
		if len(after) != 2 || after[0].id(t) != before[0].id(t) {
			t.Errorf("after the crash: %d mails, IDs %s %s", len(after), before[0].id(t), after[0].id(t))
		}
	})

	t.Run("a server that is down, an address that is refused", func(t *testing.T) {
		fresh(t, monday)
		post.set(func() {
			post.down = true
			post.refuse[list[1]] = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		})
		x := process(nil)
		w.must(x.MailReview(t.Context()))
		if told := w.troubles(); len(told) != 1 || !strings.Contains(told[0], "lee@us.example since 2026-11-23T07:00:00Z") || !strings.Contains(told[0], "try again later") {
			t.Errorf("status tells %q", told)
		}
		post.set(func() { post.down = false })
		w.must(x.MailReview(t.Context()))
		if all := post.take(); len(all) != 0 {
			t.Error("it is tried again without a wait")
		}
		w.now = w.now.Add(time.Minute)
		w.must(x.MailReview(t.Context()))
		if all := post.take(); len(all) != 1 || all[0].to != list[0] {
			t.Errorf("once it is up: %+v", all)
		}
		if told := w.troubles(); len(told) != 1 || !strings.Contains(told[0], "not mailed to mia@us.example") || !strings.Contains(told[0], "review.mail_to") || strings.Contains(told[0], "lee@") {
			t.Errorf("status tells %q", told)
		}
		post.set(func() { delete(post.refuse, list[1]) })
		w.now = monday.AddDate(0, 0, 7)
		w.must(x.MailReview(t.Context()))
		if all := post.take(); len(all) != 2 || len(w.troubles()) != 0 {
			t.Errorf("the week after: %d mails, status tells %q", len(all), w.troubles())
		}
	})

	t.Run("the workbook only when chosen", func(t *testing.T) {
		fresh(t, monday)
		w.must(process(func(x *outbox.Outbox) {
			x.Attach = func(w io.Writer, r trail.Review) error { _, err := io.WriteString(w, "book of "+r.Week); return err }
		}).MailReview(t.Context()))
		e := post.take()[0].parts(t)
		if len(e.Attachments) != 1 || e.Attachments[0].FileName != "review-2026-W47.xlsx" || string(e.Attachments[0].Content) != "book of 2026-W47" {
			t.Errorf("%+v", e.Attachments)
		}
	})

	t.Run("the workbook not while somebody is erased", func(t *testing.T) {
		fresh(t, monday)
		_, erased, ok := ingest.Alone(t.Context(), w.rdb, ingest.EraseLease)
		if !ok {
			t.Fatal("the lease of erasings is not free")
		}
		x := process(func(x *outbox.Outbox) {
			x.Attach = func(w io.Writer, r trail.Review) error { _, err := io.WriteString(w, "book"); return err }
		})
		w.must(x.MailReview(t.Context()))
		if all := post.take(); len(all) != 0 {
			t.Errorf("%d mails meanwhile", len(all))
		}
		erased()
		w.must(x.MailReview(t.Context()))
		if all := post.take(); len(all) != len(list) {
			t.Errorf("%d mails afterwards", len(all))
		}
	})

	t.Run("a week without a review", func(t *testing.T) {
		fresh(t, monday.AddDate(0, -2, 0))
		x := process(nil)
		w.must(x.MailReview(t.Context()))
		w.must(x.MailReview(t.Context()))
		if all := post.take(); len(all) != 0 || len(w.troubles()) != 0 {
			t.Errorf("%d mails, %q", len(all), w.troubles())
		}
	})

	t.Run("by the clock of the company", func(t *testing.T) {
		for zone, due := range map[string]string{
			"Australia/Sydney": "2026-10-05T07:00:00+11:00", // summer time began the day before
			"America/New_York": "2026-11-02T07:00:00-05:00", // and ended the day before
		} {
			at, err := time.Parse(time.RFC3339, due)
			w.must(err)
			where, err := time.LoadLocation(zone)
			w.must(err)
			fresh(t, at.Add(-time.Second))
			x := process(func(x *outbox.Outbox) { x.Zone, x.ReviewTo = where, list[:1] })
			w.must(x.MailReview(t.Context()))
			before := post.take()
			w.now = at
			w.must(x.MailReview(t.Context()))
			after := post.take()
			if len(after) != 1 || !strings.Contains(after[0].subject(t), trail.WeekOf(at.AddDate(0, 0, -7), where)) {
				t.Errorf("%s: %d mails when it is due", zone, len(after))
			}
			if len(before) != 1 || !strings.Contains(before[0].subject(t), trail.WeekOf(at.AddDate(0, 0, -14), where)) {
				t.Errorf("%s: %d mails a second before, want the one that was due a week ago", zone, len(before))
			}
		}
	})
}

func TestMailIsEncryptedAndSignedInTo(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	post := newMailServer(t, &tls.Config{Certificates: certified.TLS.Certificates})
	post.mailer.TLS, post.mailer.Username, post.mailer.Password = "starttls", "dealtrail", func() (ingest.Secret, error) { return "s3cret", nil }
	x := &outbox.Outbox{Mail: post.mailer, Contacts: keys}
	if err := x.TestMail(t.Context(), rita); err == nil || len(post.take()) != 0 {
		t.Errorf("a certificate that nobody vouches for is taken: %v", err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(certified.Certificate())
	post.mailer.Trust = &tls.Config{RootCAs: trust, ServerName: "example.com"}
	if err := x.TestMail(t.Context(), rita); err != nil {
		t.Fatal(err)
	}
	if all := post.take(); len(all) != 1 || !post.tls || post.sign != "dealtrail s3cret" {
		t.Errorf("%d mails, encrypted %v, signed in as %q", len(all), post.tls, post.sign)
	}
	post.mailer.TLS = "tls" // the server speaks in the clear first
	if err := x.TestMail(t.Context(), rita); err == nil || len(post.take()) != 0 {
		t.Errorf("mail goes out in the clear though tls is asked for: %v", err)
	}
	wrapped := newMailServer(t, nil, func(ln net.Listener) net.Listener {
		return tls.NewListener(ln, &tls.Config{Certificates: certified.TLS.Certificates})
	})
	wrapped.mailer.TLS, wrapped.mailer.Trust, x.Mail = "tls", post.mailer.Trust, wrapped.mailer
	if err := x.TestMail(t.Context(), rita); err != nil || len(wrapped.take()) != 1 {
		t.Errorf("tls from the beginning: %v", err)
	}
	plain := newMailServer(t, nil)
	plain.mailer.TLS = "starttls"
	x.Mail = plain.mailer
	if err := x.TestMail(t.Context(), rita); err == nil || len(plain.take()) != 0 {
		t.Errorf("mail goes out in the clear though starttls is asked for: %v", err)
	}
	for _, to := range []string{"no address", "a@b.example\r\nBcc: c@d.example", ""} {
		x.Mail = post.mailer
		if err := x.TestMail(t.Context(), to); err == nil {
			t.Errorf("a mail to %q", to)
		}
	}
}

func TestAMailServerThatSaysNothingHoldsUpNoStop(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, stop := context.WithCancel(t.Context())
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := ln.Accept(); err == nil {
			accepted <- conn
			stop()
		}
	}()
	x := &outbox.Outbox{Contacts: keys, Mail: &outbox.Mailer{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, TLS: "none", From: mail.Address{Address: "d@us.example"}}}
	began := time.Now()
	if err := x.TestMail(ctx, rita); err == nil || time.Since(began) > 25*time.Second { // a mail has thirty
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	(<-accepted).Close()
}
