package mailbox_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// recorder keeps what is written, by a log or to a connection.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// heard is a connection whose commands are recorded.
type heard struct {
	net.Conn
	commands *recorder
}

func (h heard) Write(b []byte) (int, error) {
	h.commands.Write(b)
	return h.Conn.Write(b)
}

// office is a Dovecot that takes tokens of a sign-in service, and a poller on it.
type office struct {
	*mailtest.Server
	*idp
	log, commands recorder
}

func newOffice(t *testing.T, mechanisms string, users ...string) *office {
	o := &office{idp: newIDP(t)}
	o.Server = mailtest.DovecotOAuth2(t, o.URL+"/introspect", mechanisms, users...)
	t.Cleanup(func() { quiet(t, o.log.String()) })
	return o
}

func (o *office) box(user string, token mailbox.TokenSource) mailbox.Box {
	b := box(o.Server, user)
	b.Password, b.Token, b.Rep, b.Username = nil, token, user, user
	return b
}

func (o *office) poller(t *testing.T, boxes ...mailbox.Box) *mailbox.Poller {
	p := newGround().poller(t, boxes...)
	p.Log = slog.New(slog.NewTextHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return heard{c, &o.commands}, err
	}
	return p
}

// consent walks a rep through the browser's part and returns his grant.
func (o *office) consent(t *testing.T, p *mailbox.Provider) mailbox.Grant {
	t.Helper()
	if u, err := url.Parse(p.ConsentURL("state-1", verifier, redirect, person)); err != nil || u.Query().Get("redirect_uri") != redirect {
		t.Fatalf("consent at %v: %v", u, err)
	}
	grant, err := p.Exchange(t.Context(), code, verifier, redirect)
	if err != nil {
		t.Fatal(err)
	}
	return grant
}

// signs checks a mailbox and fails when it cannot be signed in to.
func signs(t *testing.T, p *mailbox.Poller, b mailbox.Box) {
	t.Helper()
	report, err := p.Check(t.Context(), b)
	if err != nil || report.SentFolder != mailtest.SentFolder {
		t.Fatalf("sign in as %s: %+v, %v", b.Username, report, err)
	}
}

func TestMailboxIsReadWithATokenByWhatTheServerOffers(t *testing.T) {
	t.Parallel()
	for mechanisms, want := range map[string]string{"xoauth2": "AUTHENTICATE XOAUTH2", "oauthbearer": "AUTHENTICATE OAUTHBEARER", "oauthbearer xoauth2": "AUTHENTICATE XOAUTH2"} {
		t.Run(mechanisms, func(t *testing.T) {
			o := newOffice(t, mechanisms, person)
			_, link := share(t, "roi-guide")
			o.Append(person, mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
			provider := o.provider(mailbox.Google)
			grant := o.consent(t, provider)
			b := o.box(grant.Address, provider.Tokens(grant.Refresh))
			p := o.poller(t, b)
			signs(t, p, b)
			if got := o.commands.String(); !strings.Contains(got, want) {
				t.Errorf("not %s: %q", want, got)
			}
			run(t, p)
			eventually(t, "the mailbox is read", func() bool { s := p.Status()[0]; return s.State == mailbox.OK && s.Events > 0 })
		})
	}
	t.Run("passwords only", func(t *testing.T) {
		o := &office{idp: newIDP(t), Server: mailtest.Dovecot(t, person)}
		b := o.box(person, o.provider(mailbox.Google).Tokens(o.refresh))
		_, err := o.poller(t, b).Check(t.Context(), b)
		complains(t, err, trail.Unavailable, "takes no sign-in by OAuth2", "PLAIN")
	})
}

func TestTokenIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "xoauth2", person)
	clock := time.Now()
	provider := o.provider(mailbox.Microsoft)
	provider.Now = func() time.Time { return clock }
	b := o.box(person, provider.Tokens(o.refresh))
	p := o.poller(t)
	for _, step := range []struct {
		later time.Duration
		want  int // requests
	}{{0, 1}, {58 * time.Minute, 1}, {70 * time.Second, 2}, {time.Minute, 2}} {
		clock = clock.Add(step.later)
		signs(t, p, b)
		if o.count() != step.want {
			t.Errorf("%v later: %d requests, not %d", step.later, o.count(), step.want)
		}
	}
	if strings.Count(o.commands.String(), "AUTHENTICATE") != 4 {
		t.Errorf("a token was refused: %q", o.commands.String())
	}
}

func TestRefusedTokenIsReplacedOnceThenParks(t *testing.T) {
	t.Parallel()
	for mechanism, status := range map[string]string{"xoauth2": "status 401", "oauthbearer": "status invalid_token"} {
		t.Run(mechanism, func(t *testing.T) {
			o := newOffice(t, mechanism, person)
			b := o.box(person, o.provider(mailbox.Microsoft).Tokens(o.refresh))
			p := o.poller(t, b)
			signs(t, p, b)
			o.set(func() { clear(o.whose) }) // what was handed out is withdrawn
			signs(t, p, b)
			if o.count() != 2 {
				t.Fatalf("%d requests", o.count())
			}
			o.set(func() { o.blocked = true })
			_, err := p.Check(t.Context(), b)
			complains(t, err, trail.Unavailable, "refused the OAuth2 sign-in for "+person, status)
			if tries := strings.Count(o.commands.String(), "AUTHENTICATE"); o.count() != 3 || tries != 5 {
				t.Errorf("%d requests, %d sign-ins", o.count(), tries)
			}
			run(t, p)
			eventually(t, "the mailbox is parked", func() bool { return p.Status()[0].State == mailbox.Parked })
			quiet(t, p.Status()[0].Reason)
			if tries := strings.Count(o.commands.String(), "AUTHENTICATE"); tries != 9 { // two looks of two tries
				t.Errorf("%d sign-ins", tries)
			}
			o.set(func() { o.blocked = false })
			p.Poke(b.Name)
			eventually(t, "the mailbox is read again", func() bool { return p.Status()[0].State == mailbox.OK })
		})
	}
}

func TestWithdrawnConsentAsksTheRepToConnectAgain(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "xoauth2", person)
	b := o.box(person, o.provider(mailbox.Google).Tokens("made-up-refresh-of-last-year"))
	p := o.poller(t, b)
	_, err := p.Check(t.Context(), b)
	complains(t, err, trail.Unavailable, "The rep has to connect this mailbox again", "Google")
	run(t, p)
	eventually(t, "the mailbox is parked", func() bool { return p.Status()[0].State == mailbox.Parked })
	reason := p.Status()[0].Reason
	quiet(t, reason)
	if !strings.Contains(reason, "connect this mailbox again") || o.count() != 3 || o.commands.String() != "" {
		t.Errorf("after %d requests and %q: %s", o.count(), o.commands.String(), reason)
	}
}

func TestServiceAccountReadsMailboxesOfTheDomain(t *testing.T) {
	t.Parallel()
	const other = "ben@harbor.example"
	o := newOffice(t, "xoauth2", person, other)
	provider := o.provider(mailbox.Google)
	account := o.account(t)
	provider.ServiceAccount = func() ([]byte, error) { return account, nil }
	var boxes []mailbox.Box
	for _, user := range []string{person, other} {
		boxes = append(boxes, o.box(user, provider.AppTokens(user)))
	}
	p := o.poller(t, boxes...)
	run(t, p)
	eventually(t, "both are read", func() bool {
		s := p.Status()
		return s[0].State == mailbox.OK && s[1].State == mailbox.OK
	})
	if o.count() != 2 {
		t.Errorf("%d requests for two mailboxes", o.count())
	}
	// A token for one opens no other.
	b := o.box(other, provider.AppTokens(person))
	_, err := o.poller(t).Check(t.Context(), b)
	complains(t, err, trail.Unavailable, other)
}

func TestAppCredentialsAreOneTokenForAllMailboxes(t *testing.T) {
	t.Parallel()
	const other = "ben@harbor.example"
	o := newOffice(t, "xoauth2", person, other)
	// Dovecot wants to hear whom a token lets in; an app's lets in everybody, so
	// the answer is whoever signs in.
	provider := o.provider(mailbox.Microsoft)
	p := o.poller(t)
	for _, user := range []string{person, other} {
		token := provider.AppTokens(user)
		signs(t, p, o.box(user, func(ctx context.Context, refused string) (string, error) {
			access, err := token(ctx, refused)
			o.set(func() { o.whose[access] = user })
			return access, err
		}))
	}
	if o.count() != 1 || o.requests[0].Get("scope") != "https://outlook.office365.com/.default" {
		t.Errorf("asked for %v", o.requests)
	}
}

// exchange serves IMAP with made-up answers until the test ends: answers returns
// the lines that follow a command, with "TAG" for its tag, or "" to hang up.
func exchange(t *testing.T, secure *tls.Config, answers func(command string) string) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n")
				tag := ""
				for lines := bufio.NewScanner(c); lines.Scan(); {
					command := lines.Text()
					if before, after, ok := strings.Cut(command, " "); ok {
						tag, command = before, after
					}
					answer := answers(command)
					if answer == "" {
						return
					}
					fmt.Fprint(c, strings.ReplaceAll(answer, "TAG", tag))
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return address
}

func TestAnswersOfGoogleAndMicrosoftAreUnderstood(t *testing.T) {
	s := newIDP(t)
	const ok = "TAG OK done\r\n"
	challenge := "+ " + base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`)) + "\r\n"
	for _, c := range []struct {
		name    string
		answers func(command string) string
		code    trail.Code
		wants   []string
		nots    []string
	}{
		{"Google calls the empty answer an invalid argument", func(command string) string {
			if strings.HasPrefix(command, "AUTHENTICATE") {
				return challenge
			}
			return "TAG NO Invalid SASL argument. qk7if1705226pac.117\r\n"
		}, trail.Unavailable, []string{"refused the OAuth2 sign-in", "status 400"}, []string{"argument"}},
		{"Google says it well", func(command string) string {
			if strings.HasPrefix(command, "AUTHENTICATE") {
				return challenge
			}
			return "TAG NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n"
		}, trail.Unavailable, []string{"Invalid credentials", "status 400"}, nil},
		{"it hangs up", func(command string) string {
			if strings.HasPrefix(command, "AUTHENTICATE") {
				return challenge
			}
			return ""
		}, trail.Unavailable, []string{"refused the OAuth2 sign-in", "status 400"}, nil},
		{"it has trouble of its own", func(command string) string {
			if strings.HasPrefix(command, "AUTHENTICATE") {
				return "TAG NO [UNAVAILABLE] Temporary System Error\r\n"
			}
			return ok
		}, trail.Unavailable, []string{"right now", "Temporary System Error"}, nil},
		{"Microsoft does not open the mailbox", func(command string) string {
			if strings.HasPrefix(command, "LIST") {
				return "TAG BAD User is authenticated but not connected.\r\n"
			}
			return ok
		}, trail.Unavailable, []string{"Set-CASMailbox -Identity " + person + " -ImapEnabled $true", "Add-MailboxPermission"}, nil},
		{"it repeats the command", func(command string) string {
			return "TAG BAD what is " + command + "?\r\n"
		}, trail.Unavailable, []string{"[redacted]"}, nil},
		{"it repeats a part", func(command string) string {
			sent, _ := base64.StdEncoding.DecodeString(command[len("AUTHENTICATE XOAUTH2 "):])
			return "TAG NO [AUTHENTICATIONFAILED] bad token '" + string(sent[len("user="+person+"\x01auth=Bearer "):][:24]) + "...'\r\n"
		}, trail.Unavailable, []string{"bad token '[redacted]"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := exchange(t, nil, c.answers)
			b := mailbox.Box{Name: "scripted", Rep: person, Host: "127.0.0.1", Port: address.Port, Security: "none", Username: person, Token: s.provider(mailbox.Google).Tokens(s.refresh)}
			_, err := newGround().poller(t).Check(t.Context(), b)
			complains(t, err, c.code, c.wants...)
			for _, not := range c.nots {
				if strings.Contains(fmt.Sprint(err), not) {
					t.Errorf("%q is in: %v", not, err)
				}
			}
		})
	}
}

// certificate returns a certificate for host names, and whom to trust for it.
func certificate(t *testing.T, hosts ...string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: hosts, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func TestRefusedSignInsNameTheProvidersSetting(t *testing.T) {
	const google, microsoft, unknown = "imap.gmail.com", "outlook.office365.com", "imap.notgmail.com"
	secure, trusted := certificate(t, google, microsoft, unknown)
	var tries atomic.Int32
	address := exchange(t, secure, func(string) string { tries.Add(1); return "TAG NO [AUTHENTICATIONFAILED] no\r\n" })
	for _, c := range []struct {
		host  string
		token bool
		wants []string
	}{
		{google, false, []string{"app password", "2-Step Verification", "[[provider]] of kind google", "Admin console"}},
		{google, true, []string{"https://mail.google.com/", "Admin console"}},
		{microsoft, false, []string{"2022", "[[provider]] of kind microsoft", "Set-CASMailbox -Identity " + person + " -ImapEnabled $true"}},
		{microsoft, true, []string{"Set-CASMailbox", "Add-MailboxPermission", "IMAP.AccessAsApp"}},
		{unknown, false, []string{"check username and password"}},
	} {
		p := newGround().poller(t)
		p.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address.String())
		}
		b := mailbox.Box{Name: "scripted", Rep: person, Host: c.host, CAs: trusted, Username: person}
		if c.token {
			b.Token = func(context.Context, string) (string, error) { return "made-up-token-0123456789", nil }
		} else {
			b.Password = func() (string, error) { return "made-up-password", nil }
		}
		_, err := p.Check(t.Context(), b)
		complains(t, err, trail.Unavailable, c.wants...)
		if n := tries.Swap(0); n != 1 { // nothing new to try
			t.Errorf("%s: %d sign-ins", c.host, n)
		}
	}
}
