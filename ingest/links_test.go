package ingest_test

import (
	"strings"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

func TestALinkWorksUntilItExpiresOrIsRevokedAndItsTokenIsNowhere(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	now := time.Now()
	l := &ingest.Links{Redis: rdb, Now: func() time.Time { return now }}
	budget, other := trail.NewID(now), trail.NewID(now)
	token, link, err := l.New(t.Context(), budget, "lee@ours.example", 0)
	if err != nil || len(token) < 26 || link.ExpiresAt.Sub(link.MadeAt) < 89*24*time.Hour || strings.Contains(link.ID, token) {
		t.Fatalf("%q, %+v, %v", token, link, err)
	}
	short, _, err := l.New(t.Context(), budget, "", 1)
	if err != nil || short == token {
		t.Fatal(err)
	}
	opens := func(token string, want bool) {
		t.Helper()
		if got, ok, err := l.Open(t.Context(), token); err != nil || ok != want || ok && got != budget {
			t.Errorf("%s opens %v, %v, %v; want %v", token, got, ok, err, want)
		}
	}
	opens(token, true)
	opens(short, true)
	opens("", false)
	opens(strings.ToLower(token), false)
	keys := rdb.Keys(t.Context(), "*").Val()
	for _, key := range keys {
		if strings.Contains(key, token) || strings.Contains(rdb.Get(t.Context(), key).Val(), token) {
			t.Errorf("%s has the token", key)
		}
		if strings.HasPrefix(key, "dealtrail:link:") && rdb.TTL(t.Context(), key).Val() <= 0 {
			t.Errorf("%s never expires", key)
		}
	}
	now = now.AddDate(0, 0, 2)
	opens(short, false)
	opens(token, true)
	if all, err := l.Of(t.Context(), budget); err != nil || len(all) != 1 || all[0].ID != link.ID || all[0].By != "lee@ours.example" || all[0].SeenAt.Before(now.Add(-time.Minute)) {
		t.Errorf("%+v, %v", all, err)
	}
	wantProblem(t, l.Revoke(t.Context(), other, link.ID), trail.NotFound, "no link")
	if err := l.Revoke(t.Context(), budget, link.ID); err != nil {
		t.Fatal(err)
	}
	opens(token, false)
	if all, err := l.Of(t.Context(), budget); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	for _, days := range []int{-1, 367} {
		_, _, err := l.New(t.Context(), budget, "", days)
		wantProblem(t, err, trail.Invalid, "1 to 366 days")
	}
}
