package attribution

import (
	"testing"
	"time"

	"dealtrail/trail"
)

func TestHashDiffersWhenACreditCan(t *testing.T) {
	hash := func(change func(*Options)) string {
		t.Helper()
		o := DefaultOptions("EUR")
		o.Rates = map[string]string{"USD": "0.9", "JPY": "0.0062"}
		if change != nil {
			change(&o)
		}
		o, err := o.normal()
		if err != nil {
			t.Fatal(err)
		}
		return o.hash()
	}
	base := hash(nil)
	for name, change := range map[string]func(*Options){
		"how often it looks": func(o *Options) { o.Every = time.Hour },
		"idle zeros":         func(o *Options) { o.Rates = map[string]string{"USD": "00.90", "JPY": "0.006200"} },
		"case": func(o *Options) {
			o.Currency, o.Rates = "eur", map[string]string{" usd": "0.9", "jpy": "0.0062", "EUR": "1.0"}
		},
		"order":    func(o *Options) { o.Kinds = []trail.Kind{trail.Viewed, trail.Replied, trail.Clicked, trail.Viewed} },
		"defaults": func(o *Options) { o.Kinds = nil },
	} {
		if hash(change) != base {
			t.Errorf("%s changes the hash", name)
		}
	}
	seen := map[string]string{base: "the base"}
	for name, change := range map[string]func(*Options){
		"currency": func(o *Options) { o.Currency = "CHF" },
		"a rate":   func(o *Options) { o.Rates = map[string]string{"USD": "0.91", "JPY": "0.0062"} },
		"no rate":  func(o *Options) { o.Rates = nil },
		"window":   func(o *Options) { o.Window = 0 },
		"burst":    func(o *Options) { o.Burst = time.Millisecond },
		"kinds":    func(o *Options) { o.Kinds = append(o.Kinds, trail.Opened) },
	} {
		h := hash(change)
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}
