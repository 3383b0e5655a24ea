package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

type doctorCmd struct{}

// Help says what is looked at.
func (doctorCmd) Help() string {
	return `Looks at everything that dealtrail needs, from outside in: names and certificates of its addresses, whether they lead here,
the clock, the disk, Redis and ClickHouse, the running server, mailboxes, CRMs and the server that sends mail. It stores nothing. Each line that
begins with MEND says what to do; then the exit code is 1.`
}

// doctor looks at what an installation needs.
type doctor struct {
	config  *Config
	secrets *Secrets
	out     io.Writer
	now     func() time.Time
	client  *http.Client // follows no redirect
	ill     int          // how much has to be mended
}

const (
	// doctorWait is how long one question may take.
	doctorWait = 10 * time.Second
	// certificateLeft is when a certificate that was not renewed calls for a person: those
	// that we get ourselves are renewed a month before their end.
	certificateLeft = 14 * 24 * time.Hour
	// diskLeft is what should be free beside what events may take while Redis is away.
	diskLeft = 1 << 30
)

// Run prints a line for each thing. What could not be asked because something before it
// does not work is told once.
func (doctorCmd) Run(e *env) error {
	c, s, err := e.load()
	if err != nil {
		return err
	}
	d := &doctor{config: c, secrets: s, out: e.out, now: time.Now, client: &http.Client{
		Timeout:       doctorWait,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	d.addresses(e.ctx)
	d.clock()
	d.disk()
	d.redis(e.ctx)
	d.clickhouse(e.ctx)
	up := d.server(e)
	d.mailboxes(e, up)
	if up {
		d.crms(e)
	}
	d.mailServer(e.ctx)
	if d.ill > 0 {
		fmt.Fprintf(e.out, "%d to mend\n", d.ill)
		return errTrouble
	}
	fmt.Fprintln(e.out, "all is well")
	return nil
}

func (d *doctor) well(what, format string, args ...any) {
	fmt.Fprintf(d.out, "ok    %s: %s\n", what, fmt.Sprintf(format, args...))
}

func (d *doctor) mend(what, format string, args ...any) {
	d.ill++
	fmt.Fprintf(d.out, "MEND  %s: %s\n", what, fmt.Sprintf(format, args...))
}

// addresses looks at server.public_url and server.pages_url: name, certificate, and whether
// they lead to a dealtrail.
func (d *doctor) addresses(ctx context.Context) {
	public, pages := d.config.Server.PublicURL, d.config.pages()
	u, _ := url.Parse(public) // checked when it was read
	switch {
	case (u.Scheme != "https" || isLoopback(u.Hostname())) && !d.config.Tracking.AllowLocal:
		d.mend("public address", "%s is no address for prospects, so no links are made; once a name leads here, set server.public_url to https://NAME (docs/proxy.md). Mailboxes and imports work without", public)
	default:
		// Any pixel is answered, whatever its token, and a HEAD counts nothing.
		d.address(ctx, "public address", public, "/o/doctor.gif", http.StatusOK)
	}
	if pages != public {
		d.address(ctx, "pages", pages, "/healthz", http.StatusOK)
	}
}

// address asks one address for a path as a browser would.
func (d *doctor) address(ctx context.Context, what, base, path string, want int) {
	ctx, cancel := context.WithTimeout(ctx, doctorWait)
	defer cancel()
	u, err := url.Parse(base)
	if err != nil {
		d.mend(what, "%s is no address", base)
		return
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		d.mend(what, "the name %s is not known; make an A record for it, and an AAAA record if this machine has IPv6", u.Hostname())
		return
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodHead, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		d.mend(what, "%s is no address", base)
		return
	}
	r, err := d.client.Do(q)
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		d.mend(what, "%s has a certificate that browsers refuse (%v); see docs/proxy.md", base, cert.Err)
		return
	case err != nil:
		d.mend(what, "%s (%s) does not answer; let port %s through to here. From inside some networks one's own address cannot be reached: then try %s from elsewhere", base, strings.Join(ips, ", "), cmp.Or(u.Port(), map[string]string{"https": "443"}[u.Scheme], "80"), base+path)
		return
	}
	r.Body.Close()
	if r.StatusCode != want {
		d.mend(what, "%s answers %s with status %d, so it leads to something else; lead /c/, /o/ and /stop/ of that host to dealtrail (docs/proxy.md)", base, path, r.StatusCode)
		return
	}
	if r.TLS != nil {
		ends := r.TLS.PeerCertificates[0].NotAfter
		if left := ends.Sub(d.now()); left < certificateLeft {
			d.mend(what, "the certificate of %s ends on %s; see why it is not renewed", u.Hostname(), ends.Format(time.DateOnly))
			return
		}
		d.well(what, "%s (%s) leads to dealtrail, certificate until %s", base, strings.Join(ips, ", "), ends.Format(time.DateOnly))
		return
	}
	d.well(what, "%s (%s) leads to dealtrail", base, strings.Join(ips, ", "))
}

// clock asks the kernel whether something keeps its clock right: signatures of CRMs, tokens
// of mail providers and the order of events hang on it.
func (d *doctor) clock() {
	var t syscall.Timex
	switch state, err := syscall.Adjtimex(&t); {
	case err != nil:
		d.well("clock", "%s; whether something keeps it right cannot be told here", d.now().UTC().Format(time.RFC3339))
	case state == 5: // TIME_ERROR
		d.mend("clock", "nothing keeps the clock right (it says %s); install chrony or turn on systemd-timesyncd", d.now().UTC().Format(time.RFC3339))
	default:
		d.well("clock", "kept right")
	}
}

// disk looks at what is free where everything is stored.
func (d *doctor) disk() {
	dir := d.config.beside(d.config.Data.Dir)
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	for errors.Is(err, syscall.ENOENT) && dir != filepath.Dir(dir) { // before the first start
		dir = filepath.Dir(dir)
		err = syscall.Statfs(dir, &s)
	}
	if err != nil {
		d.mend("disk", "%s cannot be looked at (%v); check data.dir", dir, err)
		return
	}
	free, need := int64(s.Bavail)*s.Bsize, int64(d.config.Data.SpoolMB)<<20+diskLeft
	if free < need {
		d.mend("disk", "%d MB are free in %s, and %d should be: data.spool_mb and 1 GB more; free some, or move data.dir", free>>20, dir, need>>20)
		return
	}
	d.well("disk", "%d MB are free in %s", free>>20, dir)
}

// server asks the running server how it is, and reports whether it answers.
func (d *doctor) server(e *env) bool {
	at := cmp.Or(e.URL, d.config.address())
	st, err := get[trail.Status](e, "/v1/status", nil)
	var p *trail.Problem
	switch {
	case errors.As(err, &p):
		d.mend("server", "%s says: %s", at, p.Text)
		return false
	case err != nil:
		d.mend("server", "nothing answers at %s; start it with: dealtrail serve. Mailboxes that were added, and CRMs, are looked at once it runs", at)
		return false
	}
	for _, t := range st.Trouble {
		d.mend("server", "%s", t)
	}
	if len(st.Trouble) == 0 {
		d.well("server", "version %s at %s, %d events", st.Version, at, st.Events)
	}
	return true
}

// mailboxes signs in to each mailbox. Those that were added only the running server knows.
func (d *doctor) mailboxes(e *env, up bool) {
	n, err := mailboxCheckCmd{}.each(e, d.config, d.secrets, func(rep string, report mailbox.CheckReport, err error) {
		switch {
		case err != nil:
			d.mend("mailbox", "%s: %v", rep, err)
		case report.Problem != "":
			d.mend("mailbox", "%s: %s", rep, report.Problem)
		default:
			d.well("mailbox", "%s: signed in, Sent is %q", rep, report.SentFolder)
		}
	})
	switch {
	case !up:
	case err != nil:
		d.mend("mailbox", "mailboxes that were added cannot be looked at: %v", err)
	case n == 0:
		d.mend("mailbox", "none is connected; see docs/mail-google.md, docs/mail-microsoft.md or docs/mail-imap.md")
	case len(d.config.Company.Domains) == 0:
		d.mend("mailbox", "company.domains is empty, so mail among colleagues counts as mail to prospects; name your own mail domains")
	}
}

// crms asks each CRM that can be asked.
func (d *doctor) crms(e *env) {
	for _, name := range slices.Sorted(maps.Keys(d.config.CRMs)) {
		c, err := e.client()
		if err != nil {
			d.mend("crm", "%v", err)
			return
		}
		if one := d.config.CRMs[name]; one.TokenFile == "" && one.ClientID == "" {
			d.well("crm", "%s is not asked, it delivers", name)
			continue
		}
		var check trail.CRMCheck
		if err := c.Post(e.ctx, "/v1/crm/"+url.PathEscape(name)+"/check", nil, &check); err != nil {
			d.mend("crm", "%s: %v", name, err)
			continue
		}
		d.well("crm", "%s answers: %d pipelines", name, len(check.Pipelines))
	}
}

// mailServer looks whether the server that takes our mails can be reached.
func (d *doctor) mailServer(ctx context.Context) {
	s := d.config.SMTP
	if s.Host == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorWait)
	defer cancel()
	at := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		d.mend("smtp", "%s does not answer; check smtp.host and smtp.port, and that this network lets mail out", at)
		return
	}
	conn.Close()
	d.well("smtp", "%s answers; send yourself a mail with: dealtrail outbox test ADDRESS", at)
}
