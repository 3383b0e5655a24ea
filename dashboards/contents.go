package dashboards

import (
	"context"
	"errors"
	"html/template"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/store"
	"dealtrail/trail"
)

// contentsPage is the first page: all content with what happened to it and what
// it earned.
type contentsPage struct {
	frame
	Sums   *sums // nil without a run
	NoRun  bool  // nobody has calculated this selection yet
	Rows   []contentRow
	Never  []contentRow // never sent
	Unread []contentRow // sent, and nobody opened, clicked or answered
	Left   leftOut      // how many there are of each, where only the first are shown
	Sort   sorting
	Chart  *creditChart // nil when nothing earned credit
	Start  []startStep  // the checklist, shown while there is no content
	New    int          // so many pieces were just registered
	Found  foundCounts  // what reps send that nobody keeps up to date
	Sends  sendCounts   // of all content
	Few    bool         // so few deals that intervals come first
	Reason string       // why the model has no result
	Spend  *trail.Spend // nil when no content has a cost
	Rest   *trail.Sum   // what content that the filter leaves out earned; nil without one
	Filter contentFilter
	All    int                // contents there are, whatever the filter
	Stale  []trail.SightedRow // old versions that are still sent
	Copies []trail.SightedRow // files that are nearly registered ones
}

// Note says what credit is not.
func (p contentsPage) Note() string { return trail.CreditNote }

// leftOut is how many rows each list has, 0 where all are shown.
type leftOut struct{ Rows, Never, Unread int }

// sendCounts says of how many sends an open can be seen.
type sendCounts struct {
	Sent uint64
	trail.Seen
}

// Partly reports whether there are sends of which nobody can see whether they
// were opened.
func (s sendCounts) Partly() bool { return s.Observable < s.Sent }

var contentOrders = []choice{
	{Value: "-value", Label: "Credit, most first"},
	{Value: "-clicked", Label: "Clicked, most first"},
	{Value: "-sent", Label: "Sent, most first"},
	{Value: "-replied", Label: "Replied, most first"},
	{Value: "-engaged", Label: "Engaged in 12 weeks, most first"},
	{Value: "-deals", Label: "Deals, most first"},
	{Value: "-won", Label: "Won, most first"},
	{Value: "title", Label: "Title, A to Z"},
}

// sums is how the won amount divides.
type sums struct {
	Run           trail.Run
	Total         trail.Sum
	Unattributed  trail.Sum
	Attributed    trail.Money
	Width, NoneAt string // percent of the bar that content has, and where the rest begins
	None          string // percent of the bar without content
}

// contentRow is one content with its bar and its link.
type contentRow struct {
	trail.ContentRow
	Href         template.URL
	Bar          string        // percent of the longest bar
	Rank         int           // those with the same do not differ by more than chance; 0 for none
	Share, Worth creditCell    // its credit in deals and in money
	Making       template.HTML // what it cost, in the reporting currency
	Per          string        // credit per unit of that
	Spark        template.HTML // how many engaged, week by week
	Engaged      uint64        // in all of these weeks
}

// contentGroup is rows that do not differ by more than chance, or one row.
type contentGroup struct {
	Tied bool
	Rows []contentRow
}

// Groups are the rows in groups, where they are in the order of credit.
func (p contentsPage) Groups() (groups []contentGroup) {
	for i, r := range p.Rows {
		if i == 0 || r.Rank == 0 || r.Rank != p.Rows[i-1].Rank || p.Sort.String() != "-value" {
			groups = append(groups, contentGroup{})
		}
		g := &groups[len(groups)-1]
		g.Rows = append(g.Rows, r)
		g.Tied = len(g.Rows) > 1
	}
	return groups
}

// Closed is how many of its deals ended.
func (r contentRow) Closed() uint64 { return r.Won + r.Lost }

func (s *Site) contents(c echo.Context) error {
	l, err := s.readLens(c, append([]string{"sort", "all"}, contentFilterNames...)...)
	if err != nil {
		return err
	}
	order := readSorting(c, "-value")
	l.Orders, l.Order = contentOrders, order.String()
	page := contentsPage{Sort: order}
	there, err := s.source.Choices(c.Request().Context(), s.viewer(c).Names, store.Filter{})
	if err != nil {
		return err
	}
	if page.Filter, err = s.readContentFilter(c, there); err != nil {
		return err
	}
	r, err := s.readContents(c.Request().Context(), l, page.Filter)
	if err != nil {
		return err
	}
	rows, credits, run := r.rows, r.credits, r.run
	page.frame = s.frame(c, "Which content moves deals?", "content", l)
	page.New, _ = strconv.Atoi(c.QueryParam("new"))
	page.found(r.sighted)
	page.All = len(rows)
	rows = page.Filter.offerOwn(rows)
	page.Filter.form(l, order.String())
	if page.All == 0 {
		status, err := s.Status(c.Request().Context())
		if err != nil {
			return err
		}
		page.Start = startSteps(status)
	}
	if credits != nil && len(page.Filter.row) > 0 {
		page.Rest = leaveOut(credits, rows)
	}
	spend := store.SpendOf(rows, credits, s.rates(run))
	if page.NoRun = run == nil && len(rows) > 0; run != nil {
		if page.Reason = credits.Reason; page.Reason == "" {
			page.Sums = newSums(*run, credits)
		}
		page.Chart, page.Few = newCreditChart(l, credits), credits.Few
	}
	earned := adopt(rows, credits)
	sortContents(rows, r.weeks, spend, page.Sort)
	if wantsFile(c) {
		return s.sendRows(c, "content", contentsCSV(rows, earned, spend, credits, r.weeks))
	}
	if page.fill(rows, l, earned, spend, r.weeks); len(spend.Rows) > 0 {
		page.Spend = &spend
	}
	page.Rows, page.Left.Rows = firstRows(c, page.Rows, rowsAtFirst)
	page.Never, page.Left.Never = firstRows(c, page.Never, atFirst)
	page.Unread, page.Left.Unread = firstRows(c, page.Unread, atFirst)
	return s.render(c, http.StatusOK, "contents", page)
}

// contentsRead is what the page reads.
type contentsRead struct {
	rows    []trail.ContentRow
	sighted []trail.SightedRow
	credits *trail.Attribution // nil without a run
	run     *trail.Run         // nil when nobody has calculated this selection yet
	weeks   map[string][]uint64
}

func (s *Site) readContents(ctx context.Context, l lens, narrowed contentFilter) (r contentsRead, err error) {
	f := l.filter()
	f.Limit = everything
	if f, r.run, err = s.oneRun(ctx, f); err != nil {
		return r, err
	}
	counts, earning := f, f
	counts.Narrow = narrowed.narrow
	if len(narrowed.only) > 0 {
		earning.Only = narrowed.only
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { r.rows, err = s.source.Contents(ctx, counts); return err })
	g.Go(func() (err error) { r.sighted, err = s.source.Sighted(ctx, s.Now(), store.Filter{}); return err })
	g.Go(func() (err error) {
		r.weeks, err = s.source.Weeks(ctx, weekStarts(s.Now(), s.Zone, sparkWeeks), store.Filter{Agents: l.Agents})
		return err
	})
	if r.run != nil {
		g.Go(func() (err error) { r.credits, err = s.source.Attribution(ctx, "content", earning); return err })
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	if r.credits != nil && len(narrowed.only) > 0 {
		nothingYet(r.rows, r.credits) // what was counted before is of all deals
	}
	return r, nil
}

// nothingYet gives each content no credit in the report's currency.
func nothingYet(rows []trail.ContentRow, a *trail.Attribution) {
	_, cents, _ := strings.Cut(a.Total.Value.Amount, ".")
	none := trail.Money{Amount: new(big.Rat).FloatString(len(cents)), Currency: a.Total.Value.Currency}
	for i := range rows {
		rows[i].Credit = &trail.Sum{Value: none}
	}
}

// leaveOut takes the contents that are not among rows out of a report, and returns what
// they earned, so that what is shown still adds up.
func leaveOut(a *trail.Attribution, rows []trail.ContentRow) *trail.Sum {
	shown := map[string]bool{}
	for _, r := range rows {
		shown[r.ID] = true
	}
	rest, value := &trail.Sum{Value: a.Total.Value}, new(big.Rat)
	_, cents, _ := strings.Cut(a.Total.Value.Amount, ".")
	a.Rows = slices.DeleteFunc(a.Rows, func(r trail.CreditRow) bool {
		if !shown[r.Key] {
			rest.Credit += r.Credit
			value.Add(value, amount(r.Value))
		}
		return !shown[r.Key]
	})
	rest.Value.Amount = value.FloatString(len(cents))
	return rest
}

// found counts what reps send that nobody keeps up to date, and names the first of it.
func (p *contentsPage) found(rows []trail.SightedRow) {
	p.Found = countFound(rows)
	for _, r := range rows {
		switch {
		case r.Dismissed:
		case r.Found == trail.OldVersion && len(p.Stale) < foundAtFirst:
			p.Stale = append(p.Stale, r)
		case r.Found == trail.NearCopy && len(p.Copies) < foundAtFirst:
			p.Copies = append(p.Copies, r)
		}
	}
}

// foundAtFirst is how many old versions and copies the page names.
const foundAtFirst = 10

// everything asks a report for all its rows.
const everything = 100_000

// oneRun returns the newest run for the filter, nil when nobody has calculated
// it yet, and the filter of that run alone: whatever else a page asks with it
// belongs together, also when another run ends meanwhile.
func (s *Site) oneRun(ctx context.Context, f store.Filter) (store.Filter, *trail.Run, error) {
	run, err := s.source.Run(ctx, f)
	if err = ignore(err, trail.NoRun); err != nil {
		return f, nil, err
	}
	f.Run = "none" // which no run is called
	if run != nil {
		f.Run = run.ID
	}
	return f, run, nil
}

// ignore returns nil for a problem of this code and any other error as it is.
func ignore(err error, code trail.Code) error {
	if p := (*trail.Problem)(nil); errors.As(err, &p) && p.Code == code {
		return nil
	}
	return err
}

func newSums(run trail.Run, a *trail.Attribution) *sums {
	attributed := amount(a.Total.Value)
	attributed.Sub(attributed, amount(a.Unattributed.Value))
	_, cents, _ := strings.Cut(a.Total.Value.Amount, ".")
	without := 100 * ratio(a.Unattributed.Value, a.Total.Value)
	return &sums{
		Run: run, Total: a.Total, Unattributed: a.Unattributed,
		Attributed: trail.Money{Amount: attributed.FloatString(len(cents)), Currency: a.Total.Value.Currency},
		Width:      pct(100 - without), NoneAt: pct(100 - without), None: pct(without),
	}
}

// adopt gives the rows the credits of the report, which of a data-driven model are
// its own, and returns these by content.
func adopt(rows []trail.ContentRow, a *trail.Attribution) map[string]trail.CreditRow {
	earned := map[string]trail.CreditRow{}
	if a == nil {
		return earned
	}
	for _, r := range a.Rows {
		earned[r.Key] = r
	}
	for i := range rows {
		if r, ok := earned[rows[i].ID]; ok {
			rows[i].Credit = &trail.Sum{Credit: r.Credit, Value: r.Value}
		}
		if a.Reason != "" {
			rows[i].Credit = nil
		}
	}
	return earned
}

// fill divides the rows into those that did something and the two groups that
// did not.
func (p *contentsPage) fill(rows []trail.ContentRow, l lens, earned map[string]trail.CreditRow, spend trail.Spend, weeks map[string][]uint64) {
	most, costs := 0.0, map[string]trail.SpendRow{}
	for _, r := range spend.Rows {
		costs[r.Content] = r
	}
	for _, r := range rows {
		p.Sends.Sent += r.Sent
		p.Sends.Observable += r.Observable
		if r.Credit != nil {
			most = max(most, approx(r.Credit.Value))
		}
	}
	for _, r := range rows {
		row := contentRow{ContentRow: r, Href: l.Link("content", r.ID), Bar: "0", Spark: spark(weeks[r.ID], topWeek(weeks[r.ID])), Engaged: engaged(weeks[r.ID])}
		if r.Credit != nil && most > 0 {
			row.Bar = pct(100 * approx(r.Credit.Value) / most)
		}
		if e, ok := earned[r.ID]; ok {
			row.Rank, row.Share, row.Worth = e.Tie, dealsCell(e, p.Few), moneyCell(e, p.Few, l.Why("content", r.ID))
		} else if r.Credit != nil {
			row.Share, row.Worth = creditCell{Main: credit(0)}, creditCell{Main: money(r.Credit.Value)}
		}
		if c, ok := costs[r.ID]; ok {
			if row.Making = money(c.Told); c.Cost != nil {
				row.Making, row.Per = money(*c.Cost), per(c.PerCost, c.Cost.Currency)
			}
		}
		switch r.Use() {
		case trail.Used:
			p.Rows = append(p.Rows, row)
		case trail.NeverSent:
			p.Never = append(p.Never, row)
		default:
			p.Unread = append(p.Unread, row)
		}
	}
}

// calculate runs the attribution job for the lens and comes back.
func (s *Site) calculate(c echo.Context) error {
	if err := unhurried(c); err != nil {
		return err
	}
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	if err := s.source.Calculate(c.Request().Context(), l); err != nil {
		return err
	}
	back, _, _ := strings.Cut(s.stay(c, c.FormValue("back")), "?")
	return seeOther(c, template.URL(back+"?"+l.values().Encode()))
}
