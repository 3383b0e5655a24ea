package mailtest

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Proxy stands between clients and a server, counts bytes and notes what
// clients say. Over TLS, what it notes makes no sense.
type Proxy struct {
	Port   int
	Down   atomic.Int64      // bytes that the server sent
	Up     atomic.Int64      // bytes that clients sent
	Before func(line string) // called before a client's line is passed on; set it before clients connect

	ln    net.Listener
	to    string
	conns sync.WaitGroup
	mu    sync.Mutex
	ended bool
	open  []net.Conn
	lines [][]string // by connection
}

// Proxy starts a proxy in front of the port that starts without encryption,
// until the test ends.
func (s *Server) Proxy(t TB) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", s.Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Port: ln.Addr().(*net.TCPAddr).Port, ln: ln, to: s.Addr()}
	p.conns.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// Close ends the proxy and all that go through it.
func (p *Proxy) Close() {
	p.ln.Close()
	p.mu.Lock()
	p.ended = true
	for _, c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.conns.Wait()
}

// Commands returns the commands that clients gave, connection after connection
// and without their tags. A password on a line of its own is left out; a DONE,
// which has no tag, is there.
func (p *Proxy) Commands() (commands []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range slices.Concat(p.lines...) {
		tag, command, ok := strings.Cut(line, " ")
		switch {
		case ok:
			commands = append(commands, command)
		case strings.EqualFold(tag, "DONE"):
			commands = append(commands, tag)
		}
	}
	return commands
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		if p.ended {
			client.Close()
			server.Close()
		}
		p.open = append(p.open, client, server)
		n := len(p.lines)
		p.lines = append(p.lines, nil)
		p.mu.Unlock()
		var rest []byte // of a line that is not whole yet
		p.conns.Go(func() {
			pass(server, client, func(b []byte) {
				p.Up.Add(int64(len(b)))
				rest = append(rest, b...)
				for {
					line, after, whole := bytes.Cut(rest, []byte("\r\n"))
					if !whole {
						return
					}
					p.mu.Lock()
					p.lines[n] = append(p.lines[n], string(line))
					p.mu.Unlock()
					if p.Before != nil {
						p.Before(string(line))
					}
					rest = after
				}
			})
		})
		p.conns.Go(func() { pass(client, server, func(b []byte) { p.Down.Add(int64(len(b))) }) })
	}
}

// pass copies until either side ends, and then ends both.
func pass(to, from net.Conn, see func([]byte)) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 256<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			see(b[:n])
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
