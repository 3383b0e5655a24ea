package trail

import "time"

// CRMSource is a CRM that speaks by itself, and how that goes.
type CRMSource struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`     // hubspot, pipedrive, salesforce, close, attio or standard
	Address  string `json:"address"`  // where it is to deliver; empty if it may not
	Pulls    bool   `json:"pulls"`    // it is asked
	Waiting  int    `json:"waiting"`  // deliveries that were accepted and are not read yet
	Aside    int    `json:"aside"`    // deliveries that were not understood
	Accepted int    `json:"accepted"` // deliveries so far
	Refused  int    `json:"refused"`  // deliveries that were not proven to be the CRM's
	Deals    int    `json:"deals"`    // that the last pulls found in the CRM

	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	RefusedAt   time.Time `json:"refused_at,omitzero"`
	PulledAt    time.Time `json:"pulled_at,omitzero"` // when it was last asked what changed
	FullAt      time.Time `json:"full_at,omitzero"`   // when it was last asked for everything
	NextAt      time.Time `json:"next_at,omitzero"`   // when it is asked again
	Pulling     string    `json:"pulling,omitzero"`   // what is being asked now, in words
	Trouble     string    `json:"trouble,omitzero"`   // what needs a person
	Note        string    `json:"note,omitzero"`      // what of the last pull could not be taken, in words

	Silent    []string       `json:"silent,omitempty"`    // IDs of deals for which it did not answer when last asked
	Unmatched []CRMUnmatched `json:"unmatched,omitempty"` // whom it wants erased and nobody knows

	Pipelines []CRMPipeline `json:"pipelines"`
}

// CRMUnmatched is a person whom a CRM wants erased, by its own ID, and whose address is not
// known here.
type CRMUnmatched struct {
	ID string    `json:"id"`
	At time.Time `json:"at"` // when it asked
}

// CRMPipeline is a way that deals go in a CRM.
type CRMPipeline struct {
	ID     string     `json:"id"`
	Name   string     `json:"name"`
	Stages []CRMStage `json:"stages"` // in the CRM's order
}

// CRMStage is one stage of a pipeline: what the CRM says of it, and what it is here.
type CRMStage struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Means       string  `json:"means"`       // open, won or lost, as the CRM says or its name does
	Probability float64 `json:"probability"` // of winning, 0 to 1, as the CRM says; -1 if it says none
	Here        string  `json:"here"`        // its name here
	HereMeans   string  `json:"here_means"`  // open, won or lost; empty: as the CRM says of each deal
}

// CRMMeaning is what a stage of a CRM is here, by a person's word.
type CRMMeaning struct {
	Name  string `json:"name"`  // empty: the CRM's
	Means string `json:"means"` // open, won or lost; empty: as the CRM says of each deal
}

// CRMCheck is what a CRM answers to a question that stores nothing.
type CRMCheck struct {
	Pipelines []CRMPipeline `json:"pipelines"`
	Deals     []CRMDeal     `json:"deals"` // up to five
}

// CRMDeal is a deal as its CRM has it, in few words.
type CRMDeal struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Stage    string    `json:"stage"`
	Status   string    `json:"status"`
	Amount   string    `json:"amount"`
	Owner    string    `json:"owner"`
	Contacts int       `json:"contacts"`
	Stages   int       `json:"stages"` // that it is known to have entered
	Modified time.Time `json:"modified,omitzero"`
}

// CRMAside is a delivery that is the CRM's and was not understood.
type CRMAside struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"` // when it was accepted
	Reason string    `json:"reason"`
	Body   string    `json:"body"`
}

// Reconciliation compares what a CRM said when it was last asked with what is here: won
// and lost deals that closed in a period, and all that are open.
type Reconciliation struct {
	Source string    `json:"source"`
	From   time.Time `json:"from,omitzero"` // zero: from the beginning
	To     time.Time `json:"to,omitzero"`   // exclusive; zero: until now
	AsOf   time.Time `json:"as_of,omitzero"`
	FullAt time.Time `json:"full_at,omitzero"` // when it was last asked for everything: what was deleted since may still be counted

	Counts []ReconciledCount `json:"counts"`
	Rows   []ReconciledDeal  `json:"rows"` // the deals on which the two differ
}

// ReconciledCount is how many deals of one status a pipeline has, there and here.
type ReconciledCount struct {
	Pipeline string `json:"pipeline"`
	Status   string `json:"status"`
	CRM      int    `json:"crm"`
	Here     int    `json:"here"`
}

// ReconciledDeal is a deal that the CRM and we have differently.
type ReconciledDeal struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Pipeline string `json:"pipeline"`
	CRM      string `json:"crm"`  // its status there; empty: it is not there
	Here     string `json:"here"` // its status here; empty: it is not here
	Reason   string `json:"reason"`
}
