package dashboards

import (
	"context"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// creditCell is a credit as a table shows it: the number with its interval or, where
// the number alone would mislead, the interval with the number.
type creditCell struct {
	Main, Sub template.HTML
	Why       template.URL // what it is made of; empty: no link
}

// moneyCell and dealsCell are the cells of a credit; intervalFirst where there are few
// deals.
func moneyCell(r trail.CreditRow, intervalFirst bool, why template.URL) creditCell {
	if r.CreditEnds == nil {
		return creditCell{Main: money(r.Value), Why: why}
	}
	around := template.HTML(template.HTMLEscapeString(moneyShort(r.ValueLow) + " to " + moneyShort(r.ValueHigh)))
	if intervalFirst {
		return creditCell{Main: around, Sub: money(r.Value) + " by this rule", Why: why}
	}
	return creditCell{Main: money(r.Value), Sub: around, Why: why}
}

func dealsCell(r trail.CreditRow, intervalFirst bool) creditCell {
	if r.CreditEnds == nil {
		return creditCell{Main: credit(r.Credit)}
	}
	around := template.HTML(dealsShort(r.Low) + " to " + dealsShort(r.High))
	if intervalFirst {
		return creditCell{Main: around, Sub: credit(r.Credit)}
	}
	return creditCell{Main: credit(r.Credit), Sub: around}
}

// dealsShort writes a number of deals with about two digits.
func dealsShort(f float64) string {
	digits := 2
	switch {
	case f >= 100:
		digits = 0
	case f >= 10:
		digits = 1
	}
	whole, fraction, some := strings.Cut(strconv.FormatFloat(f, 'f', digits, 64), ".")
	if whole = group(whole); some {
		whole += "." + fraction
	}
	return whole
}

// per writes money earned per unit of cost with its interval, in a currency's words.
func per(p *trail.PerCost, currency string) string {
	if p == nil {
		return ""
	}
	unit := symbols[currency]
	if unit == "" {
		unit = currency + " "
	}
	return unit + dealsShort(p.Per) + " per " + unit + "1 (" + dealsShort(p.PerLow) + " to " + dealsShort(p.PerHigh) + ")"
}

// contentsCSV is the table as a file, with what no content earned and the total
// as last rows, so that it adds up there too.
func contentsCSV(rows []trail.ContentRow, earned map[string]trail.CreditRow, spend trail.Spend, a *trail.Attribution, weeks map[string][]uint64) [][]string {
	out := [][]string{{
		"id", "title", "kind", "url", "sent", "reached", "opened", "opens", "clicked", "clicks", "clicks_without_person", "replied", "machine", "deals", "won", "lost", "credit", "value", "currency", "stale", "observable", "observed",
		"low", "high", "value_low", "value_high", "rank", "effect", "effect_low", "effect_high", "model_value", "model_value_low", "model_value_high", "cost", "credit_per_cost", "credit_per_cost_low", "credit_per_cost_high", "reps", "engaged", "engaged_by_week",
	}}
	costs := map[string]trail.SpendRow{}
	for _, r := range spend.Rows {
		costs[r.Content] = r
	}
	for _, r := range rows {
		line := make([]string, len(out[0]))
		copy(line, []string{
			r.ID, r.Title, r.Kind, r.URL, count(r.Sent), count(r.Reached), count(r.Opened), count(r.Opens), count(r.Clicked), count(r.Clicks), count(r.Nameless),
			count(r.Replied), count(r.Machine), count(r.Deals), count(r.Won), count(r.Lost), "", "", "", count(r.Stale), count(r.Observable), count(r.Observed),
		})
		if r.Credit != nil {
			line[16], line[17], line[18] = decimal(r.Credit.Credit), r.Credit.Value.Amount, r.Credit.Value.Currency
		}
		e := earned[r.ID]
		if e.CreditEnds != nil {
			copy(line[22:], []string{decimal(e.Low), decimal(e.High), e.ValueLow.Amount, e.ValueHigh.Amount, strconv.Itoa(e.Tie)})
		}
		if e.ModelCredit != nil {
			copy(line[27:], []string{decimal(e.Effect), decimal(e.EffectLow), decimal(e.EffectHigh), e.ModelValue.Amount, e.ModelValueLow.Amount, e.ModelValueHigh.Amount})
		}
		if c := costs[r.ID]; c.Cost != nil {
			if line[33] = c.Cost.Amount; c.PerCost != nil {
				copy(line[34:], []string{decimal(c.Per), decimal(c.PerLow), decimal(c.PerHigh)})
			}
		}
		line[37], line[38] = count(r.Reps), count(engaged(weeks[r.ID]))
		if all := weeks[r.ID]; len(all) > 0 {
			line[39] = sparkWords(all)
		}
		out = append(out, line)
	}
	if a != nil {
		for _, last := range []struct {
			title string
			sum   trail.Sum
		}{{"No content seen", a.Unattributed}, {"Total", a.Total}} {
			line := make([]string, len(out[0]))
			line[1], line[16], line[17], line[18] = last.title, decimal(last.sum.Credit), last.sum.Value.Amount, last.sum.Value.Currency
			out = append(out, line)
		}
	}
	return out
}

// rates are those of a run or, without one, of the settings.
func (s *Site) rates(run *trail.Run) store.Rates {
	if run != nil {
		return store.RatesOf(*run)
	}
	o := s.options()
	return store.Rates{Currency: strings.ToUpper(o.Currency), Digits: attribution.Digits(o.Currency), Of: o.Rates}
}

// whyPage is what a credit is made of.
type whyPage struct {
	frame
	Why   *trail.Why
	Of    string // whose credit it is, in words
	Deals []whyDeal
	Next  template.URL
	NoRun bool
}

// whyDeal is one deal of the page with its touches.
type whyDeal struct {
	trail.WhyDeal
	Touches []whyTouch
}

type whyTouch struct {
	trail.WhyTouch
	Sure  string // how sure it is that the touch was about this deal
	Share string
	Who   string
}

func (s *Site) why(c echo.Context) error {
	l, err := s.readLens(c, store.Filters()...)
	if err != nil {
		return err
	}
	f := l.filter()
	f.Zone, f.After, f.Run = s.Zone, c.QueryParam("after"), c.QueryParam("run")
	for _, name := range store.Filters() {
		if values := slices.DeleteFunc(slices.Clone(c.QueryParams()[name]), func(v string) bool { return v == "" }); len(values) > 0 {
			if f.Only == nil {
				f.Only = map[string][]string{}
			}
			f.Only[name] = values
		}
	}
	for _, rep := range slices.Concat(f.Only["rep"], f.Only["owner"]) {
		if v := s.viewer(c); trail.NormalAddress(rep) != v.Rep || v.Rep == "" {
			if err := s.byRep(c, "rep"); err != nil {
				return err
			}
		}
	}
	if err := access.From(c.Request().Context()).View.Narrows("", f.Only, s.dealsNamed(c.Request().Context())); err != nil {
		return err
	}
	page := whyPage{frame: s.frame(c, "What is this credit made of?", "content", l)}
	page.Why, err = s.source.Why(c.Request().Context(), f)
	if err = ignore(err, trail.NoRun); err != nil {
		return err
	}
	if page.NoRun = page.Why == nil; page.NoRun {
		return s.render(c, http.StatusOK, "why", page)
	}
	page.fill()
	if wantsFile(c) {
		return s.sendRows(c, "why", whyCSV(*page.Why))
	}
	if page.Why.Next != "" {
		page.Next = l.With("after", page.Why.Next, "run", page.Why.Run)
	}
	return s.render(c, http.StatusOK, "why", page)
}

// fill writes what the page shows of its deals.
func (p *whyPage) fill() {
	titles := map[string]string{}
	for _, d := range p.Why.Rows {
		deal := whyDeal{WhyDeal: d}
		for _, t := range d.Touches {
			titles[t.Content] = t.Title
			touch := whyTouch{WhyTouch: t, Sure: strconv.FormatFloat(100*float64(t.Confidence), 'f', 0, 32) + "% sure", Share: percent(t.Share), Who: strings.Join(t.Contacts, ", ")}
			if len(t.Contacts) > 1 {
				touch.Who = "one of " + touch.Who
			}
			deal.Touches = append(deal.Touches, touch)
		}
		p.Deals = append(p.Deals, deal)
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(p.Why.Only)) {
		for _, v := range p.Why.Only[name] {
			switch {
			case name == "content" && v == trail.Nobody:
				v = "no content seen"
			case name == "content" && titles[v] != "":
				v = titles[v]
			default:
				v = name + " " + v
			}
			words = append(words, v)
		}
	}
	p.Of = strings.Join(words, ", ")
}

func whyCSV(why trail.Why) [][]string {
	out := [][]string{{"deal", "name", "owner", "closed_at", "deal_value", "touch", "at", "kind", "content", "title", "contacts", "rep", "rule", "confidence", "place", "path", "share", "amount", "currency"}}
	for _, d := range why.Rows {
		deal := []string{d.Deal, d.Name, d.Owner, stamp(d.ClosedAt), d.Value.Amount}
		if len(d.Touches) == 0 {
			out = append(out, append(deal, "", "", "", "", "No content seen", "", "", "", "", "", "0", decimal(d.Share), d.Amount.Amount, d.Amount.Currency))
		}
		for _, t := range d.Touches {
			place := ""
			if t.Place > 0 {
				place = count(t.Place)
			}
			out = append(out, append(deal[:5:5], t.ID.String(), stamp(t.At), string(t.Kind), t.Content, t.Title, strings.Join(t.Contacts, "; "), t.Rep, t.Rule,
				decimal(float64(t.Confidence)), place, count(d.Path), decimal(t.Share), t.Amount.Amount, t.Amount.Currency))
		}
	}
	return out
}

// tiedWords say how a touch was tied to its deal.
var tiedWords = map[string]string{
	"explicit": "the link was made for this deal", "assigned": "a person said so", "contact": "the person is on the deal", "account": "the company's only deal",
}

// modelCredits returns what the content earned under each model: in the page's
// run, or in the model's own newest if the page's did not compute the model.
func (s *Site) modelCredits(ctx context.Context, page store.Filter, run *trail.Run, l lens, id string) ([]modelCredit, error) {
	all := make([]modelCredit, len(l.models))
	for i, m := range l.models {
		all[i] = modelCredit{model: m, NoRun: true}
	}
	if run != nil {
		if err := s.addCredits(ctx, all, page, run, l, id); err != nil {
			return nil, err
		}
	}
	if run == nil && !strings.Contains(page.Model, ":") {
		return all, nil // a run has all models but those that are computed only when they are named
	}
	for i := range all {
		if !all[i].NoRun || all[i].Name == page.Model {
			continue
		}
		f := page
		f.Model, f.Run = all[i].Name, ""
		f, own, err := s.oneRun(ctx, f)
		if err == nil && own != nil {
			err = s.addCredits(ctx, all, f, own, l, id)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// addCredits fills in what one run tells of models that nothing is known of yet.
func (s *Site) addCredits(ctx context.Context, all []modelCredit, f store.Filter, run *trail.Run, l lens, id string) error {
	rows, err := s.source.Credits(ctx, id, f)
	if err != nil {
		return err
	}
	few := run.Deals < trail.FewDeals
	for i := range all {
		m := &all[i]
		if !m.NoRun || !slices.Contains(run.Models, m.Name) {
			continue
		}
		m.NoRun, m.Reason = false, run.Reasons[m.Name]
		if j := slices.IndexFunc(rows, func(r trail.CreditRow) bool { return r.Key == m.Name }); j >= 0 {
			m.Credit, m.Deals, m.Money = &rows[j], dealsCell(rows[j], few), moneyCell(rows[j], few, l.whyUnder(m.Name, id))
		}
	}
	return nil
}

// whyUnder is the link to what a content's credit under another model is made of.
func (l lens) whyUnder(model, content string) template.URL {
	l.Model = model
	return l.Why("content", content)
}
