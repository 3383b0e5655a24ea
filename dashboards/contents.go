package dashboards

import (
	"cmp"
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
	Sort   sorting
	Chart  *creditChart // nil when nothing earned credit
	Start  []startStep  // the checklist, shown while there is no content
	New    int          // so many pieces were just registered
	Found  foundCounts  // what reps send that nobody keeps up to date
	Sends  sendCounts   // of all content
	Few    bool         // so few deals that intervals come first
	Reason string       // why the model has no result
	Spend  *trail.Spend // nil when no content has a cost
}

// Note says what credit is not.
func (p contentsPage) Note() string { return trail.CreditNote }

// sendCounts says of how many sends an open can be seen.
type sendCounts struct {
	Sent uint64
	trail.Seen
}

// Partly reports whether there are sends of which nobody can see whether they
// were opened.
func (s sendCounts) Partly() bool { return s.Observable < s.Sent }

var contentOrders = []choice{
	{Value: "-value", Label: "Credit, most first"}, {Value: "-clicked", Label: "Clicked, most first"}, {Value: "-sent", Label: "Sent, most first"},
	{Value: "-replied", Label: "Replied, most first"}, {Value: "-deals", Label: "Deals, most first"}, {Value: "-won", Label: "Won, most first"}, {Value: "title", Label: "Title, A to Z"},
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
	l, err := s.readLens(c, "sort")
	if err != nil {
		return err
	}
	order := readSorting(c, "-value")
	l.Orders, l.Order = contentOrders, order.String()
	ctx := c.Request().Context()
	f := l.filter()
	f.Limit = everything
	var rows []trail.ContentRow
	var sighted []trail.SightedRow
	var credits *trail.Attribution
	f, run, err := s.oneRun(ctx, f)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { rows, err = s.source.Contents(ctx, f); return err })
	g.Go(func() (err error) { sighted, err = s.source.Sighted(ctx, s.Now(), store.Filter{}); return err })
	if run != nil {
		g.Go(func() (err error) { credits, err = s.source.Attribution(ctx, "content", f); return err })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	page := contentsPage{frame: s.frame(c, "Which content moves deals?", "content", l), Sort: order}
	page.New, _ = strconv.Atoi(c.QueryParam("new"))
	page.Found = countFound(sighted)
	if len(rows) == 0 {
		status, err := s.Status(c.Request().Context())
		if err != nil {
			return err
		}
		page.Start = startSteps(status)
	}
	spend := store.SpendOf(rows, credits, s.rates(run))
	if page.NoRun = run == nil && len(rows) > 0; run != nil {
		if page.Reason = credits.Reason; page.Reason == "" {
			page.Sums = newSums(*run, credits)
		}
		page.Chart, page.Few = newCreditChart(l, credits), credits.Few
	}
	earned := adopt(rows, credits)
	sortContents(rows, page.Sort)
	if wantsFile(c) {
		return s.sendRows(c, "content", contentsCSV(rows, earned, spend, credits))
	}
	if page.fill(rows, l, earned, spend); len(spend.Rows) > 0 {
		page.Spend = &spend
	}
	return s.render(c, http.StatusOK, "contents", page)
}

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
func (p *contentsPage) fill(rows []trail.ContentRow, l lens, earned map[string]trail.CreditRow, spend trail.Spend) {
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
		row := contentRow{ContentRow: r, Href: l.Link("content", r.ID), Bar: "0"}
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

// sorting is the order of a table as the URL says it: "-value" is by value, the
// highest first.
type sorting struct {
	Key        string
	Descending bool
}

func readSorting(c echo.Context, otherwise string) sorting {
	s := c.QueryParam("sort")
	if s == "" {
		s = otherwise
	}
	key, descending := strings.CutPrefix(s, "-")
	return sorting{Key: key, Descending: descending}
}

// String is the order as the URL says it.
func (s sorting) String() string {
	if s.Descending {
		return "-" + s.Key
	}
	return s.Key
}

// Next is the order that a click on a column's head asks for: numbers begin
// with the highest, words with A, a second click turns around.
func (s sorting) Next(key string, words bool) string {
	if s.Key == key {
		return sorting{Key: key, Descending: !s.Descending}.String()
	}
	return sorting{Key: key, Descending: !words}.String()
}

// Aria is the value of a column's aria-sort.
func (s sorting) Aria(key string) string {
	switch {
	case s.Key != key:
		return "none"
	case s.Descending:
		return "descending"
	}
	return "ascending"
}

// less compares by the key; equals keep the order that the report gave.
func (s sorting) less(order int) int {
	if s.Descending {
		return -order
	}
	return order
}

func sortContents(rows []trail.ContentRow, s sorting) {
	by := map[string]func(a, b trail.ContentRow) int{
		"title": func(a, b trail.ContentRow) int {
			return strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title))
		},
		"kind":    func(a, b trail.ContentRow) int { return strings.Compare(a.Kind, b.Kind) },
		"sent":    func(a, b trail.ContentRow) int { return cmp.Compare(a.Sent, b.Sent) },
		"reached": func(a, b trail.ContentRow) int { return cmp.Compare(a.Reached, b.Reached) },
		"opened":  func(a, b trail.ContentRow) int { return cmp.Compare(a.Opened, b.Opened) },
		"clicked": func(a, b trail.ContentRow) int { return cmp.Compare(a.Clicked, b.Clicked) },
		"replied": func(a, b trail.ContentRow) int { return cmp.Compare(a.Replied, b.Replied) },
		"deals":   func(a, b trail.ContentRow) int { return cmp.Compare(a.Deals, b.Deals) },
		"won":     func(a, b trail.ContentRow) int { return cmp.Compare(a.Won, b.Won) },
		"credit":  func(a, b trail.ContentRow) int { return cmp.Compare(creditOf(a.Credit), creditOf(b.Credit)) },
		"value":   func(a, b trail.ContentRow) int { return valueOf(a.Credit).Cmp(valueOf(b.Credit)) },
	}[s.Key]
	if by == nil {
		return
	}
	slices.SortStableFunc(rows, func(a, b trail.ContentRow) int { return s.less(by(a, b)) })
}

func creditOf(s *trail.Sum) float64 {
	if s == nil {
		return 0
	}
	return s.Credit
}

func valueOf(s *trail.Sum) *big.Rat {
	if s == nil {
		return new(big.Rat)
	}
	return amount(s.Value)
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
	back, _, _ := strings.Cut(local(c.FormValue("back")), "?")
	return seeOther(c, template.URL(back+"?"+l.values().Encode()))
}
