package mailbox

import (
	"bytes"
	"net"
	"regexp"
	"sync"
)

// goodbye is a connection that the server closed, and why in its words: the
// client library keeps a BYE in the middle of a session to itself.
type goodbye struct {
	text string
	err  error
}

func (g *goodbye) Error() string { return g.err.Error() }
func (g *goodbye) Unwrap() error { return g.err }

// overheard remembers the end of what arrives, in the clear, on a connection.
type overheard struct {
	net.Conn
	mu   sync.Mutex
	last []byte
}

const maxOverheard = 600

func (o *overheard) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, b[max(0, n-maxOverheard):n]...)
	o.last = o.last[max(0, len(o.last)-maxOverheard):]
	return n, err
}

var bye = regexp.MustCompile(`(?im)^\* BYE (?:\[[^\]\r\n]*\] )?([^\r\n]*)\r?\n?\z`)

// farewell returns the server's last words, or "" if it said none.
func (o *overheard) farewell() string {
	if o == nil {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if found := bye.FindSubmatch(bytes.TrimSpace(o.last)); found != nil {
		return displayName(string(found[1]))
	}
	return ""
}
