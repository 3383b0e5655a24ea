package attribution

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// Options are the settings that hold for every run. They are taken as they
// are: start from DefaultOptions.
type Options struct {
	Currency string            // the reporting currency, ISO 4217: "EUR"
	Rates    map[string]string // what one unit of a currency is worth in the reporting currency, as decimal text: {"USD": "0.92"}
	Source   string            // where the rates are from and of which day, in words
	Window   time.Duration     // how long before the close a touch may be; zero: no limit
	Kinds    []trail.Kind      // the kinds of events that earn credit; none: DefaultKinds
	Burst    time.Duration     // touches of one kind, content and contact that follow each other within it count once; zero: all count
	HalfLife time.Duration     // of the model decay; zero: 7 days
	Custom   []Custom          // models of the company's own

	Stages           []string // the stages of a deal in order; none: the order in which most deals enter them
	LeadStage        string   // the stage whose entry makes a lead; "": the first contact on the deal being created
	OpportunityStage string   // the stage whose entry makes an opportunity; "": the deal being created

	Landmark   int // weeks after a stage began at which it is looked who has seen a content; zero: 1
	Horizon    int // weeks after that in which a deal may advance; zero: 6
	WonHorizon int // the same to be won; zero: 12
	Replicates int // of the intervals of data-driven models; zero: 200

	Every time.Duration // how often Run looks for news; zero: 10 minutes; no result depends on it
}

// DefaultOptions returns the settings that docs/models.md describes.
func DefaultOptions(currency string) Options {
	return Options{Currency: currency, Window: 365 * 24 * time.Hour, Kinds: DefaultKinds(), Burst: 30 * time.Minute, Every: 10 * time.Minute}
}

// DefaultKinds returns the kinds that earn credit unless others are chosen:
// what the buyer does. A sent mail is the rep's doing, and an open is too weak.
func DefaultKinds() []trail.Kind { return []trail.Kind{trail.Clicked, trail.Viewed, trail.Replied} }

// earning are the kinds that may be chosen.
var earning = []trail.Kind{trail.Clicked, trail.Opened, trail.Replied, trail.Sent, trail.Viewed}

// maxWindow keeps windows readable in a report; nothing breaks beyond it.
const maxWindow = 100 * 365 * 24 * time.Hour

var (
	isCurrency = regexp.MustCompile(`^[A-Z]{3}$`)
	isRate     = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,12})?$`)
)

// normal returns the options in the one form that the hash and the SQL see:
// capitals, sorted, rates without idle zeros and with the reporting currency at
// 1. What cannot be used is a trail.Invalid problem that names the setting.
func (o Options) normal() (Options, error) {
	o.Currency = strings.ToUpper(strings.TrimSpace(o.Currency))
	if !isCurrency.MatchString(o.Currency) {
		return o, trail.Problemf(trail.Invalid, "The reporting currency is %q; it must be the three letters of ISO 4217, such as EUR.", o.Currency)
	}
	rates := map[string]string{o.Currency: "1"}
	for _, currency := range slices.Sorted(maps.Keys(o.Rates)) {
		rate := o.Rates[currency]
		c, r := strings.ToUpper(strings.TrimSpace(currency)), strings.TrimSpace(rate)
		if !isCurrency.MatchString(c) || !isRate.MatchString(r) || strings.Trim(r, "0.") == "" {
			return o, trail.Problemf(trail.Invalid, "The rate of %q is %q; it must be a positive decimal with at most 12 places, such as 0.92, and the currency three letters.", currency, rate)
		}
		if strings.Contains(r, ".") {
			r = strings.TrimSuffix(strings.TrimRight(r, "0"), ".")
		}
		if r = strings.TrimLeft(r, "0"); r == "" || r[0] == '.' {
			r = "0" + r
		}
		if before, ok := rates[c]; ok && before != r {
			return o, trail.Problemf(trail.Invalid, "The rate of %s is %s and %s; it can only be one, and that of the reporting currency is 1.", c, before, r)
		}
		rates[c] = r
	}
	o.Rates = rates
	if o.Window < 0 || o.Window > maxWindow || o.Window%time.Millisecond != 0 {
		return o, trail.Problemf(trail.Invalid, "The look-back window is %s; it must be 0 for none, or from a millisecond to 36500 days.", o.Window)
	}
	if o.Burst < 0 || o.Burst > 24*time.Hour || o.Burst%time.Millisecond != 0 {
		return o, trail.Problemf(trail.Invalid, "The length of a burst is %s; it must be from 0 (every touch counts) to 24 hours.", o.Burst)
	}
	if len(o.Kinds) == 0 {
		o.Kinds = DefaultKinds()
	}
	o.Kinds = slices.Compact(slices.Sorted(slices.Values(o.Kinds)))
	for _, k := range o.Kinds {
		if !slices.Contains(earning, k) {
			return o, trail.Problemf(trail.Invalid, "Events of kind %q earn no credit; choose from %s.", k, strings.Join(texts(earning), ", "))
		}
	}
	return o.normalModels()
}

// normalModels is normal for what only models and lifts depend on.
func (o Options) normalModels() (Options, error) {
	o.HalfLife = cmp.Or(o.HalfLife, halfLife)
	if o.HalfLife < time.Hour || o.HalfLife > maxWindow || o.HalfLife%time.Millisecond != 0 {
		return o, trail.Problemf(trail.Invalid, "The half-life of decay is %s; it must be from an hour to 36500 days.", o.HalfLife)
	}
	seen := map[string]bool{}
	for _, c := range o.Custom {
		if err := c.check(); err != nil {
			return o, err
		}
		if seen[c.Name] {
			return o, trail.Problemf(trail.Invalid, "Two models are called %q.", c.Name)
		}
		seen[c.Name] = true
	}
	for i, s := range o.Stages {
		if strings.TrimSpace(s) == "" || slices.Contains(o.Stages[:i], s) {
			return o, trail.Problemf(trail.Invalid, "The list of stages has %q twice or empty; name each once, in order.", s)
		}
	}
	o.Landmark, o.Horizon, o.WonHorizon = cmp.Or(o.Landmark, 1), cmp.Or(o.Horizon, 6), cmp.Or(o.WonHorizon, 12)
	for _, l := range []struct {
		name  string
		weeks int
	}{{"landmark", o.Landmark}, {"horizon", o.Horizon}, {"horizon for wins", o.WonHorizon}} {
		if l.weeks < 1 || l.weeks > maxWeeks {
			return o, trail.Problemf(trail.Invalid, "The %s of a lift is %d weeks; it must be 1 to %d.", l.name, l.weeks, maxWeeks)
		}
	}
	o.Replicates = cmp.Or(o.Replicates, 200)
	if o.Replicates < 40 || o.Replicates > 10_000 {
		return o, trail.Problemf(trail.Invalid, "An interval takes 40 to 10,000 replicates, not %d.", o.Replicates)
	}
	return o, nil
}

// Definition returns what the numbers of a run depend on besides events: the
// version of the models and the hash of the settings, as store.DB.Definition
// has it. Settings that cannot be used are a trail.Invalid problem that names
// the setting.
func (o Options) Definition() (string, error) {
	o, err := o.normal()
	if err != nil {
		return "", err
	}
	return Version + " " + o.hash(), nil
}

// settings returns all that a number depends on, a line each, for a person who
// compares two runs. The options must be normal.
func (o Options) settings() string {
	var s strings.Builder
	fmt.Fprintf(&s, "currency %s\ndigits %d\nwindow %d ms\nburst %d ms\n", o.Currency, Digits(o.Currency), o.Window.Milliseconds(), o.Burst.Milliseconds())
	for _, k := range o.Kinds {
		fmt.Fprintf(&s, "kind %s\n", k)
	}
	for _, c := range slices.Sorted(maps.Keys(o.Rates)) {
		fmt.Fprintf(&s, "rate %s %s\n", c, o.Rates[c])
	}
	if o.Source != "" {
		fmt.Fprintf(&s, "rates from %s\n", o.Source)
	}
	fmt.Fprintf(&s, "half-life %d ms\nlead stage %q\nopportunity stage %q\nlandmark %d\nhorizon %d\nwon horizon %d\nreplicates %d\n",
		o.HalfLife.Milliseconds(), o.LeadStage, o.OpportunityStage, o.Landmark, o.Horizon, o.WonHorizon, o.Replicates)
	for _, stage := range o.Stages {
		fmt.Fprintf(&s, "stage %q\n", stage)
	}
	for _, c := range o.Custom {
		weights, _ := json.Marshal(c.Weights) // numbers and maps, which come out sorted
		fmt.Fprintf(&s, "model %s %s\n", c.Name, weights)
	}
	return s.String()
}

// hash returns 12 characters that differ when anything differs that a number
// depends on. The options must be normal.
func (o Options) hash() string {
	sum := sha256.Sum256([]byte(o.settings()))
	return hex.EncodeToString(sum[:6])
}

// rates returns the rates as the text of a ClickHouse map.
func (o Options) rates() string {
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(o.Rates)) {
		parts = append(parts, fmt.Sprintf("'%s':%s", c, o.Rates[c]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// Digits returns how many digits the minor unit of a currency has after the
// point: 2 for EUR, where it is the cent.
func Digits(currency string) uint8 {
	switch strings.ToUpper(currency) {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	}
	return 2
}

func texts(kinds []trail.Kind) []string {
	var all []string
	for _, k := range kinds {
		all = append(all, string(k))
	}
	return all
}
