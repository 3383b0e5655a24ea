package ingest_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
)

func visitors(t *testing.T, rdb redis.UniversalClient) *ingest.Visitors {
	t.Helper()
	v := &ingest.Visitors{Redis: rdb, Log: quiet()}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = v.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return v
}

const visitorsKey = "dealtrail:visitors:key"

func TestNodesCallAnAddressTheSameUntilTheKeyIsGone(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	a, b := visitors(t, rdb), visitors(t, rdb)
	var origin, device string
	eventually(t, "two nodes share a key", func() bool {
		origin, device = a.Hash("203.0.113.7", "Chrome")
		o, d := b.Hash("203.0.113.7", "Chrome")
		return o == origin && d == device && origin != "" && device != ""
	})
	if left := rdb.PTTL(t.Context(), visitorsKey).Val(); left <= 47*time.Hour || left > 48*time.Hour {
		t.Errorf("the key lives for %v", left)
	}
	for _, c := range []struct {
		address, agent         string
		sameOrigin, sameDevice bool
	}{
		{"::ffff:203.0.113.7", "Chrome", true, true}, {"203.0.113.8", "Chrome", false, true}, {"203.0.113.7", "Firefox", true, false},
	} {
		o, d := a.Hash(c.address, c.agent)
		if (o == origin) != c.sameOrigin || (d == device) != c.sameDevice {
			t.Errorf("%s with %s is %s %s, beside %s %s", c.address, c.agent, o, d, origin, device)
		}
	}
	one, _ := a.Hash("2001:db8:1:2::3", "")
	if other, _ := a.Hash("2001:db8:1:2:ffff::4", ""); other != one || one == "" {
		t.Error("one customer's network of IPv6 is two")
	}
	for _, nobody := range []string{"127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "fe80::1", "100.64.0.7", "198.18.1.1", "64:ff9b::a00:1", "", "proxy"} {
		if o, _ := a.Hash(nobody, ""); o != "" {
			t.Errorf("%q, which says nothing of who asks, is called %s", nobody, o)
		}
	}
	if o, _ := a.Hash("64:ff9b::cb00:7107", "Chrome"); o != origin {
		t.Errorf("203.0.113.7 in IPv6 is %s, beside %s", o, origin)
	}
	// When the key's time is up, another takes its place and nothing can be compared.
	if err := rdb.Del(t.Context(), visitorsKey).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another key is there", func() bool {
		o, d := a.Hash("203.0.113.7", "Chrome")
		p, _ := b.Hash("203.0.113.7", "Chrome")
		return o != origin && d != device && o == p
	})
}

func TestARepsAddressIsKnownToAllNodes(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	a, b := visitors(t, rdb), visitors(t, rdb)
	eventually(t, "the other node knows", func() bool {
		a.Note(t.Context(), "203.0.113.7")
		a.Note(t.Context(), "127.0.0.1")
		o, _ := b.Hash("203.0.113.7", "")
		return b.Own(o)
	})
	if other, _ := b.Hash("203.0.113.8", ""); b.Own(other) || b.Own("") {
		t.Error("others are taken for our own")
	}
}

func TestRequestsAreToldApartWithoutRedis(t *testing.T) {
	v := &ingest.Visitors{Redis: connect(t, startRedis(t, t.TempDir())), Log: quiet()}
	one, _ := v.Hash("203.0.113.7", "")
	if again, _ := v.Hash("203.0.113.7", ""); again != one || one == "" {
		t.Errorf("one visitor is %q, then %q", one, again)
	}
}
