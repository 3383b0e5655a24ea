package trail

import "time"

// LiftRow is what similar deals say of one content: of stage entries that were still
// open at the landmark, how often those that had seen it by then advanced (or were
// won) within the horizon, against those that had not. Rates and differences are
// 0 to 1; with too little data they are nil.
type LiftRow struct {
	Content string   `json:"content"`
	Title   string   `json:"title"`
	Kind    string   `json:"kind"`
	Persona string   `json:"persona"`
	Verdict string   `json:"verdict"`  // for, against, none or too_little
	Text    string   `json:"sentence"` // the verdict in words
	Group   int      `json:"group"`    // from 1; contents of one group have one verdict and overlapping intervals, and are not to be ranked against each other; 0: too little data
	With    *float64 `json:"with"`     // how often those that had seen it advanced, strata weighted as the lift weighs them
	Without *float64 `json:"without"`  // the same of those that had not; the difference is the lift
	Lift    *float64 `json:"lift"`     // Mantel-Haenszel difference; with its 95 % interval
	Low     *float64 `json:"low"`
	High    *float64 `json:"high"`
	Shrunk  *float64 `json:"shrunk"` // the lift with its luck taken out: what the list is ordered by
	P       *float64 `json:"p"`
	Q       *float64 `json:"q"`                           // p adjusted for the number of contents; at most 0.10 is enough evidence
	MDE     *float64 `json:"minimum_detectable,omitzero"` // the smallest rise that these counts would probably have shown
	EValue  *float64 `json:"e_value,omitzero"`            // how strong a hidden cause would have to be to explain it away
	ELimit  *float64 `json:"e_value_limit,omitzero"`      // the same for the near end of the interval

	Seen            uint64 `json:"seen"`             // stage entries that had seen it
	Exposed         uint64 `json:"exposed"`          // of these, those with a similar one to compare with
	ExposedAdvanced uint64 `json:"exposed_advanced"` //
	Control         uint64 `json:"control"`          // entries that had not seen it and are similar to one that had
	ControlAdvanced uint64 `json:"control_advanced"`

	MoreDeals uint64    `json:"more_deals,omitzero"`  // with too little data: about how many more closed deals it takes
	Expected  time.Time `json:"expected_at,omitzero"` // when they are there at the pace of the last half year; zero: nobody can tell

	Hazard  *Hazard  `json:"hazard,omitempty"`
	Placebo *Placebo `json:"placebo,omitempty"`
}

// The verdicts of a lift are those of a readout, without SoFar: TooLittle, For,
// Against and NoEffect.
const For = ProvenFor

// Hazard is the second opinion on a content: a model of the weeks in a stage.
type Hazard struct {
	Odds     *[3]float64 `json:"odds,omitzero"`      // of advancing in a week, seen against not seen: ratio, low, high
	LostOdds *[3]float64 `json:"lost_odds,omitzero"` // the same of being lost
	Gain     *[3]float64 `json:"gain,omitzero"`      // by how much more often deals that saw it advance within the horizon than they would have without
	Note     string      `json:"note,omitzero"`      // why there is no number
}

// Placebo is the test that cannot be true: whether the content changed how fast
// the stage before it was seen had been.
type Placebo struct {
	Z float64 `json:"z"` // positive: the stage before was faster for those that saw it
	P float64 `json:"p"`
}

// LiftHead says what a lift is about.
type LiftHead struct {
	Run      string    `json:"run"`
	Outcome  string    `json:"outcome"` // stage: the deal went on to a later stage, or was won; won: it was won
	Agents   Level     `json:"agents"`
	AsOf     time.Time `json:"as_of"`
	From     time.Time `json:"from,omitzero"` // stages that deals entered at or after; zero: no bound, as in every run that is not asked for by its ID
	To       time.Time `json:"to,omitzero"`   // before
	Landmark int       `json:"landmark_weeks"`
	Horizon  int       `json:"horizon_weeks"`
	Stages   []string  `json:"stages"`        // in order
	Filter   []string  `json:"filter"`        // what the deals and contents are restricted to, in words; none: all
	Closed   uint64    `json:"closed"`        // closed deals behind it
	Lately   uint64    `json:"closed_lately"` // of these, in the 26 weeks before as_of: the pace
	Warning  string    `json:"warning"`       // that selection is visible in this data, as the placebo says; "" if it is not
	Caution  string    `json:"caution"`       // what this kind of number cannot say
}

// LiftReport is the answer of GET /v1/lift.
type LiftReport struct {
	LiftHead
	Leading   string      `json:"headline"`          // one sentence on what the data can bear
	Rows      []LiftRow   `json:"rows"`              // by shrunken lift, those with too little data last
	Soonest   *LiftRow    `json:"soonest,omitempty"` // of those with too little data, the one that takes the fewest more deals
	Won       uint64      `json:"won"`               // won deals that were divided
	PartOfWon []PartOfWon `json:"part_of_won"`       // the most deals first
	Choices   LiftChoices `json:"choices"`
}

// PartOfWon is in how many won deals somebody clicked, read or answered a content
// before the close. It says nothing of why they were won.
type PartOfWon struct {
	Content string `json:"content"`
	Title   string `json:"title"`
	Deals   uint64 `json:"deals"`
}

// LiftChoices are the values that the filters of a lift may have in a run.
type LiftChoices struct {
	Stage   []string `json:"stage"` // in order
	Segment []string `json:"segment"`
	Size    []string `json:"size"`
	Owner   []string `json:"owner"`
	Team    []string `json:"team"`
	Source  []string `json:"source"`
	Kind    []string `json:"kind"` // of contents
	Persona []string `json:"persona"`
}

// LiftDetail is the answer of GET /v1/lift/{content}: the row, and the table behind
// it.
type LiftDetail struct {
	LiftHead
	Row     LiftRow     `json:"row"`
	Formula string      `json:"formula"` // one sentence
	Table   []LiftTable `json:"table"`   // those that are compared add up to the row
}

// LiftTable is the table behind one content's lift: a row for each stratum of
// similar stage entries.
type LiftTable struct {
	Stage           string  `json:"stage"`
	Segment         string  `json:"segment"`
	Age             string  `json:"age"`    // of the deal when it entered the stage: "2-3 weeks"
	Others          string  `json:"others"` // how many other contents it had seen by the landmark: "4 to 7"
	Exposed         int64   `json:"exposed"`
	ExposedAdvanced int64   `json:"exposed_advanced"`
	Control         int64   `json:"control"`
	ControlAdvanced int64   `json:"control_advanced"`
	Weight          float64 `json:"weight"` // of its difference in the lift, all weights adding up to 1; 0: nobody to compare with
}
