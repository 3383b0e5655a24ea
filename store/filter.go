package store

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/trail"
)

// Filter is what every report is asked with.
type Filter struct {
	AsOf   time.Time   // what we had learned by then; zero: all that we know
	Agents trail.Level // whose touches count; empty: likely
	Model  string      // whose credits; empty: linear
	From   time.Time   // the run's period, over the deals' closing: at or after; zero: no bound
	To     time.Time   // before; zero: no bound
	Run    string      // one run, whatever its period and level; empty: the newest that answers the others
	Limit  int         // rows at most; zero: 500 deals, 500 events of a content, 5000 of other trails
	After  string      // the last deal of the page before

	Only map[string][]string // credits alone: by what of Filters they are filtered, and to which values
	Zone *time.Location      // of months; nil: UTC

	Narrow Narrow // the list of contents alone: which events it counts
}

const (
	// UsualModel is the model of a report that names none.
	UsualModel = "linear"
	pageLimit  = 500
	trailLimit = 5000
)

// forever is after all that can be stored. It stands for now: a clock that is
// ahead on another machine hides no event.
var forever = time.Date(2299, 12, 31, 0, 0, 0, 0, time.UTC)

// complete fills in the defaults.
func (f Filter) complete() (Filter, error) {
	var err error
	if f.Agents, err = trail.ParseLevel(string(f.Agents)); err != nil {
		return f, err
	}
	if f.AsOf.IsZero() || f.AsOf.After(forever) {
		f.AsOf = forever
	}
	if f.Model == "" {
		f.Model = UsualModel
	}
	return f, nil
}

// key tells filters apart: also one value with a space in it and two values.
func (f Filter) key() string { return fmt.Sprintf("%#v", f) }

// limit returns the limit as a parameter.
func (f Filter) limit(unset int) any {
	if f.Limit > 0 {
		unset = f.Limit
	}
	return clickhouse.Named("limit", uint64(unset))
}

// level is how the views number the levels: a touch counts at a level up to its own.
func level(l trail.Level) uint8 {
	switch l {
	case trail.Strict:
		return 3
	case trail.Likely:
		return 2
	}
	return 1
}

// instant returns a time as a parameter of type DateTime64(3), in text: numbers
// are taken for times only when they have ten digits.
func instant(name string, t time.Time) any {
	return clickhouse.Named(name, moment(t).Format("2006-01-02 15:04:05.000"))
}

// args returns the parameters of a report and more.
func (f Filter) args(more ...any) []any {
	return append([]any{
		instant("as_of", f.AsOf),
		clickhouse.Named("level", level(f.Agents)),
	}, more...)
}

// when reads a time of which the epoch means none. It is given to Scan.
type when struct{ t *time.Time }

// Scan implements sql.Scanner.
func (w when) Scan(src any) error {
	*w.t = time.Time{}
	if t, ok := src.(time.Time); ok && t.UnixMilli() != 0 {
		*w.t = t.UTC()
	}
	return nil
}

// words reads a list whose parts are separated by spaces. It is given to Scan.
type words struct{ list *[]string }

// Scan implements sql.Scanner.
func (w words) Scan(src any) error {
	s, _ := src.(string)
	*w.list = strings.Fields(s)
	return nil
}

// sum is a sum of credit in 1e-12 deals and of value in minor units: whole
// numbers, so that no order of rows changes it.
type sum struct{ credit, value int64 }

func (s *sum) add(t sum) { s.credit += t.credit; s.value += t.value }

// in returns the sum as a report shows it, with the credit to nine decimals.
func (s sum) in(r *run) *trail.Sum {
	return &trail.Sum{Credit: math.Round(float64(s.credit)/1e3) / 1e9, Value: r.money(s.value)}
}

// money returns an amount of minor units in the run's currency.
func (r *run) money(minor int64) trail.Money {
	return trail.Money{Amount: decimal(minor, int(r.digits)), Currency: r.Currency}
}

// decimal writes a whole number of minor units with its decimals: 123450 with
// two is "1234.50".
func decimal(minor int64, digits int) string {
	s := strconv.FormatInt(minor, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if digits == 0 {
		return sign + s
	}
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

// amount returns what the CRM told as an amount with at least the two decimals
// that people expect, unless the currency has none.
func amount(text, currency string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole != "" && len(fraction) < 2 && !slices.Contains(strings.Fields(withoutCents), strings.ToUpper(currency)) {
		text = whole + "." + fraction + "00"[len(fraction):]
	}
	return text
}

// withoutCents lists the currencies of ISO 4217 that have no minor unit.
const withoutCents = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
