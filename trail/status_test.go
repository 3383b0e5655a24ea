package trail

import (
	"fmt"
	"testing"
	"time"
)

func TestAMailboxIsStuckWhenTryingAgainLeadsNowhere(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	ago := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	for name, x := range map[string]struct {
		m    MailboxStatus
		want bool
	}{
		"just begun":             {MailboxStatus{State: "retrying", Began: ago(9)}, false},
		"never read":             {MailboxStatus{State: "retrying", Began: ago(10)}, true},
		"read a while ago":       {MailboxStatus{State: "retrying", Began: ago(500), LastPoll: ago(59)}, false},
		"read long ago":          {MailboxStatus{State: "retrying", Began: ago(500), LastPoll: ago(60)}, true},
		"taken over again":       {MailboxStatus{State: "retrying", Began: ago(5), LastPoll: ago(90)}, false},
		"taken over to no avail": {MailboxStatus{State: "retrying", Began: ago(11), LastPoll: ago(90)}, true},
		"being read":             {MailboxStatus{State: "ok", Began: ago(500), LastPoll: ago(90)}, false},
		"parked":                 {MailboxStatus{State: "parked", Began: ago(500)}, false},
		"of an older process":    {MailboxStatus{State: "retrying"}, false},
	} {
		if got := x.m.Stuck(now); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatABaselineLeftOutIsNotNothing(t *testing.T) {
	var b Baseline
	for i := range keptRows + 5 {
		b.Rows = append(b.Rows, BaselineRow{Content: fmt.Sprint("c", i), Sends: 9})
	}
	kept := func() *Baseline {
		t.Helper()
		e, err := b.Event("jobs", true)
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParseBaseline(e.Attrs["report"])
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rows := kept().ByContent()
	if r, known := rows("c1"); !known || r.Sends != 9 {
		t.Errorf("the second: %+v, %v", r, known)
	}
	if r, known := rows(fmt.Sprint("c", keptRows+1)); known {
		t.Errorf("beyond what is kept: %+v", r)
	}
	b.Rows = b.Rows[:3]
	if r, known := kept().ByContent()("c9"); !known || r.Sends != 0 {
		t.Errorf("of a small one all is known: %+v, %v", r, known)
	}
}
