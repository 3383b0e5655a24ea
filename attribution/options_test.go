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
		o.Custom = []Custom{{Name: "ours", Weights: Weights{First: 1, Contents: map[trail.ContentID]float64{"A": 2, "B": 3}}}}
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
		"order": func(o *Options) { o.Kinds = []trail.Kind{trail.Viewed, trail.Replied, trail.Clicked, trail.Viewed} },
		"defaults": func(o *Options) {
			o.Kinds, o.HalfLife, o.Landmark, o.Horizon, o.WonHorizon, o.Replicates = nil, 7*24*time.Hour, 1, 6, 12, 200
		},
		"what a model is called on pages": func(o *Options) { o.Custom[0].Title = "Our own" },
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

		"half-life":         func(o *Options) { o.HalfLife = time.Hour },
		"no own model":      func(o *Options) { o.Custom = nil },
		"a name":            func(o *Options) { o.Custom[0].Name = "my" },
		"a weight":          func(o *Options) { o.Custom[0].First = 2 },
		"who is among them": func(o *Options) { o.Custom[0].EarlyOnly = true },
		"a factor":          func(o *Options) { o.Custom[0].Contents["B"] = 4 },
		"another factor":    func(o *Options) { o.Custom[0].Kinds = map[trail.Kind]float64{trail.Viewed: 2} },
		"lead stage":        func(o *Options) { o.LeadStage = "A" },
		"opportunity stage": func(o *Options) { o.OpportunityStage = "A" },
		"stages":            func(o *Options) { o.Stages = []string{"A", "B"} },
		"their order":       func(o *Options) { o.Stages = []string{"B", "A"} },
		"landmark":          func(o *Options) { o.Landmark = 2 },
		"horizon":           func(o *Options) { o.Horizon = 7 },
		"won horizon":       func(o *Options) { o.WonHorizon = 13 },
		"replicates":        func(o *Options) { o.Replicates = 100 },
	} {
		h := hash(change)
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}
