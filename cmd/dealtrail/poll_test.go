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

func TestAllMailIsReadAgainOnceThereIsSomethingToCompareItWith(t *testing.T) {
	t.Parallel()
	contacts := func(epoch uint64) uint64 { return epoch << epochBits }
	for _, c := range []struct {
		was, now uint64
		want     bool
	}{
		{0, 1, true},
		{0, contacts(1), true},
		{7, 7 + contacts(1), true},
		{contacts(1), 3 + contacts(1), true},
		{0, 0, false},
		{1, 2, false},
		{7 + contacts(1), 8 + contacts(1), false},
		{7 + contacts(1), 7 + contacts(2), false},
	} {
		if got := meaningBegan(c.was, c.now); got != c.want {
			t.Errorf("from %#x to %#x: %v", c.was, c.now, got)
		}
	}
}
