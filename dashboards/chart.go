package dashboards

import (
	"html/template"
	"strconv"

	"dealtrail/trail"
)

// creditChart is what static/site.js draws: credit by content, the most first.
// It travels as JSON in the page; the table below says the same.
type creditChart struct {
	Unit string      `json:"unit"` // currency symbol or code of the axis
	Rows []chartDot  `json:"rows"`
	None chartAmount `json:"none"` // without content
}

type chartDot struct {
	Name string       `json:"name"`
	Href template.URL `json:"href"`
	Low  float64      `json:"low"` // of the interval, for drawing only
	High float64      `json:"high"`
	Ends string       `json:"ends"` // the interval in words
	chartAmount
}

type chartAmount struct {
	Value float64 `json:"value"` // for drawing only
	Text  string  `json:"text"`  // the exact amount
	Deals string  `json:"deals"` // credit in deals, two decimals
}

const chartRows = 15

func newCreditChart(l lens, a *trail.Attribution) *creditChart {
	chart := &creditChart{Unit: a.Total.Value.Currency, None: chartAmountOf(a.Unattributed.Credit, a.Unattributed.Value)}
	if symbol := symbols[chart.Unit]; symbol != "" {
		chart.Unit = symbol
	}
	for _, r := range a.Rows {
		if r.Credit == 0 || len(chart.Rows) == chartRows {
			continue
		}
		name := r.Title
		if name == "" {
			name = r.Key
		}
		dot := chartDot{Name: name, Href: l.Link("content", r.Key), chartAmount: chartAmountOf(r.Credit, r.Value)}
		if r.CreditEnds != nil {
			dot.Low, dot.High, dot.Ends = max(0, approx(r.ValueLow)), approx(r.ValueHigh), moneyShort(r.ValueLow)+" to "+moneyShort(r.ValueHigh)
		}
		chart.Rows = append(chart.Rows, dot)
	}
	if len(chart.Rows) == 0 {
		return nil
	}
	return chart
}

func chartAmountOf(deals float64, value trail.Money) chartAmount {
	return chartAmount{Value: approx(value), Text: moneyText(value), Deals: strconv.FormatFloat(deals, 'f', 2, 64)}
}

// pct writes a percentage for an SVG attribute.
func pct(f float64) string {
	return strconv.FormatFloat(min(max(f, 0), 100), 'f', 2, 64)
}
