package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
)

func TestStateIsBackedUpAndSweptWhole(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	ctx := t.Context()
	const log, inbox = "dealtrail:access", "dealtrail:crm:{hubspot}:inbox"
	entries := func(key string) string { return fmt.Sprint(rdb.XRange(ctx, key, "-", "+").Val()) }
	ann := func(s string) string { return strings.ReplaceAll(s, "ann", "[erased]") }
	fill := func(t *testing.T) {
		t.Helper()
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		pipe := rdb.Pipeline()
		for i := range 1200 {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: log, ID: fmt.Sprintf("%d-0", 1000+i), Values: []any{"who", "ada", "contacts", fmt.Sprint("bob", i)}})
		}
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: log, ID: "5000-1", Values: []any{"who", "ada", "contacts", "bob ann"}})
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: inbox, ID: "7-7", Values: []any{"body", `{"to":"ann"}`, "at", "7"}})
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("what CRMs delivered and who saw whom is in a backup", func(t *testing.T) {
		fill(t)
		want := entries(log) + entries(inbox)
		var dumped []ingest.StateKey
		if err := ingest.DumpState(ctx, rdb, func(k ingest.StateKey) error { dumped = append(dumped, k); return nil }); err != nil {
			t.Fatal(err)
		}
		rdb.FlushAll(ctx)
		for _, k := range dumped {
			if err := ingest.LoadState(ctx, rdb, k); err != nil {
				t.Fatal(err)
			}
		}
		if got := entries(log) + entries(inbox); got != want {
			t.Errorf("restored are %d bytes of streams, want %d", len(got), len(want))
		}
	})
	t.Run("entries of streams lose the person and keep their times", func(t *testing.T) {
		fill(t)
		want := ann(entries(log)) + ann(entries(inbox))
		if n, err := ingest.SweepState(ctx, rdb, ann); n != 2 || err != nil {
			t.Errorf("%d entries, %v", n, err)
		}
		if got := entries(log) + entries(inbox); got != want {
			t.Errorf("there are %d bytes of streams, want %d", len(got), len(want))
		}
	})
	// The sweep reads, and writes what it made of that: whoever writes between the two must not be undone.
	t.Run("what is written meanwhile stays", func(t *testing.T) {
		rdb.FlushAll(ctx)
		for key, write := range map[string]func(value string) error{
			"dealtrail:a string": func(v string) error { return rdb.Set(ctx, "dealtrail:a string", v, time.Hour).Err() },
			"dealtrail:a hash":   func(v string) error { return rdb.HSet(ctx, "dealtrail:a hash", "field", v).Err() },
			"dealtrail:a list": func(v string) error {
				return rdb.LPush(ctx, "dealtrail:a list", strings.TrimPrefix(v, "ann, ")).Err()
			},
		} {
			if err := write("ann"); err != nil {
				t.Fatal(err)
			}
			once := false
			_, err := ingest.SweepState(ctx, rdb, func(s string) string {
				if strings.Contains(s, "ann") && !once {
					once = true
					if err := write("ann, and carl"); err != nil {
						t.Error(err)
					}
				}
				return ann(s)
			})
			if err != nil {
				t.Errorf("%s: %v", key, err)
			}
			var got string
			switch key {
			case "dealtrail:a string":
				got = rdb.Get(ctx, key).Val()
			case "dealtrail:a hash":
				got = fmt.Sprint(rdb.HGetAll(ctx, key).Val())
			default:
				got = fmt.Sprint(rdb.LRange(ctx, key, 0, -1).Val())
			}
			if !strings.Contains(got, "carl") || strings.Contains(got, "ann") || strings.Count(got, "[erased]") != 1 {
				t.Errorf("%s is %s", key, got)
			}
		}
	})
	t.Run("what ends meanwhile stays ended", func(t *testing.T) {
		rdb.FlushAll(ctx)
		for _, key := range []string{"dealtrail:a string", "dealtrail:a hash"} {
			if strings.HasSuffix(key, "hash") {
				rdb.HSet(ctx, key, "field", "ann")
			} else {
				rdb.Set(ctx, key, "ann", time.Hour)
			}
			if _, err := ingest.SweepState(ctx, rdb, func(s string) string { rdb.Del(ctx, key); return ann(s) }); err != nil {
				t.Error(err)
			}
			if rdb.Exists(ctx, key).Val() != 0 {
				t.Errorf("%s is back", key)
			}
		}
	})
}
