package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/jhillyerd/enmime/v2"

	"dealtrail/ingest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// postOffice is an IMAP server in memory, on loopback: the reps' mailboxes of
// the demo. The poller reads it like any other.
type postOffice struct {
	ln     net.Listener
	memory *imapmemserver.Server
	server *imapserver.Server
	users  map[string]*imapmemserver.User
}

func openPostOffice() (*postOffice, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &postOffice{ln: ln, memory: imapmemserver.New(), users: map[string]*imapmemserver.User{}}
	o.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return o.memory.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}},
		InsecureAuth: true, // loopback only
		Logger:       quiet{},
	})
	go func() { _ = o.server.Serve(ln) }()
	return o, nil
}

// quiet drops the IMAP server's remarks about connections that end.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func (o *postOffice) Close() { _ = o.server.Close() }

func (o *postOffice) address() (string, int) {
	a := o.ln.Addr().(*net.TCPAddr)
	return a.IP.String(), a.Port
}

func (o *postOffice) addUser(address, password string) error {
	u := imapmemserver.NewUser(address, password)
	for _, folder := range []string{"INBOX", "Sent"} {
		if err := u.Create(folder, nil); err != nil {
			return err
		}
	}
	o.memory.AddUser(u)
	o.users[address] = u
	return nil
}

// put appends a mail to a folder, as a mail program does with what it sent and
// the server with what came in.
func (o *postOffice) put(rep, folder string, mail []byte) error {
	u := o.users[rep]
	if u == nil {
		return fmt.Errorf("no mailbox of %s", rep)
	}
	_, err := u.Append(folder, literal{bytes.NewReader(mail)}, &imap.AppendOptions{Time: time.Now()})
	return err
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

// send does what a rep does: makes a tracked link for a contact, writes a mail
// with it and sends it; a copy lies in Sent, where the poller finds it.
func (d *demo) send(ctx context.Context, contact, content string) (string, error) {
	deal, person, ok := d.dealOf(contact)
	if !ok {
		return "", trail.Problemf(trail.NotFound, "The made-up company knows no %s.", contact)
	}
	share, err := d.registry.Share(ctx, ingest.ShareRequest{Content: content, Rep: deal.Owner.Address, To: []string{contact}, Deal: deal.ID})
	if err != nil {
		return "", err
	}
	title := content
	if t, ok, err := d.catalogue.Lookup(ctx, trail.KeyOf(content)); err == nil && ok {
		title = t.Title
	}
	first, _, _ := strings.Cut(person.Name, " ")
	mail, err := enmime.Builder().
		From(deal.Owner.Name, deal.Owner.Address).To(person.Name, contact).Subject("For "+deal.Account).Date(time.Now().Add(-45*time.Second)). // time to read it: who answers within seconds is no person
		Header("Message-ID", "<"+string(trail.NewShareID())+"."+fmt.Sprint(time.Now().UnixNano())+"@"+d.company.Options.Domain+">").
		Text([]byte("Hello " + first + ",\n\nthis may help: " + title + "\n" + share.URL + "\n")).
		HTML([]byte("<p>Hello " + html.EscapeString(first) + ",</p><p>this may help: " + share.HTML + "</p>")).
		Build()
	if err != nil {
		return "", err
	}
	var raw bytes.Buffer
	if err := mail.Encode(&raw); err != nil {
		return "", err
	}
	if err := d.post.put(deal.Owner.Address, "Sent", raw.Bytes()); err != nil {
		return "", err
	}
	d.poller.Poke(boxName(d.registry.Contacts, deal.Owner.Address))
	return share.URL, nil
}

// reply puts a contact's answer into the rep's Inbox.
func (d *demo) reply(contact, link string) error {
	deal, person, _ := d.dealOf(contact)
	mail, err := enmime.Builder().
		From(person.Name, contact).To(deal.Owner.Name, deal.Owner.Address).Subject("Re: For "+deal.Account).Date(time.Now()).
		Header("Message-ID", "<"+string(trail.NewShareID())+"."+fmt.Sprint(time.Now().UnixNano())+"@"+deal.Domain+">").
		Text([]byte("Thank you, let us talk about it.\n\nOn Monday " + deal.Owner.Address + " wrote:\n> this may help:\n> " + link + "\n")).
		Build()
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	if err := mail.Encode(&raw); err != nil {
		return err
	}
	return d.post.put(deal.Owner.Address, "INBOX", raw.Bytes())
}

// live keeps the company going: now and then a rep sends a mail, a scanner
// looks at it, a person opens, clicks or answers.
func (d *demo) live(ctx context.Context) error {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	deals, contents := d.openDeals(), d.catalogue.All()
	for wait(ctx, time.Duration(4+r.IntN(6))*time.Second) {
		deal := deals[r.IntN(len(deals))]
		contact := deal.Contacts[r.IntN(len(deal.Contacts))]
		content := synth.Popular
		if r.IntN(3) > 0 {
			content = contents[r.IntN(len(contents))].Content
		}
		link, err := d.send(ctx, contact.Address, content)
		if err != nil {
			d.log.Warn("demo: mail was not sent", "err", err)
			continue
		}
		if r.IntN(3) == 0 && wait(ctx, time.Second) {
			d.warn(scan(ctx, link))
		}
		if r.IntN(10) < 6 && wait(ctx, time.Duration(1+r.IntN(3))*time.Second) {
			d.warn(request(ctx, strings.Replace(link, "/c/", "/o/", 1)+".gif", map[string]string{"User-Agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"}))
		}
		if r.IntN(10) < 5 && wait(ctx, time.Duration(1+r.IntN(3))*time.Second) {
			d.warn(request(ctx, link, browser))
			if r.IntN(10) < 3 {
				d.warn(d.reply(contact.Address, link))
			}
		}
	}
	return ctx.Err()
}

func (d *demo) warn(err error) {
	if err != nil {
		d.log.Warn("demo: a simulated person failed", "err", err)
	}
}

// wait reports false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// browser are the headers of a person who clicks a link in a mail program.
var browser = map[string]string{
	"User-Agent":                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"Accept":                    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
	"Accept-Language":           "en-GB,en;q=0.9",
	"Sec-Fetch-Mode":            "navigate",
	"Sec-Fetch-Site":            "cross-site",
	"Sec-Fetch-User":            "?1",
	"Sec-Fetch-Dest":            "document",
	"Upgrade-Insecure-Requests": "1",
}

// scan follows a link as a security gateway does before the mail is delivered.
func scan(ctx context.Context, link string) error {
	return request(ctx, link, map[string]string{"User-Agent": "Mozilla/5.0 (compatible; MailGatewayScanner/3.1; link safety crawler)", "Accept": "*/*"})
}

// request fetches a link and does not go where it leads.
func request(ctx context.Context, link string, headers map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
