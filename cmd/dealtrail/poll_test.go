package main

import (
	"net"
	"strings"
	"testing"
)

func TestAnAddedMailboxDoesNotReachTheNeighbours(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	c := defaults()
	for _, address := range []string{ln.Addr().String(), "[::ffff:127.0.0.1]:143", "169.254.169.254:80", "10.0.0.1:993", "localhost:" + strings.Split(ln.Addr().String(), ":")[1]} {
		_, err := c.mailDialer()(t.Context(), "tcp", address)
		if err == nil || !strings.Contains(err.Error(), "private network; if the mail server is there, set mailboxes.allow_private") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for what, allow := range map[string]func(*Config){
		"allowed":       func(c *Config) { c.Mailboxes.AllowPrivate = true },
		"of a mailbox":  func(c *Config) { c.Boxes = []Mailbox{{Host: "127.0.0.1"}} },
		"of a provider": func(c *Config) { c.Providers = []Provider{{Host: "127.0.0.1"}} },
	} {
		c := defaults()
		allow(c)
		conn, err := c.mailDialer()(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		conn.Close()
	}
}
