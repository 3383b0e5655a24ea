package dashboards

import (
	"cmp"
	"math"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/store"
	"dealtrail/trail"
)

type dealsPage struct {
	frame
	Rows   []trail.DealRow
	Status string // open, won, lost or empty for all
	Counts dealCounts
	Sort   sorting
	More   int // deals there are when only the first are shown
}

type dealCounts struct{ All, Open, Won, Lost uint64 }

// dealsAtFirst is how many deals the list shows until asked for all.
const dealsAtFirst = 250

func (s *Site) deals(c echo.Context) error {
	l, err := s.readLens(c, "status", "sort")
	if err != nil {
		return err
	}
	order := readSorting(c, "-touched")
	l.Orders, l.Order = dealOrders, order.String()
	page := dealsPage{frame: s.frame(c, "How did our deals go?", "deals", l), Status: c.QueryParam("status"), Sort: order}
	f := l.filter()
	f.Limit = math.MaxInt32
	if !wantsFile(c) && c.QueryParam("all") == "" {
		f.Limit = dealsAtFirst
	}
	var n store.DealSums
	if page.Rows, n, err = s.source.Deals(c.Request().Context(), store.DealQuery{Status: page.Status, Order: page.Sort.String()}, f); err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "deals", dealsCSV(page.Rows))
	}
	page.Counts = dealCounts{All: n.All, Open: n.All - n.Won - n.Lost, Won: n.Won, Lost: n.Lost}
	listed := map[string]uint64{"": page.Counts.All, "open": page.Counts.Open, "won": page.Counts.Won, "lost": page.Counts.Lost}[page.Status]
	if listed > uint64(len(page.Rows)) {
		page.More = int(listed)
	}
	return s.render(c, http.StatusOK, "deals", page)
}

var dealOrders = []choice{
	{Value: "-touched", Label: "Last touch, newest first"},
	{Value: "-value", Label: "Amount, most first"},
	{Value: "-closed", Label: "Closed, newest first"},
	{Value: "-touches", Label: "Touches, most first"},
	{Value: "name", Label: "Name, A to Z"},
	{Value: "owner", Label: "Owner, A to Z"},
}

func dealsCSV(rows []trail.DealRow) [][]string {
	out := [][]string{{"id", "name", "account", "domain", "amount", "currency", "stage", "status", "owner", "created_at", "closed_at", "loss_reason", "touches", "last_touch"}}
	for _, d := range rows {
		out = append(out, []string{
			d.ID, d.Name, d.Account, d.Domain, d.Value.Amount, d.Value.Currency, d.Stage, d.Status, d.Owner,
			stamp(d.CreatedAt), stamp(d.ClosedAt), d.LossReason, count(d.Touches), stamp(d.LastTouch),
		})
	}
	return out
}

// dealPage is one deal: its trail as a drawing and as a table, and its amount
// divided in front of the reader's eyes.
type dealPage struct {
	frame
	Deal     *trail.DealDetail
	Timeline *timeline
	Trail    trailTable
	Parts    []dealPart
	Total    trail.Money // of the parts
	NoRun    bool        // won, and nobody has calculated this selection yet
	Reason   string      // why the model has no result
	Requests []trail.Request
	People   []met
	Similar  similarDeals
	Credits  *creditsTable // nil: nothing is divided
}

// Missed is how many of the deal's people were never reached.
func (p dealPage) Missed() (n int) {
	for _, m := range p.People {
		if m.Missed {
			n++
		}
	}
	return n
}

// Note says what credit is not.
func (p dealPage) Note() string { return trail.CreditNote }

// dealPart is what one content earned of a deal; the last is what none did.
type dealPart struct {
	trail.CreditRow
	Touches uint64
	Share   string // of the deal
	Width   string // percent of the bar
	None    bool
}

func (s *Site) deal(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	f, run, err := s.oneRun(c.Request().Context(), l.filter())
	if err != nil {
		return err
	}
	var d *trail.DealDetail
	var requests []trail.Request
	var similar store.Similar
	var credits map[string]map[string]trail.Sum
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() (err error) { d, err = s.source.Deal(ctx, param(c, "id"), f); return err })
	g.Go(func() (err error) {
		requests, err = s.DB.Requests(ctx, param(c, "id"), s.Registry.AnswerDays, s.Now(), store.Filter{})
		return err
	})
	g.Go(func() (err error) { similar, err = s.source.SimilarTo(ctx, param(c, "id"), f); return err })
	if run != nil {
		g.Go(func() (err error) {
			credits, err = s.source.DealCredits(ctx, param(c, "id"), run.Models, f)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "deal", trailCSV(d.Events))
	}
	title := d.Name
	if title == "" {
		title = "Deal " + d.ID
	}
	page := dealPage{frame: s.frame(c, title, "deals", l), Deal: d, NoRun: d.Status == "won" && run == nil, Requests: requests}
	if run != nil && d.Status == "won" {
		page.Reason = run.Reasons[l.Model]
	}
	page.Timeline = newTimeline(d, l.Agents, s.Now(), s.Zone)
	page.Trail = newTrailTable(l, d.Events, "deal", d.Contacts...)
	page.Parts = dealParts(d)
	page.Total = totalOf(page.Parts)
	page.People, page.Similar = peopleOf(d, l.Agents), newSimilar(similar, d, l.Agents)
	titles := map[string]string{}
	for _, e := range d.Events {
		titles[e.Content] = e.Title
	}
	page.Credits = newCreditsTable(l.models, credits, titles)
	return s.render(c, http.StatusOK, "deal", page)
}

// dealParts are what each content earned of the deal and what none did; their
// values add up to the deal's amount.
func dealParts(d *trail.DealDetail) []dealPart {
	if d.Unattributed == nil {
		return nil
	}
	var parts []dealPart
	for _, r := range d.Credits {
		if r.Title == "" {
			r.Title = r.Key
		}
		touches := uint64(0)
		for _, e := range d.Events {
			if e.Content == r.Key && e.Credit != nil && e.Credit.Credit > 0 {
				touches++
			}
		}
		parts = append(parts, dealPart{CreditRow: r, Touches: touches, Share: percent(r.Credit), Width: pct(100 * r.Credit)})
	}
	none := trail.CreditRow{Title: "No content seen", Credit: d.Unattributed.Credit, Value: d.Unattributed.Value}
	return append(parts, dealPart{CreditRow: none, Share: percent(none.Credit), Width: pct(100 * none.Credit), None: true})
}

// totalOf adds up what the parts are worth, so that the page shows a sum of what
// stands above it and not a number from elsewhere.
func totalOf(parts []dealPart) trail.Money {
	sum, digits, currency := new(big.Rat), 0, ""
	for _, p := range parts {
		sum.Add(sum, amount(p.Value))
		_, cents, _ := strings.Cut(p.Value.Amount, ".")
		digits, currency = max(digits, len(cents)), p.Value.Currency
	}
	return trail.Money{Amount: sum.FloatString(digits), Currency: currency}
}

// dealList is a short table of deals.
type dealList struct {
	Lens lens
	Rows []trail.DealRow
}

// trailTable is a list of events as a table.
type trailTable struct {
	Lens    lens
	Events  []trailLine
	Of      string // whose trail it is: deal, content, contact or account; that column is left out
	Credit  bool   // some events earned credit
	HasDeal bool   // some links were made for a deal, and it is not the deal's own trail
}

type trailLine struct {
	trail.TrailRow
	People     []person
	Discounted bool
}

// person is who an event is about, by name if it is known.
type person struct{ Address, Name string }

// newTrailTable puts the newest event first. The people are those whose names
// are known.
func newTrailTable(l lens, events []trail.TrailRow, of string, people ...trail.ContactRow) trailTable {
	names := map[string]string{}
	for _, p := range people {
		names[p.Address] = p.Name
	}
	t := trailTable{Lens: l, Of: of}
	for _, e := range events {
		t.HasDeal = t.HasDeal || e.Deal != "" && of != "deal"
		t.Credit = t.Credit || e.Credit != nil && e.Credit.Credit > 0
		line := trailLine{TrailRow: e, Discounted: discounted(e, l.Agents)}
		for _, address := range e.Contacts {
			line.People = append(line.People, person{address, cmp.Or(names[address], address)})
		}
		t.Events = append(t.Events, line)
	}
	slices.SortStableFunc(t.Events, func(a, b trailLine) int { return b.At.Compare(a.At) })
	return t
}

func trailCSV(events []trail.TrailRow) [][]string {
	out := [][]string{{"id", "at", "kind", "content", "title", "contacts", "rep", "deal", "stage", "verdict", "probability", "rules", "source", "rule", "credit", "value", "currency", "signal", "led_to", "withheld"}}
	for _, e := range events {
		line := []string{
			e.ID.String(), stamp(e.At), string(e.Kind), e.Content, e.Title, strings.Join(e.Contacts, "; "), e.Rep, e.Deal, e.Stage,
			string(e.Verdict), "", strings.Join(e.Rules, "; "), e.Source, e.Rule, "", "", "", e.Signal, e.LedTo, string(e.Withheld),
		}
		if e.Verdict != "" {
			line[10] = decimal(float64(e.Probability))
		}
		if e.Credit != nil {
			line[14], line[15], line[16] = decimal(e.Credit.Credit), e.Credit.Value.Amount, e.Credit.Value.Currency
		}
		out = append(out, line)
	}
	return out
}
