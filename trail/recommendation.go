package trail

import "time"

// Recommendation is one content that may be worth sending, with why it stands where
// it does. It says what is known, not what will happen.
type Recommendation struct {
	Content  ContentID `json:"content"`
	Title    string    `json:"title"`
	Kind     string    `json:"kind"`
	Stage    string    `json:"stage"` // that it was registered for
	Persona  string    `json:"persona"`
	Version  string    `json:"version"`
	Evidence string    `json:"evidence"`        // what Why speaks of: lift, credit, use or none
	Why      string    `json:"why"`             // one sentence
	Credit   *Money    `json:"credit"`          // under the model in the newest run; nil: none
	HadAt    time.Time `json:"had_at,omitzero"` // when the deal's people had it last; zero: they have not
}

// What a recommendation rests on, the strongest first.
const (
	ByLift   = "lift"   // similar deals with it and without were compared
	ByCredit = "credit" // it was part of won deals
	ByUse    = "use"    // reps send it
	ByNone   = "none"   // nobody has sent it yet
)

// Recommendations is the answer of GET /v1/recommendations.
type Recommendations struct {
	Deal     string           `json:"deal,omitzero"`
	DealName string           `json:"deal_name,omitzero"`
	Stage    string           `json:"stage,omitzero"` // the deal's, unless another was asked for
	Persona  string           `json:"persona,omitzero"`
	Agents   Level            `json:"agents"`
	Model    string           `json:"model"` // whose credit counts
	Notes    []string         `json:"notes"` // what else to know, in sentences
	Rows     []Recommendation `json:"rows"`  // by evidence; neighbours may differ by no more than chance
}
