package track

import (
	"slices"
	"time"

	"dealtrail/trail"
)

// RuleSet is the version of the rules below and of the signs and lists that they
// look at. It goes up with any change that can change a verdict.
const RuleSet = 2

// Circumstances are what is known around a request besides what it shows itself.
// The zero value of a field means "not known", which is never evidence.
type Circumstances struct {
	Self bool // a rep of ours: by session, or by an address where one was signed in within two days
	Near bool // an address that the sender had at some time; others may have it now

	// Since is the time from the mail's being sent to the request, negative when
	// the request came first. It counts only if Timed.
	Since time.Duration
	Timed bool
	// Providers are the mail providers of the recipients: google, yahoo, apple,
	// microsoft or other.
	Providers []string

	// What other requests show, see Together.
	Trapped  bool // it followed the link that no person sees, or its address did in the same mail
	Burst    bool // it followed links of one mail faster than anybody can
	Crowd    bool // its address asked for the mails of several people at once
	AllLinks bool // its address followed every link of the mail within two minutes
}

// facts are all that the rules look at.
type facts struct {
	kind trail.Kind
	trail.Evidence
	Circumstances
}

func (f *facts) shows(sign uint32) bool { return f.Signs&sign != 0 }

func (f *facts) opened() bool { return f.kind == trail.Opened }

// rules are asked in this order, the first that knows decides, and the score is
// asked last. The order matters: a mail provider's proxy is on every list of
// bots, and an in-app browser on some.
var rules = []func(*facts) (trail.Verdict, bool){
	selfView, method, prefetchHeader,
	mailProxy, gmailPrefetch, bareName, noUserAgent,
	unfurler, bot, headless,
	trapped, burst, crowd,
	senderAddress, beforeSending, officeProbe, mailClient,
}

// Judge says who made a request, as far as its evidence and what is known around
// it tell. It is a pure function and takes less than a microsecond. A person is
// never called a scanner: what is not clear is unknown.
func Judge(kind trail.Kind, e trail.Evidence, c Circumstances) trail.Verdict {
	f := facts{kind, e, c}
	v, ok := trail.Verdict{}, false
	for _, rule := range rules {
		if v, ok = rule(&f); ok {
			break
		}
	}
	if !ok {
		v = score(&f)
	}
	v.RuleSet = RuleSet
	return v
}

func verdict(agent trail.Agent, probability float32, rules ...string) (trail.Verdict, bool) {
	return trail.Verdict{Agent: agent, Probability: probability, Rules: rules}, true
}

var undecided = trail.Verdict{}

func selfView(f *facts) (trail.Verdict, bool) {
	if f.Self {
		return verdict(trail.Self, 1, "self_view")
	}
	return undecided, false
}

func method(f *facts) (trail.Verdict, bool) {
	if f.shows(notGet) {
		return verdict(trail.Scanner, 0.99, "method")
	}
	return undecided, false
}

func prefetchHeader(f *facts) (trail.Verdict, bool) {
	if f.shows(ahead) {
		return verdict(trail.Scanner, 0.99, "prefetch_header")
	}
	return undecided, false
}

// mailProxy knows the image proxies that fetch when a person opens the mail. A
// proxy that fetches right after sending, or for a provider that no recipient
// uses, most likely shows the rep the copy in Sent.
func mailProxy(f *facts) (trail.Verdict, bool) {
	provider := ""
	switch {
	case !f.opened():
		return undecided, false
	case f.shows(googleProxy):
		provider = "google"
	case f.shows(yahooProxy):
		provider = "yahoo"
	default:
		return undecided, false
	}
	if f.Timed && f.Since < 5*time.Second {
		return verdict(trail.Unknown, 0.5, "mail_proxy", "too_early")
	}
	if len(f.Providers) > 0 && !slices.Contains(f.Providers, provider) {
		return verdict(trail.Unknown, 0.5, "mail_proxy", "proxy_provider_mismatch")
	}
	return verdict(trail.Proxy, 0.9, "mail_proxy")
}

// gmailPrefetch knows Gmail's fetch ahead of opening by a browser that never was.
func gmailPrefetch(f *facts) (trail.Verdict, bool) {
	if f.opened() && f.shows(gmailAhead) {
		return verdict(trail.Scanner, 0.98, "gmail_prefetch")
	}
	return undecided, false
}

// bareName knows Apple's Mail Privacy Protection, which fetches every image of
// every mail, opened or not, under exactly this name.
func bareName(f *facts) (trail.Verdict, bool) {
	switch {
	case !f.shows(bareMozilla):
		return undecided, false
	case f.opened():
		return verdict(trail.Scanner, 0.97, "apple_mpp")
	}
	return verdict(trail.Scanner, 0.95, "ua_generic")
}

// noUserAgent: every browser has a name to follow a link with; some mail
// programs fetch images without one.
func noUserAgent(f *facts) (trail.Verdict, bool) {
	switch {
	case !f.shows(nameless):
		return undecided, false
	case f.opened():
		return verdict(trail.Unknown, 0.5, "ua_missing")
	}
	return verdict(trail.Scanner, 0.9, "ua_missing")
}

// unfurler knows who makes previews of links that somebody pasted: no visit, but
// worth knowing, because content that is passed on works.
func unfurler(f *facts) (trail.Verdict, bool) {
	if !f.shows(unfurls) {
		return undecided, false
	}
	v, _ := verdict(trail.Scanner, 0.99, "unfurler", "ua_bot")
	v.Signal = trail.SharedSignal
	return v, true
}

// bot: people inside an app may carry a name that is on lists of bots.
func bot(f *facts) (trail.Verdict, bool) {
	if f.shows(onList) && !f.shows(inApp) {
		return verdict(trail.Scanner, 0.98, "ua_bot")
	}
	return undecided, false
}

// headless: a browser without a screen in somebody's data centre is no person.
// Elsewhere it is judged like any browser, since its requests are a browser's.
func headless(f *facts) (trail.Verdict, bool) {
	if f.shows(headlessOne) && (hosted(f) || f.Network == "google") {
		return verdict(trail.Scanner, 0.95, "headless", "ua_bot")
	}
	return undecided, false
}

// hosted reports whether the address belongs to machines rather than people.
func hosted(f *facts) bool {
	return f.Network == "datacenter" || f.Network == "microsoft" || f.Network == "security_vendor"
}

func trapped(f *facts) (trail.Verdict, bool) {
	if f.Trapped {
		return verdict(trail.Scanner, 0.98, "honeypot")
	}
	return undecided, false
}

func burst(f *facts) (trail.Verdict, bool) {
	if f.Burst {
		return verdict(trail.Scanner, 0.97, "click_burst")
	}
	return undecided, false
}

func crowd(f *facts) (trail.Verdict, bool) {
	if f.Crowd {
		return verdict(trail.Scanner, 0.95, "recipient_burst")
	}
	return undecided, false
}

// senderAddress: the rep without a session, or somebody who has that address now.
func senderAddress(f *facts) (trail.Verdict, bool) {
	if f.Near {
		return verdict(trail.Unknown, 0.5, "sender_ip")
	}
	return undecided, false
}

// beforeSending: the rep looks at the draft, or the draft is checked.
func beforeSending(f *facts) (trail.Verdict, bool) {
	if f.Timed && f.Since < -5*time.Second {
		return verdict(trail.Unknown, 0.5, "pre_send")
	}
	return undecided, false
}

// officeProbe: Word and Outlook follow a link's redirects themselves before they
// start the browser, which may then ask only for the target. A person clicked,
// or a document was checked: not to be told.
func officeProbe(f *facts) (trail.Verdict, bool) {
	if !f.opened() && f.shows(office) {
		return verdict(trail.Unknown, 0.5, "office_probe")
	}
	return undecided, false
}

// mailClient: a mail program that names itself shows the mail to a person.
func mailClient(f *facts) (trail.Verdict, bool) {
	if f.opened() && f.shows(mailProgram) && !hosted(f) {
		return verdict(trail.Human, 0.9, "mail_client")
	}
	return undecided, false
}
