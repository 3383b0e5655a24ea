package track

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

// noon is when the mail of these tests went out.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// visit is a person's click, an hour and some after sending, but for what a test changes.
func visit(after time.Duration, link string, change ...func(*Seen)) Seen {
	s := Seen{
		Kind: trail.Clicked, At: noon.Add(time.Hour + after), Evidence: Observe(Request{Kind: trail.Clicked, Header: clicking(chrome)}),
		Circumstances: Circumstances{Timed: true, Since: time.Hour + after}, Mail: "m", Links: 5, Link: link, For: "anna",
	}
	s.Origin, s.Device = "home", "chrome"
	for _, f := range change {
		f(&s)
	}
	return s
}

func agents(seen []Seen) (list []string) {
	for _, v := range Together(seen) {
		list = append(list, string(v.Agent)+" "+v.Rules[0])
	}
	return list
}

// Each request is a person's by itself; only the others beside it tell.
func TestOtherRequestsTellAMachine(t *testing.T) {
	origin := func(o string) func(*Seen) { return func(s *Seen) { s.Origin = o } }
	to := func(name string) func(*Seen) { return func(s *Seen) { s.For, s.Mail = name, "to "+name } }
	mail := func(m string) func(*Seen) { return func(s *Seen) { s.Mail = m } }
	trap := func(s *Seen) { s.Trap, s.Kind = true, trail.Trapped }
	second := time.Second
	for _, c := range []struct {
		what string
		seen []Seen
		want []string
	}{
		{
			"three links within five seconds",
			[]Seen{visit(0, "a"), visit(2*second, "b"), visit(5*second, "c")},
			[]string{"scanner click_burst", "scanner click_burst", "scanner click_burst"},
		},
		{
			"from three addresses with one program",
			[]Seen{visit(0, "a", origin("x")), visit(second, "b", origin("y")), visit(second, "c", origin("z"))},
			[]string{"scanner click_burst", "scanner click_burst", "scanner click_burst"},
		},
		{"two links", []Seen{visit(0, "a"), visit(second, "b")}, []string{"human score", "human score"}},
		{"three links in six seconds", []Seen{visit(0, "a"), visit(3*second, "b"), visit(6*second, "c")}, []string{"human score", "human score", "human score"}},
		{"one link three times", []Seen{visit(0, "a"), visit(second, "a"), visit(2*second, "a")}, []string{"human score", "human score", "human score"}},
		{"a person in the middle of a burst", []Seen{visit(0, "a"), visit(second, "b"), visit(2*second, "c"), visit(second, "a", func(s *Seen) {
			s.Origin, s.Device, s.Signs = "office", "safari", s.Signs&^chromeKind|safariKind
		})}, []string{"scanner click_burst", "scanner click_burst", "scanner click_burst", "human score"}},
		{
			"the link that no person sees",
			[]Seen{visit(0, "a"), visit(4*second, "hidden", trap), visit(8*time.Minute, "b"), visit(20*time.Minute, "c"), visit(second, "d", func(s *Seen) { s.Origin, s.Device = "office", "firefox" })},
			[]string{"scanner honeypot", "scanner honeypot", "scanner honeypot", "human score", "human score"},
		},
		{
			"three people's mails within ten seconds",
			[]Seen{visit(0, "a", to("anna")), visit(5*second, "b", to("ben")), visit(10*second, "c", to("cleo"))},
			[]string{"scanner recipient_burst", "scanner recipient_burst", "scanner recipient_burst"},
		},
		{
			"three mails of one person",
			[]Seen{visit(0, "a"), visit(second, "b", mail("m2")), visit(second, "c", mail("m3"))},
			[]string{"human score", "human score", "human score"},
		},
		{
			"three people in a quarter of a minute",
			[]Seen{visit(0, "a", to("anna")), visit(7*second, "b", to("ben")), visit(15*second, "c", to("cleo"))},
			[]string{"human score", "human score", "human score"},
		},
		{
			"addresses that tell nothing",
			[]Seen{visit(0, "a", to("anna"), origin("")), visit(second, "b", to("ben"), origin("")), visit(second, "c", to("cleo"), origin(""))},
			[]string{"human score", "human score", "human score"},
		},
	} {
		if got := agents(c.seen); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// Google's proxies open the mails of many people at once.
func TestAMailProxyIsNeverACrowd(t *testing.T) {
	var seen []Seen
	for i := range 5 {
		s := visit(time.Duration(i)*time.Second, "", func(s *Seen) { s.For, s.Mail, s.Kind = fmt.Sprint(i), fmt.Sprint("m", i), trail.Opened })
		s.Evidence = Observe(Request{Kind: trail.Opened, Header: header(google)})
		s.Origin = "google's"
		seen = append(seen, s)
	}
	for _, got := range agents(seen) {
		if got != "proxy mail_proxy" {
			t.Errorf("a person's open is %s", got)
		}
	}
}

func TestFollowingEveryLinkWeighs(t *testing.T) {
	var seen []Seen
	for i, link := range []string{"a", "b", "c", "d"} {
		seen = append(seen, visit(time.Duration(25*i)*time.Second, link, func(s *Seen) {
			s.Links, s.Evidence = 4, Observe(Request{Kind: trail.Clicked, Header: header(chrome, "Accept: text/html", "Sec-Fetch-Mode: cors")})
			s.Origin = "x"
		}))
	}
	alone := Together(seen[:1])[0]
	for _, v := range Together(seen) {
		if !slices.Contains(v.Rules, "all_links") || slices.Contains(alone.Rules, "all_links") {
			t.Errorf("%+v beside %+v", v, alone)
		}
	}
}

func TestARepeatIsNotCountedAndChangesNothing(t *testing.T) {
	v := Together([]Seen{visit(0, "a"), visit(9*time.Second, "a"), visit(30*time.Second, "a"), visit(time.Second, "b")})
	for i, repeat := range []bool{false, true, false, false} {
		if slices.Contains(v[i].Rules, duplicate) != repeat || v[i].Agent != trail.Human {
			t.Errorf("request %d: %+v", i, v[i])
		}
	}
}

func TestTheOrderOfRequestsChangesNoVerdict(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var seen []Seen
		for range 2 + r.IntN(12) {
			seen = append(seen, visit(time.Duration(r.IntN(20000))*time.Millisecond, fmt.Sprint(r.IntN(5)), func(s *Seen) {
				s.Origin, s.For = []string{"", "x", "y"}[r.IntN(3)], fmt.Sprint(r.IntN(4))
				s.Mail = "m" + s.For
				s.Trap = r.IntN(12) == 0
			}))
		}
		want := Together(seen)
		order := r.Perm(len(seen))
		mixed := make([]Seen, len(seen))
		for i, j := range order {
			mixed[i] = seen[j]
		}
		for i, v := range Together(mixed) {
			if w := want[order[i]]; v.Agent != w.Agent || strings.Join(v.Rules, " ") != strings.Join(w.Rules, " ") {
				t.Fatalf("request %d is %v, in another order %v", order[i], w, v)
			}
		}
		if again := Together(seen); !reflect.DeepEqual(again, want) {
			t.Fatal("judging twice says two things")
		}
	}
}
