package trail_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/idna"

	"dealtrail/trail"
)

// listed returns the lines of a list of targets without comments, see the files.
func listed(t testing.TB, name string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile("../ingest/track/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '"' {
			if line, err = strconv.Unquote(line); err != nil {
				t.Fatalf("%s: %q: %v", name, line, err)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestCleanTargetKeepsEveryASCIIByte(t *testing.T) {
	targets := listed(t, "targets.txt")
	for _, line := range targets {
		target, want, rewritten := strings.Cut(line, "\t")
		if !rewritten {
			want = target
		}
		for _, pasted := range []string{target, "  " + target + "\r\n", "\ufeff" + target + "\u00a0\u200b"} {
			got, err := trail.CleanTarget(pasted, idna.Lookup.ToASCII)
			if err != nil || got != want {
				t.Errorf("%.200q becomes %.200q (%v), want %.200q", pasted, got, err, want)
			}
		}
		if again, err := trail.CleanTarget(want, idna.Lookup.ToASCII); err != nil || again != want {
			t.Errorf("%.200q becomes %.200q (%v) when it is cleaned once more", want, again, err)
		}
	}
	if len(targets) < 75 {
		t.Errorf("only %d targets are listed", len(targets))
	}
}

func TestCleanTargetRefusesWithASentence(t *testing.T) {
	for _, target := range listed(t, "refused.txt") {
		got, err := trail.CleanTarget(target, idna.Lookup.ToASCII)
		var p *trail.Problem
		if !errors.As(err, &p) || p.Code != trail.Invalid || !strings.HasPrefix(p.Text, `The URL "`) || !strings.HasSuffix(p.Text, ".") || len(p.Text) > 4*300+200 {
			t.Errorf("%.200q becomes %.200q (%.2000v), want a Problem that is a sentence", target, got, err)
		}
	}
}

func FuzzCleanTarget(f *testing.F) {
	for _, name := range []string{"targets.txt", "refused.txt"} {
		for _, line := range listed(f, name) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, raw string) {
		clean, err := trail.CleanTarget(raw, idna.Lookup.ToASCII)
		if err != nil {
			return
		}
		for _, c := range []byte(clean) {
			if c <= ' ' || c >= 0x7f || c == '\\' {
				t.Fatalf("%q becomes %q", raw, clean)
			}
		}
		if again, err := trail.CleanTarget(clean, idna.Lookup.ToASCII); err != nil || again != clean || trail.CheckTarget(clean) != nil {
			t.Errorf("%q becomes %q and then %q, %v", raw, clean, again, err)
		}
		if trail.NormalURL(raw) == "" || trail.NormalURL(clean) == "" {
			t.Errorf("%q is not found by its URL", raw)
		}
		// Only what is not ASCII was rewritten.
		if strings.TrimSpace(raw) == raw && !strings.ContainsFunc(raw, func(r rune) bool { return r >= 0x80 }) && clean != raw {
			t.Errorf("%q becomes %q", raw, clean)
		}
	})
}

func TestCheckTarget(t *testing.T) {
	for _, good := range []string{
		"https://example.com", "http://example.com/", "HTTPS://EXAMPLE.COM/Path", "https://example.com:8443/a?b=c#d", "https://[2001:db8::1]/x",
		"https://example.com/a%20b%2Fc", "https://example.com/?q=a+b&r=%2B", "https://example.com/x?u=https://other.example/y", "https://example.com/#/app/route?x=1",
		"https://example.com/a;b=c,d(e)[f]{g}|^`~!$'*@:", "https://example.com/ümläut", "https://bücher.example/", "http://localhost:8080/site/", "https://sub.example.com./x",
		"https://example.com/%zz", "https://example.com/100%#100%", "https://example.com/@user", "https://example.com/a@b?c@d#e@f",
	} {
		if err := trail.CheckTarget(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "example.com", "/path", "//evil.example/x", "///evil.example", `/\evil.example`, `\\evil.example`, `https:\\evil.example`, `https://good.example\@evil.example`,
		"javascript:alert(1)", "JavaScript://good.example/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://example.com/", "mailto:a@example.com", "https:example.com",
		"https:///path", "https://", "https://?q", "https://#f", "https://:443/x", "https://user@example.com/", "https://user:pw@example.com/", "https://good.example@evil.example/", "https://@example.com/",
		" https://example.com", "https://example.com ", "https://example.com/a b", "https://exa mple.com/", "https://example.com/a\tb", "https://example.com/a\nb", "https://example.com/\r\nSet-Cookie: a=b",
		"https://example.com/\x00", "https://example.com/\x7f", "https://example.com/\u0085", "https://example.com/\u00a0", "https://example.com/\u2028", "https://example.com/\u202egnp.exe",
		"https://example.com/\u200b", "https://example.com/\xff", "https://exa%mple.com/", "https://[::1/", "https://example.com:port/", "http ://example.com",
	} {
		err := trail.CheckTarget(bad)
		var p *trail.Problem
		if !errors.As(err, &p) || p.Code != trail.Invalid || !strings.HasSuffix(p.Text, ".") {
			t.Errorf("%q: %v, want a Problem that is a sentence", bad, err)
		}
	}
}

func TestNormalURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.com":                          "example.com",
		"https://example.com/":                         "example.com",
		"http://example.com//":                         "example.com",
		"  HTTPS://Example.COM/Path/ ":                 "example.com/Path",
		"https://example.com:443/a":                    "example.com/a",
		"http://example.com:80/a":                      "example.com/a",
		"https://example.com:80/a":                     "example.com:80/a",
		"https://example.com:8443/a":                   "example.com:8443/a",
		"https://[2001:DB8::80]/a":                     "[2001:db8::80]/a",
		"https://example.com/a#part":                   "example.com/a",
		"https://example.com/a?b=2&a=1":                "example.com/a?a=1&b=2",
		"https://example.com/a/?b=2&a=1#x":             "example.com/a?a=1&b=2",
		"https://example.com/a?utm_source=x&id=7":      "example.com/a?id=7",
		"https://example.com/a?UTM_Source=x":           "example.com/a",
		"https://example.com/a?gclid=1&fbclid=2":       "example.com/a",
		"https://example.com/?mc_eid=1&_hsenc=2&_hsmi": "example.com",
		"https://example.com/a?":                       "example.com/a",
		"https://example.com/a?&&x=1&":                 "example.com/a?x=1",
		"https://example.com/a?utmost=1":               "example.com/a?utmost=1",
		"https://example.com/a%2Fb":                    "example.com/a%2Fb",
		"https://example.com/a?q=a+b&r=%2B":            "example.com/a?q=a+b&r=%2B",
		"https://example.com/100%?a=100%#100%":         "example.com/100%?a=100%",
		"https://example.com/größe?q=ä":                "example.com/gr%C3%B6%C3%9Fe?q=%C3%A4",
		"https://example.com/a\"b[c]":                  "example.com/a%22b%5Bc%5D",
		"example.com/a":                                "", "/a": "", "mailto:a@example.com": "", "ftp://example.com/": "",
		"https://": "", "https://:443/a": "", "https:example.com": "", "": "", "https://exa mple.com/": "",
	} {
		if got := trail.NormalURL(raw); got != want {
			t.Errorf("NormalURL(%q) = %q, want %q", raw, got, want)
		}
	}
}

func FuzzNormalURLIsIdempotent(f *testing.F) {
	for _, s := range []string{"https://example.com//?b=2&a=1&utm_x=3#y", "https://a/%2f/", "http://[::1]:80/", "https://a?utm_=#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once := trail.NormalURL(raw)
		if once == "" {
			return
		}
		// A second default port ("a:443" under http) is a port of its own.
		if strings.HasSuffix(strings.SplitN(once, "/", 2)[0], ":443") || strings.Contains(once, ":443?") {
			return
		}
		if twice := trail.NormalURL("https://" + once); twice != once {
			t.Errorf("%q -> %q -> %q", raw, once, twice)
		}
	})
}

func TestTargetOfReadsARegistration(t *testing.T) {
	got := trail.TargetOf("deck", map[string]string{
		"title": "Deck", "url": "https://a.example/", "other_urls": "https://b.example/  https://c.example/",
		"file": "ab12", "file_name": "deck.pdf", "file_type": "application/pdf",
	})
	if got.Content != "deck" || got.Title != "Deck" || got.URL != "https://a.example/" || len(got.OtherURLs) != 2 || got.OtherURLs[1] != "https://c.example/" ||
		got.File != "ab12" || got.FileName != "deck.pdf" || got.FileType != "application/pdf" {
		t.Errorf("%+v", got)
	}
	if empty := trail.TargetOf("x", nil); empty.URL != "" || len(empty.OtherURLs) != 0 {
		t.Errorf("%+v", empty)
	}
}
