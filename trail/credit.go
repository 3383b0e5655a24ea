package trail

import "time"

// CreditNote is said beside every table of credits.
const CreditNote = "Shares of won value by this rule. Not proof of effect."

// FewDeals is how many won deals it takes before a credit says more than its
// interval does: with fewer, tables show the intervals first.
const FewDeals = 20

// Nobody is the key of what has none, say of deals without an owner.
const Nobody = "(none)"

// Sum is a credit without a key.
type Sum struct {
	Credit float64 `json:"credit"`
	Value  Money   `json:"value"`
}

// CreditRow is what one key (a content, a rep, a kind...) earned in a run.
type CreditRow struct {
	Key    string  `json:"key"`
	Title  string  `json:"title"`
	Deals  uint64  `json:"deals"`  // won deals it was part of; not additive
	Credit float64 `json:"credit"` // in deals
	Value  Money   `json:"value"`  // the sum of per-deal splits

	*CreditEnds      // nil where a single deal is divided: a rule says nothing of chance there
	*ModelCredit     // nil unless a data-driven model speaks of the key itself
	*CreditCost      // nil unless the key is a content with a cost
	Tie          int `json:"tie,omitzero"` // rows with one number do not differ by more than chance; from 1
}

// CreditEnds are the ends of 95 % intervals. They hold what chance there is in
// which deals came to be won, and no other doubt.
type CreditEnds struct {
	Low       float64 `json:"low"` // of the credit
	High      float64 `json:"high"`
	ValueLow  Money   `json:"value_low"`
	ValueHigh Money   `json:"value_high"`
}

// ModelCredit is what a data-driven model says of one key over all closed deals.
// The row's credit and its ends are then the model's too, not the sum of shares.
type ModelCredit struct {
	Effect         float64 `json:"effect"` // markov: the part of wins that is lost without it; shapley: wins per journey
	EffectLow      float64 `json:"effect_low"`
	EffectHigh     float64 `json:"effect_high"`
	EffectError    float64 `json:"effect_error,omitzero"` // standard error of a drawn effect
	ModelValue     Money   `json:"model_value"`           // does not add up deal by deal
	ModelValueLow  Money   `json:"model_value_low"`
	ModelValueHigh Money   `json:"model_value_high"`
}

// CreditCost is what a content cost in the run's currency, and what that brought.
type CreditCost struct {
	Cost     Money `json:"cost"`
	*PerCost       // nil where the cost is zero
}

// PerCost is money earned per unit of cost, with the ends of its 95 % interval.
type PerCost struct {
	Per     float64 `json:"credit_per_cost"`
	PerLow  float64 `json:"credit_per_cost_low"`
	PerHigh float64 `json:"credit_per_cost_high"`
}

// Attribution is the answer of GET /v1/attribution: rows and unattributed add up
// to the total, in deals and to the cent.
type Attribution struct {
	Run          string              `json:"run"`
	Model        string              `json:"model"`
	By           string              `json:"by"`
	Only         map[string][]string `json:"only,omitempty"` // by what the credits were filtered
	Agents       Level               `json:"agents"`
	AsOf         time.Time           `json:"as_of"`
	From         time.Time           `json:"from,omitzero"`
	To           time.Time           `json:"to,omitzero"`
	Note         string              `json:"note"`
	Reason       string              `json:"reason,omitzero"` // why the model has no result in this run
	Few          bool                `json:"few,omitzero"`    // credits of fewer than 20 deals: read the intervals, not the order
	Rows         []CreditRow         `json:"rows"`
	Unattributed Sum                 `json:"unattributed"`
	Total        Sum                 `json:"total"`
}

// Why is the answer of GET /v1/attribution/why: the deals and touches that a
// credit is made of. The sums of all pages' rows are the total, and each row is
// the sum of its touches, to the cent.
type Why struct {
	Run    string              `json:"run"`
	Model  string              `json:"model"`
	Only   map[string][]string `json:"only,omitempty"`
	Agents Level               `json:"agents"`
	AsOf   time.Time           `json:"as_of"`
	Note   string              `json:"note"`
	Reason string              `json:"reason,omitzero"`
	Deals  uint64              `json:"deals"`
	Total  Sum                 `json:"total"` // of all pages; sums of shares, for data-driven models too
	Rows   []WhyDeal           `json:"rows"`  // most money first
	Next   string              `json:"next,omitzero"`
}

// WhyDeal is one deal's part of a credit. Without touches it is what none of them
// earned.
type WhyDeal struct {
	Deal     string     `json:"deal"`
	Name     string     `json:"name"` // by now
	Owner    string     `json:"owner"`
	ClosedAt time.Time  `json:"closed_at,omitzero"`
	Value    Money      `json:"value"`  // of the whole deal, in the run's currency
	Share    float64    `json:"share"`  // of the deal
	Amount   Money      `json:"amount"` // of the deal's value
	Path     uint64     `json:"path"`   // touches that could earn, whoever's; 0 for none
	Touches  []WhyTouch `json:"touches"`
}

// WhyTouch is one touch's part of a deal.
type WhyTouch struct {
	ID         ID        `json:"id"`
	At         time.Time `json:"at,omitzero"`
	Kind       Kind      `json:"kind"`
	Content    string    `json:"content"`
	Title      string    `json:"title,omitzero"`
	Rep        string    `json:"rep,omitzero"`
	Contacts   []string  `json:"contacts,omitempty"` // addresses; several mean "one of N"
	Withheld   Withheld  `json:"withheld,omitzero"`  // why it names no person
	Rule       string    `json:"rule"`               // how it was tied to the deal: explicit, assigned, contact, account
	Confidence float32   `json:"confidence"`         // that it was about this deal
	Place      uint64    `json:"place,omitzero"`     // in the deal's path, from 1; absent where the run does not tell
	Share      float64   `json:"share"`
	Amount     Money     `json:"amount"`
}

// What became of a content.
const (
	NeverSent = "never_sent" // and nobody came by it otherwise
	NeverUsed = "never_used" // sent, and nobody was seen to open, follow or answer it
	Used      = "used"
)

// Use says what became of the content: NeverSent, NeverUsed or Used.
func (r ContentRow) Use() string {
	switch earned := r.Credit != nil && r.Credit.Credit > 0; {
	case earned || r.Opened+r.Clicked+r.Replied+r.Deals > 0:
		return Used
	case r.Sent > 0:
		return NeverUsed
	}
	return NeverSent
}

// Spend is the answer of GET /v1/spend: what making the contents cost, and how
// much of that was for content that nobody sent, or that nobody used.
type Spend struct {
	Run       string     `json:"run,omitzero"` // whose credits the rows have
	Model     string     `json:"model"`
	Agents    Level      `json:"agents"`
	Total     Spent      `json:"total"`
	NeverSent Spent      `json:"never_sent"`
	NeverUsed Spent      `json:"never_used"`
	Used      Spent      `json:"used"`
	NoRate    uint64     `json:"no_rate,omitzero"` // contents whose cost is in a currency without a rate: in no sum
	NoCost    uint64     `json:"no_cost,omitzero"` // contents without a cost
	Rows      []SpendRow `json:"rows"`             // the highest cost first
}

// Spent is the cost of some contents.
type Spent struct {
	Contents uint64 `json:"contents"`
	Cost     Money  `json:"cost"`
}

// SpendRow is one content with a cost.
type SpendRow struct {
	Content string `json:"content"`
	Title   string `json:"title"`
	Kind    string `json:"kind"`
	State   string `json:"state"` // never_sent, never_used or used
	Told    Money  `json:"told"`  // as registered
	Cost    *Money `json:"cost"`  // in the reporting currency; null without a rate
	Sent    uint64 `json:"sent"`
	Value   *Money `json:"value,omitempty"` // credit in money; absent without a run
	*PerCost
}
