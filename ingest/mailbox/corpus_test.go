package mailbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// shareOf returns the share of mail n, always the same, and linkOf its link.
func shareOf(n int) trail.ShareID {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return trail.ShareID(base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(b[2:]))
}

func linkOf(t testing.TB) func(n int) string {
	keys := keyring(t)
	return func(n int) string { return publicURL + "/c/" + keys.Seal(trail.KeyOf("roi-guide"), shareOf(n)) }
}

// whole returns a poller with everything that a program gives it.
func (g *ground) whole(t testing.TB, boxes ...mailbox.Box) *mailbox.Poller {
	p := g.poller(t, boxes...)
	if p.Memory.Sight == nil {
		var mu sync.Mutex
		reps := map[string]map[string]bool{}
		p.Memory.Sight = func(_ context.Context, thing, rep string) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if reps[thing] == nil {
				reps[thing] = map[string]bool{}
			}
			reps[thing][rep] = true
			return len(reps[thing]), nil
		}
	}
	return p
}

// served returns a mail as the server serves it, which may not be as it was
// delivered: it changes line ends and NUL bytes, of which UTF-16 has many.
func served(t testing.TB, s *mailtest.Server, folder string, uid int) []byte {
	t.Helper()
	c := s.Client("ana")
	defer c.Close()
	if _, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		t.Fatal(err)
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	got, err := c.Fetch(imap.UIDSetNum(imap.UID(uid)), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil || len(got) != 1 {
		t.Fatalf("%d mails have the UID %d: %v", len(got), uid, err)
	}
	return got[0].FindBodySection(whole)
}

// readOne returns how many events a mail yields by itself, and why none.
func readOne(t testing.TB, raw []byte, folder string) (events int, reason string) {
	t.Helper()
	in := mailbox.Inbox
	if folder == mailtest.SentFolder {
		in = mailbox.Sent
	}
	got, reason, err := readAs(knows(t, "odd-5@harbor.example"), raw, in, rep, arrived)
	if err != nil {
		t.Fatal(err)
	}
	return len(got), reason
}

func TestCorpusIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	c := mailtest.Corpus{Seed: 1, Mails: 300, Rep: rep, Until: arrived, Span: 24 * time.Hour, Link: linkOf(t), Page: library["roi-guide"], File: []byte("%PDF a file")}
	var sums []string
	kinds := map[mailtest.Kind]int{}
	for range 2 {
		hash := sha256.New()
		for l := range c.Letters() {
			kinds[l.Kind]++
			var b bytes.Buffer
			if err := l.Write(io.MultiWriter(hash, &b)); err != nil {
				t.Fatal(err)
			}
			in := mailbox.Inbox
			if l.Folder == mailtest.SentFolder {
				in = mailbox.Sent
			}
			if l.Kind != mailtest.Tracked {
				continue
			}
			got, reason := events(t, reader(t), b.String(), in)
			if len(got) != len(l.Outside) {
				t.Errorf("letter %d yields %d events for %d recipients: %s", l.N, len(got), len(l.Outside), reason)
			}
		}
		sums = append(sums, fmt.Sprintf("%x", hash.Sum(nil)))
	}
	if sums[0] != sums[1] || len(kinds) != 8 {
		t.Errorf("%v; kinds %v", sums, kinds)
	}
}

// outsider finds the number of a broken mail in the address of its outside person.
var outsider = regexp.MustCompile(`^b(\d+)(?:\.\d+)?@`)

// TestBrokenMailIsAccountedForAndHarmsNoNeighbour does not run beside others: it
// measures memory.
func TestBrokenMailIsAccountedForAndHarmsNoNeighbour(t *testing.T) {
	s := mailtest.Dovecot(t, "ana")
	c := mailtest.Broken{Seed: 1, Rep: rep, At: time.Now().Add(-time.Hour).Truncate(time.Second), Link: linkOf(t)}
	mails := slices.Collect(c.All())
	if n := s.Deliver("ana", mailtest.SentFolder, c.In(mailtest.SentFolder)) + s.Deliver("ana", "INBOX", c.In("INBOX")); n != len(mails) || n != 600 {
		t.Fatalf("%d mails delivered, of %d", n, len(mails))
	}
	var runs [][]string
	for range 2 {
		g := newGround()
		p := g.whole(t, box(s, "ana"))
		p.Settle = time.Hour // one reading: later ones would be counted too
		p.Every = time.Hour
		began, peak := time.Now(), memory()
		stop := run(t, p)
		eventually(t, "all mail is read", func() bool { return !p.Status()[0].LastPoll.IsZero() })
		took := time.Since(began)
		status := p.Status()[0]
		stop()
		grown := peak()
		t.Logf("read in %s, the heap grew by %d MB at most; %d of %d mails set aside", took.Round(time.Millisecond), grown>>20, status.SetAside, status.Messages)
		if took > 2*time.Minute {
			t.Errorf("reading took %s", took)
		}
		if grown > 128<<20 { // less than the largest mail
			t.Errorf("the heap grew by %d MB", grown>>20)
		}
		if status.Messages != uint64(len(mails)) || status.State != mailbox.OK {
			t.Errorf("status %+v", status)
		}
		account(t, g, s, mails, int(status.SetAside))
		runs = append(runs, g.told())
	}
	if !slices.Equal(runs[0], runs[1]) {
		t.Errorf("the second reading gave other events:\n%s", difference(runs[0], runs[1]))
	}
}

// account compares the events with the mails: each mail has events, or a reason
// for none, or was set aside, and sound ones have their event once.
func account(t *testing.T, g *ground, s *mailtest.Server, mails []mailtest.Odd, aside int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	of := map[trail.ShareID]int{}
	for _, m := range mails {
		of[shareOf(m.N)] = m.N
	}
	yielded, times := map[int]int{}, map[trail.ID]int{}
	for _, e := range g.events {
		times[e.ID]++
		n, known := of[e.Share]
		if !known && e.Person != nil {
			if found := outsider.FindStringSubmatch(e.Person.Address); found != nil {
				n, _ = strconv.Atoi(found[1])
				known = true
			}
		}
		if !known {
			t.Errorf("an event of no mail: %+v", e)
		}
		yielded[n]++
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("event %s came %d times", id, n)
		}
	}
	reasoned, lost, uids := 0, map[string]int{}, map[string]int{}
	for _, m := range mails {
		uids[m.Folder]++
		if m.Sound() && yielded[m.N] != 1 {
			t.Errorf("mail %d in %s is sound and yields %d events", m.N, m.Folder, yielded[m.N])
		}
		if yielded[m.N] > 0 {
			continue
		}
		if m.Large {
			lost[m.Name]++ // no test holds it in memory either
		} else if events, reason := readOne(t, served(t, s, m.Folder, uids[m.Folder]), m.Folder); events == 0 && reason != "" {
			reasoned++
		} else {
			lost[m.Name]++
		}
	}
	left := len(mails) - len(yielded) - reasoned
	t.Logf("%d mails yield events, %d have a reason for none, %d are left, of these kinds: %v", len(yielded), reasoned, left, lost)
	if left != aside {
		t.Errorf("%d of %d mails are neither events nor a reason, but %d were set aside: %v", left, len(mails), aside, lost)
	}
}

// told returns what was emitted, as lines in order.
func (g *ground) told() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var lines []string
	for _, e := range g.events {
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s %s %s", e.ID, e.Kind, e.At.Format(time.RFC3339), e.Content, e.Share, e.Message, e.Contact))
	}
	slices.Sort(lines)
	return lines
}

// TestPartsFromDovecotSayWhatWholeMailsSay: of large mails only parts are fetched, and
// they must say what the whole mail would have said.
func TestPartsFromDovecotSayWhatWholeMailsSay(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	link, file := linkOf(t), append([]byte("%PDF-1.7\n"), strings.Repeat("a file of ours\n", 5000)...)
	broken := mailtest.Broken{Seed: 2, Rep: rep, At: time.Now().Add(-2 * time.Hour).Truncate(time.Second), Link: link, Large: 2 << 20}
	corpus := mailtest.Corpus{
		Seed: 4, Mails: 1000, Rep: rep, Until: time.Now().Add(-time.Hour), Span: 20 * 24 * time.Hour, Page: library["roi-guide"], File: file,
		Link: func(n int) string { return link(1_000_000 + n) }, Attach: [2]int{20_000, 300_000},
	}
	for _, folder := range []string{mailtest.SentFolder, "INBOX"} {
		s.Deliver("ana", folder, broken.In(folder))
		s.Deliver("ana", folder, corpus.In(folder))
	}
	sum := sha256.Sum256(file)
	r := reader(t)
	r.FileSizes = func() []int64 { return []int64{int64(len(file))} }
	r.ByFile = func(hash string) (trail.ContentID, time.Time, bool) {
		return "roi-guide", time.Time{}, hash == fmt.Sprintf("%x", sum)
	}
	g := newGround()
	p := g.whole(t, box(s, "ana"))
	p.Reader, p.Every, p.Settle = r, time.Hour, time.Hour
	stop := run(t, p)
	eventually(t, "all mail is read", func() bool { return !p.Status()[0].LastPoll.IsZero() })
	stop()
	g.events = slices.DeleteFunc(g.events, func(e trail.Event) bool { return e.Kind == trail.Sighted }) // not one mail's

	whole, memory := newGround(), g.memory()
	r.WasSent = func(marks ...string) (map[string]bool, error) { return memory.WasSent(t.Context(), marks...) }
	for folder, in := range map[string]mailbox.Folder{mailtest.SentFolder: mailbox.Sent, "INBOX": mailbox.Inbox} {
		c := s.Client("ana")
		if _, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			t.Fatal(err)
		}
		section := &imap.FetchItemBodySection{Peek: true}
		mails, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{InternalDate: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mails {
			got, _, err := readAs(r, m.FindBodySection(section), in, rep, m.InternalDate)
			if err != nil {
				t.Fatal(err)
			}
			whole.events = append(whole.events, got...)
		}
	}
	if parts, wholes := g.told(), whole.told(); !slices.Equal(parts, wholes) || len(wholes) < 500 {
		t.Errorf("%d events of parts, %d of whole mails; - only parts give, + only whole mails:\n%s", len(parts), len(wholes), difference(parts, wholes))
	}
}

// difference returns what only one of two lists has.
func difference(a, b []string) (out string) {
	count := map[string]int{}
	for _, line := range a {
		count[line]--
	}
	for _, line := range b {
		count[line]++
	}
	for _, line := range slices.Sorted(maps.Keys(count)) {
		if count[line] != 0 {
			out += fmt.Sprintf("%+d %s\n", count[line], line)
		}
	}
	return out
}

// memory watches the heap until peak is called, which returns by how many bytes
// it grew at most.
func memory() (peak func() uint64) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, heap())
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	}()
	return func() uint64 {
		close(ended)
		<-done
		return most - min(most, before)
	}
}
