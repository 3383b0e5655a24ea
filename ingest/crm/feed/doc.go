// Package feed hears from CRMs that speak by themselves and asks those that do not.
//
// A CRM's delivery is verified byte by byte, put into an inbox in Redis, and only
// then answered. One process per source, by a lease, empties the inbox: what a
// delivery says in full is told to the importer; where it names a deal alone, or
// where the CRM may be asked, the deal is pulled as it is now. So the order of
// deliveries means nothing where a CRM is pulled; where it is not, the CRM's own time
// of change decides which word is the last.
//
// Each vendor has a file for what it sends (how it signs, what a body says) and one
// for what it answers. What goes in and comes out is the same for all: a [Deal].
package feed

import (
	"context"
	"errors"
	"net/http"
	"time"

	"dealtrail/trail"
)

// The kinds of sources.
const (
	HubSpot    = "hubspot"
	Pipedrive  = "pipedrive"
	Salesforce = "salesforce"
	Close      = "close"
	Attio      = "attio"
	Standard   = "standard"
)

// Kinds are all of them.
var Kinds = []string{HubSpot, Pipedrive, Salesforce, Close, Attio, Standard}

// Source is one CRM. Secrets are read at each use: they may be replaced meanwhile.
type Source struct {
	Name string // as in its address and in commands
	Kind string

	Secrets func() ([]string, error) // what its deliveries are proven by, each of them enough; nil: it may deliver nothing
	Token   func() (string, error)   // what it is asked with; nil: it is never asked

	User         string // Pipedrive: of its deliveries
	Portal       string // HubSpot: the account; empty: any that signs
	Organization string // Salesforce: the organization's ID, in 15 or 18 characters
	ClientID     string // Salesforce: of the app that asks
	URL          string // where it is asked, such as https://acme.pipedrive.com

	Currency string        // of amounts that name none
	Every    time.Duration // how often it is asked what changed; 0: an hour
	Months   int           // how far back closed deals are taken at first; 0: 24
	HTTP     *http.Client  // dials public addresses only, unless somebody allowed more

	pause func(ctx context.Context, d time.Duration) error // between questions that fail; tests do not wait
}

// Delivery is one request of a CRM, its body as it came.
type Delivery struct {
	Method string
	URI    string // as the CRM called it: scheme, host, path and query
	Header http.Header
	Body   []byte
}

// Change is what a delivery says of one thing.
type Change struct {
	Deal  Deal
	Whole bool   // Deal holds all that the CRM sends; else only its ID is known
	Erase string // the address, or the CRM's ID, of a person who must be forgotten
	Is    person // who a person of the CRM's is, as a delivery says by the way
}

// Deal is a deal as its CRM has it.
type Deal struct {
	ID       string
	Pipeline string            // the CRM's ID of it, or ""
	Stage    string            // the CRM's ID of it
	Status   string            // open, won or lost if the CRM says so itself; "": its stage says
	Cells    map[string]string // other columns of the table deals; those that are not there are not known
	Contacts []Contact         // nil: not known
	Entered  []Entered
	Gone     bool      // deleted
	Silent   bool      // the CRM did not answer for it, or for somebody on it: nothing else is set, and it is asked again
	Into     string    // the deal that it was merged into
	Modified time.Time // when the CRM last changed it
}

// Contact is the cells of a row of the table contacts. Without email it is nobody we know.
type Contact map[string]string

// Entered is a stage that a deal entered.
type Entered struct {
	Stage string // the CRM's ID of it
	At    time.Time
}

// person is somebody by the CRM's ID, with the address.
type person struct{ ID, Address string }

// vendor is one kind of CRM as it delivers.
type vendor interface {
	// verify returns why a delivery is not the CRM's, or nil.
	verify(d Delivery, secrets []string, now time.Time) error
	// read returns what an authentic body says. An error says why it cannot be understood.
	read(body []byte) ([]Change, error)
	// name returns by what a delivery that comes again can be known; "" leaves that to its body.
	name(d Delivery) string
}

// asked is one kind of CRM as it answers.
type asked interface {
	pipelines(ctx context.Context) ([]trail.CRMPipeline, error)
	// changed hands over all deals that changed since then, some at a time. The zero time asks for all that are open, and
	// those closed after closed.
	changed(ctx context.Context, since, closed time.Time, take func([]Deal) error) error
	// deals returns those of the deals that are there.
	deals(ctx context.Context, ids []string) ([]Deal, error)
}

// vendor returns what reads the source's deliveries.
func (s *Source) vendor() vendor {
	switch s.Kind {
	case HubSpot:
		return hubspot{s}
	case Pipedrive:
		return pipedrive{s}
	case Salesforce:
		return salesforce{s}
	case Close:
		return closeCRM{s}
	case Attio:
		return attio{s}
	}
	return standard{s}
}

// asks returns what pulls from the source; false if nothing may.
func (s *Source) asks() (asked, bool) {
	if s.Token == nil {
		return nil, false
	}
	switch c := s.client(); s.Kind {
	case HubSpot:
		return &hubspotAPI{client: c}, true
	case Pipedrive:
		return &pipedriveAPI{client: c}, true
	case Salesforce:
		return &salesforceAPI{client: c}, true
	case Close:
		return &closeAPI{client: c}, true
	case Attio:
		return &attioAPI{client: c}, true
	}
	return nil, false
}

// Pulls reports whether the source is asked.
func (s *Source) Pulls() bool { return s.Token != nil && s.Kind != Standard }

var (
	errUnsigned = errors.New("it is not signed")
	errForged   = errors.New("the signature does not fit")
	errStale    = errors.New("it was signed more than five minutes ago or ahead")
)

// fresh is how old or how far ahead a signed time may be.
const fresh = 5 * time.Minute

// isFresh reports whether a signed time is close to now.
func isFresh(at, now time.Time) bool {
	age := now.Sub(at)
	return age <= fresh && age >= -fresh
}
