package ingest_test

import (
	"fmt"
	"strings"
	"testing"

	"dealtrail/trail"
)

func TestARepExcludesPeopleOnEveryNodeAndTheirAddressesAreNowhere(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	a, b := newMailboxNode(t, rdb), newMailboxNode(t, rdb)
	const rep, doctor = "ana@own.example", "doctor-secret@clinic.example"
	for _, who := range []string{" Doctor-Secret@clinic.example", "@Family.example", doctor} {
		if _, err := a.Exclude(t.Context(), "Ana@own.example", who, "ana@own.example"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the other node knows both", func() bool { return len(b.Exclusions(rep)) == 2 })
	for address, want := range map[string]bool{
		doctor: true, "DOCTOR-SECRET@clinic.example": true, "nurse@clinic.example": false, "mum@family.example": true, "mum@the.family.example": true, "mum@notfamily.example": false, "": false,
	} {
		if b.Excludes(rep, address) != want || b.Excludes("ben@own.example", address) {
			t.Errorf("%q is excluded: %v, want %v, and for nobody else", address, !want, want)
		}
	}
	raw, err := rdb.HGetAll(t.Context(), "dealtrail:mailboxes:excluded").Result()
	if err != nil || len(raw) != 2 || strings.Contains(fmt.Sprint(raw), "secret") || strings.Contains(fmt.Sprint(raw), "family") {
		t.Errorf("Redis has %v, %v", raw, err)
	}
	if text := a.logged() + b.logged(); strings.Contains(text, "secret") || strings.Contains(text, "family") {
		t.Errorf("the log has %s", text)
	}
	restarted := newMailboxNode(t, rdb)
	if got := restarted.Exclusions(rep); len(got) != 2 || got[0].Who != doctor || got[1].Who != "family.example" || got[0].By != rep || got[0].At.IsZero() {
		t.Errorf("after a restart: %+v", got)
	}
	if err := restarted.Include(t.Context(), rep, "Family.example"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first node knows what was taken back", func() bool { return !a.Excludes(rep, "mum@family.example") && a.Excludes(rep, doctor) })
	wantProblem(t, a.Include(t.Context(), rep, "family.example"), trail.NotFound, "not excluded")
	for who, says := range map[string]string{"": "whom to exclude", "clinic": "neither an address nor a domain", "a@b@c.example": "neither", "two words.example": "neither", rep: "your own side", "own.example": "your own side"} {
		_, err := a.Exclude(t.Context(), rep, who, "")
		wantProblem(t, err, trail.Invalid, says)
	}
	if err := a.Pause(t.Context(), "box", "lee@own.example"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is known who paused", func() bool { by, at := b.PausedBy("box"); return by == "lee@own.example" && !at.IsZero() })
}
