package trail

import "fmt"

// Agent says who caused an event.
type Agent string

// The agents. Machine traffic is labelled, never dropped.
const (
	Human   Agent = "human"   // a person
	Proxy   Agent = "proxy"   // a mail provider's proxy that fetches for a person who opened
	Scanner Agent = "scanner" // a security scanner, preview or crawler: no person acted
	Self    Agent = "self"    // our own rep
	Unknown Agent = "unknown" // the evidence does not decide
)

// Verdict is who caused an event and how we know. Events that no request caused
// (a mail sent, a deal won) have no agent; the rules of a mail sent say what it
// had: RuleTracked, RulePlainLink or RuleFile, and RuleStale.
type Verdict struct {
	Agent       Agent    `json:"verdict,omitzero"`
	Probability float32  `json:"probability,omitzero"` // that the agent is right, 0 to 1
	Rules       []string `json:"rules,omitzero"`       // the rules that fired, in order
	Signal      string   `json:"signal,omitzero"`      // "shared": somebody pasted the link into a chat; "passed_on": perhaps another person than the link was made for
	RuleSet     uint16   `json:"rule_set,omitzero"`    // version of the rules that judged
}

// The signals: what a request says besides who made it.
const (
	SharedSignal   = "shared"
	PassedOnSignal = "passed_on"
	// Unobservable says of a mail sent that nothing would tell if it were opened: it has no pixel.
	Unobservable = "unobservable"
)

// The rules of what a mail says.
const (
	RuleTracked     = "tracked"      // a tracked link to the content
	RulePlainLink   = "plain_link"   // a link to the content that is not tracked
	RuleFile        = "file"         // the content's file, byte for byte
	RuleStale       = "stale"        // of an older version
	RuleReadReceipt = "read_receipt" // the contact's mail program says that the mail was shown
)

// Evidence is what a request told of who made it, without what could name
// anybody: enough to judge it again beside other requests. Origin and Device are
// hashes under a key that is destroyed within 48 hours; they tell whether two
// requests of that time came from one place and one program, and no more.
type Evidence struct {
	Signs   uint32 `json:"signs,omitzero"`   // what its headers showed, as bits that package track defines
	Network string `json:"network,omitzero"` // what kind of network its address is in: residential, datacenter, ...
	Origin  string `json:"origin,omitzero"`  // hash of the address
	Device  string `json:"device,omitzero"`  // hash of the user agent
}

// Withheld says why an event does not name the person, share and message that it
// belongs to: nobody agreed to that, or somebody objected.
type Withheld string

// The reasons.
const (
	NoConsent   Withheld = "consent" // tracking.links is consent, and not all recipients agreed
	OptOut      Withheld = "optout"  // a recipient stopped tracking
	BrowserSays Withheld = "browser" // the browser sent Global Privacy Control or Do Not Track
	AccountOnly Withheld = "account" // tracking.links is account: the company and the deal, no person
)

// Level says which agents a report counts.
type Level string

// The levels, as the parameter "agents" names them.
const (
	All    Level = "all"    // every request, machines too
	Likely Level = "likely" // human and proxy
	Strict Level = "strict" // human at a probability of 0.9 and over
)

// ParseLevel reads the parameter "agents"; empty means Likely.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case "":
		return Likely, nil
	case All, Likely, Strict:
		return l, nil
	}
	return "", Problemf(Invalid, "agents is %q; it must be all, likely or strict", s)
}

// String makes Level a flag value for people.
func (l Level) String() string { return string(l) }

var _ fmt.Stringer = All
