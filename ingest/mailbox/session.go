package mailbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message/charset"
	"github.com/emersion/go-sasl"
)

// session is one signed-in connection. One goroutine uses it.
//
// go-imap knows no contexts and waits for ever for a silent server, so every
// exchange runs inside step, which closes the connection when time is up.
//
// Two of its habits lose messages without an error. A FETCH response for a
// requested UID that the server volunteers (new flags) counts as the answer, and
// the real one is dropped; and a response that has UID after the body is dropped
// whole. Both end up with the handler for unrequested data, so stray keeps what was
// asked for, and whoever fetches compares what arrived with what was asked for.
type session struct {
	client   *imapclient.Client
	conn     net.Conn // beneath TLS, so that closing never waits
	patience time.Duration
	watchdog atomic.Pointer[time.Timer]
	arrived  atomic.Int64 // bytes since that was last asked
	words    *overheard   // nil with STARTTLS

	mu     sync.Mutex
	wants  *request // what is being asked
	wanted map[imap.UID]bool
	strays map[imap.UID]*arrival
	landed chan struct{} // told after each stray, buffered 1
	news   chan struct{} // told when the server says that the open folder changed, buffered 1
}

// errSilent says that the server let a step's time run out.
var errSilent = errors.New("server is silent")

// step runs one exchange with the server. It fails with errSilent when nothing
// arrived for the session's patience, and with the context's error when that
// ended first; the connection is closed then.
func (s *session) step(ctx context.Context, exchange func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	timer := time.AfterFunc(s.patience, func() { cancel(errSilent) })
	s.watchdog.Store(timer)
	err := exchange()
	timer.Stop()
	if !stop() {
		return context.Cause(ctx)
	}
	if said := s.words.farewell(); err != nil && said != "" {
		return &goodbye{text: said, err: err}
	}
	return err
}

// alive tells the watchdog that bytes arrive.
func (s *session) alive() {
	if t := s.watchdog.Load(); t != nil {
		t.Reset(s.patience)
	}
}

// close ends the connection and waits for the client's reader.
func (s *session) close() {
	s.conn.Close()
	if s.client != nil {
		<-s.client.Closed()
	}
}

// connect returns a signed-in session. A token that the server refuses may have
// ended early, so one fresh token is tried as well, on a connection of its own.
func (p *Poller) connect(ctx context.Context, b *Box) (*session, error) {
	secret, err := b.secret(ctx, "")
	if err != nil {
		return nil, err
	}
	s, err := p.connectWith(ctx, b, secret)
	refused := (*refusal)(nil)
	if b.Token == nil || !errors.As(err, &refused) || refused.passing() {
		return s, err
	}
	fresh, failed := b.secret(ctx, secret)
	if failed != nil {
		return nil, failed
	}
	if fresh == secret {
		return nil, err
	}
	return p.connectWith(ctx, b, fresh)
}

func (p *Poller) connectWith(ctx context.Context, b *Box, secret string) (*session, error) {
	dial := p.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	dialing, cancel := context.WithTimeoutCause(ctx, p.patience(), errSilent)
	defer cancel()
	conn, err := dial(dialing, "tcp", b.address())
	if err != nil {
		if context.Cause(dialing) == errSilent {
			err = errSilent
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &session{patience: p.patience(), landed: make(chan struct{}, 1), news: make(chan struct{}, 1)}
	s.conn = metered{conn, &s.arrived}
	err = s.step(ctx, func() error { return s.greet(ctx, b) })
	if err == nil {
		err = s.step(ctx, func() error { return s.signIn(b, secret) })
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// greet sets up encryption as the box wants it and waits for the greeting. No
// setting and no answer of the server leads to less encryption than asked for.
func (s *session) greet(ctx context.Context, b *Box) error {
	config := &tls.Config{ServerName: b.Host, RootCAs: b.CAs, MinVersion: tls.VersionTLS12}
	options := &imapclient.Options{
		TLSConfig:             config,
		WordDecoder:           &mime.WordDecoder{CharsetReader: charset.Reader},
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Fetch: s.stray, Mailbox: s.grown},
	}
	switch b.security() {
	case "starttls":
		client, err := imapclient.NewStartTLS(s.conn, options)
		if err != nil {
			if no := (*imap.Error)(nil); errors.As(err, &no) {
				err = errors.Join(errNoTLS, err)
			}
			return fmt.Errorf("start TLS: %w", err)
		}
		s.client = client
	case "tls":
		config.NextProtos = []string{"imap"}
		secure := tls.Client(s.conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		s.words = &overheard{Conn: secure}
		s.client = imapclient.New(s.words, options)
	default:
		s.words = &overheard{Conn: s.conn}
		s.client = imapclient.New(s.words, options)
	}
	if err := s.client.WaitGreeting(); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	return nil
}

// signIn sends the password or token. After a failure the connection is of no
// use: an exchange may still be open.
func (s *session) signIn(b *Box, secret string) error {
	if s.client.State() == imap.ConnStateAuthenticated {
		return nil
	}
	mechanisms := s.client.Caps().AuthMechanisms()
	if b.Token != nil {
		token, err := newBearer(b, secret, mechanisms)
		if err != nil {
			return err
		}
		if err = s.client.Authenticate(token); err == nil {
			return nil
		}
		if refused := token.refused(err); refused != nil {
			return refused
		}
		return fmt.Errorf("sign in: %w", err)
	}
	var err error
	if slices.Contains(mechanisms, sasl.Plain) {
		err = s.client.Authenticate(sasl.NewPlainClient("", b.Username, secret))
	} else {
		err = s.client.Login(b.Username, secret).Wait()
	}
	no := (*imap.Error)(nil)
	if errors.As(err, &no) {
		return &refusal{code: no.Code, text: displayName(redact(no.Text, secret))}
	}
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	return nil
}

// list returns the server's folders. A plain LIST has the attributes on nearly
// every server; the extended form is only sent where it is understood.
func (s *session) list(ctx context.Context) (folders []*imap.ListData, err error) {
	err = s.step(ctx, func() error {
		folders, err = s.client.List("", "*", nil).Collect()
		marked := slices.ContainsFunc(folders, func(f *imap.ListData) bool { return slices.Contains(f.Attrs, imap.MailboxAttrSent) })
		if caps := s.client.Caps(); err == nil && !marked && caps.Has(imap.CapListExtended) && caps.Has(imap.CapSpecialUse) {
			folders, err = s.client.List("", "*", &imap.ListOptions{ReturnSpecialUse: true}).Collect()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	return folders, nil
}

// examine opens a folder for reading only.
func (s *session) examine(ctx context.Context, name string) (data *imap.SelectData, err error) {
	err = s.step(ctx, func() error {
		data, err = s.client.Select(name, &imap.SelectOptions{ReadOnly: true, CondStore: s.client.Caps().Has(imap.CapCondStore)}).Wait()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	return data, nil
}

// next returns the UID that the next message of another folder than the open one
// gets, or 0 if the server does not say.
func (s *session) next(ctx context.Context, name string) (uid imap.UID, err error) {
	err = s.step(ctx, func() error {
		data, err := s.client.Status(name, &imap.StatusOptions{UIDNext: true}).Wait()
		if no := (*imap.Error)(nil); errors.As(err, &no) {
			return nil
		}
		if err == nil {
			uid = data.UIDNext
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the state of a folder: %w", err)
	}
	return uid, nil
}

// search returns the UIDs that match, ascending.
func (s *session) search(ctx context.Context, criteria *imap.SearchCriteria) (uids []imap.UID, err error) {
	err = s.step(ctx, func() error {
		data, err := s.client.UIDSearch(criteria, nil).Wait()
		if err == nil {
			uids, err = numbers(data.All)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

// maxFound bounds what a search may return: a broken server can name all four
// billion UIDs in a few bytes.
const maxFound = 10_000_000

// numbers returns the UIDs of a search result. go-imap's own AllUIDs panics on
// a result with a 0 in it.
func numbers(set imap.NumSet) (uids []imap.UID, err error) {
	ranges, _ := set.(imap.UIDSet)
	for _, r := range ranges {
		if r.Start == 0 || r.Stop < r.Start {
			continue
		}
		if uint64(r.Stop-r.Start)+uint64(len(uids)) >= maxFound {
			return nil, errors.New("more messages than a folder can have")
		}
		for uid := r.Start; ; uid++ {
			uids = append(uids, uid)
			if uid == r.Stop {
				break
			}
		}
	}
	return uids, nil
}
