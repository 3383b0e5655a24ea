package ingest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Whose link a share is is known whatever the number of people and however often it was
// told, and a link of one person takes a fraction of what a key of its own takes.
func TestALinksPeopleAreKnownAndTakeLittle(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	key := trail.ContactKey("the key of this test, long enough for it")
	consents := &ingest.Consents{Redis: rdb}
	sent := func(share string, people ...string) (events []trail.Event) {
		for _, p := range people {
			events = append(events, trail.Event{Kind: trail.Sent, Share: trail.ShareID(share), Contact: key.ID(p), Account: trail.Domain(p)})
		}
		return events
	}
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("person%d@a-rather-long-domain-name.example", i)
	}
	for share, people := range map[string][]string{"aaaaaaaaaa": many[:1], "aaabbbbbbb": many[:2], "aaaccccccc": many, "zzzzzzzzzz": nil} {
		for _, some := range [][]string{people[:min(1, len(people))], people, people} { // one at first, then all, twice
			if err := ingest.NoteRecipients(t.Context(), rdb, sent(share, some...)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := ingest.Whose(t.Context(), consents, trail.ShareID(share))
		want := map[trail.ContactID]string{}
		for _, p := range people {
			want[key.ID(p)] = trail.Domain(p)
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %d people, want %d: %v", share, len(got), len(want), err)
		}
	}
	memory := func() (n int) {
		info := rdb.Info(t.Context(), "memory").Val()
		_, rest, _ := strings.Cut(info, "used_memory:")
		fmt.Sscan(rest, &n)
		return n
	}
	// As dense as three and a half million links are in all buckets.
	const links, letters = 20_000, "abcdefghijklmnopqrstuvwxyz234567"
	share := func(i int) string {
		return fmt.Sprintf("m%c%c%07d", letters[i%32], letters[i/32%6], i)
	}
	before := memory()
	var all []trail.Event
	for i := range links {
		all = append(all, sent(share(i), fmt.Sprintf("p%d@buyer.example", i))...)
	}
	for part := range slices.Chunk(all, 5000) {
		if err := ingest.NoteRecipients(t.Context(), rdb, part); err != nil {
			t.Fatal(err)
		}
	}
	packed := (memory() - before) / links
	before = memory()
	for part := range slices.Chunk(all, 5000) {
		pipe := rdb.Pipeline()
		for _, e := range part {
			pipe.SAdd(t.Context(), "one:"+string(e.Share), "c "+string(e.Contact)+" "+e.Account)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	own := (memory() - before) / links
	t.Logf("a link takes %d bytes, in a key of its own it would take %d", packed, own)
	if packed > 90 || packed*2 > own {
		t.Errorf("a link takes %d bytes", packed)
	}
}
