package ingest_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

func TestOneBadEventAmongTenThousandIsOneBadEntry(t *testing.T) {
	p := newPipe(t)
	p.exec(t, "ALTER TABLE events ADD CONSTRAINT taste CHECK note != 'poison'")
	events := clicks(0, 10_000)
	events[6_789].Note, events[6_789].Source = "poison", "webhook/test"
	p.append(t, events...)
	began := time.Now()
	p.load(t)
	p.settle(t)
	if c := p.counts(t); c.Events != 9_999 || c.Bad != 1 {
		t.Errorf("%d events and %d bad are known, want 9999 and 1", c.Events, c.Bad)
	}
	if took := time.Since(began); took > time.Minute { // ten thousand inserts take longer
		t.Errorf("the others waited %s for it", took)
	}
	got := p.text(t, "SELECT concat(stage, '|', origin, '|', raw, '|', reason) FROM bad_entries FINAL")
	if len(got) != 1 || !strings.HasPrefix(got[0], `insert|webhook/test|{"id":"`+events[6_789].ID.String()) || !strings.Contains(got[0], "taste") {
		t.Errorf("bad entries are %q", got)
	}
	p.wantBalance(t, "in the end", trail.Balance{Accepted: 10_000, Stored: 9_999, Bad: 1})
}

func TestAFullSpoolRefusesWithAProblemAndLosesNothingAccepted(t *testing.T) {
	p := newPipe(t)
	p.buffer.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), MaxBytes: 64 << 10, Log: quiet()})
	pid := p.redis.Pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	accepted, events := 0, clicks(0, 2000)
	var refused error
	for ; accepted < len(events) && refused == nil; accepted++ {
		if refused = p.buffer.Append(t.Context(), events[accepted]); refused != nil {
			break
		}
	}
	wantProblem(t, refused, trail.Unavailable, "disk spool is full")
	if accepted == 0 || !p.buffer.Spool.Failing() {
		t.Errorf("%d were accepted, the spool says failing: %v", accepted, p.buffer.Spool.Failing())
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.load(t)
	background(t, p.buffer.Run)
	eventually(t, "events are taken again", func() bool { return p.buffer.Append(t.Context(), events[accepted]) == nil })
	p.settle(t)
	if c := p.counts(t); c.Events != uint64(accepted)+1 {
		t.Errorf("%d events are known, want the %d accepted", c.Events, accepted+1)
	}
}
