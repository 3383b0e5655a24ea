package main

import (
	"net/http/httptest"
	"testing"
)

func TestOnlyTrustedProxiesSayWhoAsks(t *testing.T) {
	for _, c := range []struct{ trusted, peer, forwarded, want string }{
		{"", "203.0.113.7:1", "198.51.100.1", "203.0.113.7"},
		{"10.0.0.0/8", "203.0.113.7:1", "198.51.100.1", "203.0.113.7"},
		{"10.0.0.0/8", "10.1.2.3:1", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.0/8", "10.1.2.3:1", "6.6.6.6, 198.51.100.1", "198.51.100.1"}, // the left one is the asker's own word
		{"10.1.2.3 2001:db8::1", "[2001:db8::1]:1", "198.51.100.1, 10.1.2.3", "198.51.100.1"},
		{"10.0.0.0/8", "127.0.0.1:1", "198.51.100.1", "127.0.0.1"},
	} {
		config, err := loadConfig(writeConfig(t, ""), []string{"DEALTRAIL_SERVER_TRUSTED_PROXIES=" + c.trusted})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		if got := config.whoAsks()(r); got != c.want {
			t.Errorf("%s through %s, trusting %q, is %s; want %s", c.forwarded, c.peer, c.trusted, got, c.want)
		}
	}
	if _, err := loadConfig(writeConfig(t, "[server]\ntrusted_proxies = [\"proxy\"]\n"), nil); err == nil {
		t.Error("a proxy without an address is accepted")
	}
}

func TestWhoGuessesTokensIsSlowedDownByNetwork(t *testing.T) {
	allowed := strangers()
	count := func(address string) (n int) {
		for range 100 {
			if allowed(address) {
				n++
			}
		}
		return n
	}
	if n := count("203.0.113.7"); n < 60 || n > 65 {
		t.Errorf("%d of 100 tokens could be guessed at once", n)
	}
	if n := count("203.0.113.8"); n < 60 {
		t.Errorf("a neighbour may only %d", n)
	}
	if first, second := count("2001:db8:0:1::1"), count("2001:db8:0:1:ffff::2"); first < 60 || second > 5 {
		t.Errorf("one network of IPv6 has %d and %d", first, second)
	}
}
