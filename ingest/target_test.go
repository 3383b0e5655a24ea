package ingest_test

import (
	"strings"
	"testing"

	"dealtrail/trail"
)

func TestRegisteredURLsAreStoredAsTheyAreSent(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	typed := map[string]string{
		"url":        "\u200b HTTPS://Bücher.example/a+b%2B//größe?x=[1]&y=100%#ü \ufeff",
		"other_urls": " https://www.example.com/a%2fb\thttps://www.example.com/ä\n",
	}
	const url, others = "HTTPS://xn--bcher-kva.example/a+b%2B//gr%C3%B6%C3%9Fe?x=[1]&y=100%#%C3%BC", "https://www.example.com/a%2fb https://www.example.com/%C3%A4"
	for range 2 { // the second time it is no change
		if _, err := r.Register(t.Context(), "deck", typed, "api"); err != nil {
			t.Fatal(err)
		}
		if a := p.state(t, "deck"); a["url"] != url || a["other_urls"] != others {
			t.Errorf("stored are %q and %q", a["url"], a["other_urls"])
		}
	}
	if n := p.counts(t).Events; n != 1 {
		t.Errorf("%d events of one registration", n)
	}
	if to, _ := lookup(t, r.Catalogue, "deck"); to != url {
		t.Errorf("its links lead to %q", to)
	}
	for _, found := range []string{url, "https://www.example.com/ä?utm_source=mail", "https://www.example.com/%C3%A4#x"} {
		if id, ok := r.Catalogue.ByURL(found); !ok || id != "deck" {
			t.Errorf("%q leads to %q", found, id)
		}
	}
}

// A registration that was accepted is accepted again when something else of it
// is changed, so limits count in the form that is stored.
func TestURLsThatGrowTooLongAreRefused(t *testing.T) {
	p := newPipe(t)
	r := p.registry(t)
	long := "https://www.example.com/" + strings.Repeat("ü", 1000)
	_, err := r.Register(t.Context(), "deck", map[string]string{"url": "https://www.example.com/" + strings.Repeat("ü", 1700)}, "api")
	wantProblem(t, err, trail.Invalid, "10000")
	_, err = r.Register(t.Context(), "deck", map[string]string{"url": long, "other_urls": long + "1 " + long + "2"}, "api")
	wantProblem(t, err, trail.Invalid, "other_urls")
	if n := streamLength(t, p.rdb); n != 0 || len(r.Catalogue.All()) != 0 {
		t.Errorf("%d events and %d targets were written", n, len(r.Catalogue.All()))
	}
}
