package track

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// RuleSet is the version of the rules below. It goes up with any change that can
// change a verdict.
const RuleSet = 1

// Request is what one request tells of who made it. The zero value of a field
// means "not known", which is never evidence.
type Request struct {
	Kind   trail.Kind // trail.Opened or trail.Clicked
	Method string     // "GET" if empty
	Header http.Header
	Self   bool // it carries the session of one of our reps
	Plain  bool // it came over http to another machine, where browsers send no Sec-Fetch headers

	// Class is what kind of network the address is in: residential, mobile,
	// corporate, sase, vpn, apple_relay, google, yahoo, microsoft, datacenter or
	// security_vendor.
	Class string
	// Since is the time from the mail's being sent to the request, negative when
	// the request came first. It counts only if Timed.
	Since time.Duration
	Timed bool
	// Providers are the mail providers of the recipients: google, yahoo, apple,
	// microsoft or other.
	Providers []string
}

// rules are asked in this order, the first that knows decides, and the score is
// asked last. The order matters: a mail provider's proxy is on every list of
// bots, and an in-app browser on some.
var rules = []func(*Request, string) (trail.Verdict, bool){
	selfView, method, prefetchHeader,
	mailProxy, gmailPrefetch, bareMozilla, noUserAgent,
	unfurler, bot, headless,
	officeProbe, beforeSending, mailClient,
}

// Judge says who made a request, as far as this one request can tell. It is a
// pure function and takes microseconds. A person is never called a scanner:
// what is not clear is unknown.
func Judge(r Request) trail.Verdict {
	ua := r.Header.Get("User-Agent")
	if len(ua) > 512 { // no browser's is; bounds the work
		ua = ua[:512]
	}
	for _, rule := range rules {
		if v, ok := rule(&r, ua); ok {
			return v
		}
	}
	return score(&r, ua)
}

func verdict(agent trail.Agent, probability float32, rules ...string) (trail.Verdict, bool) {
	return trail.Verdict{Agent: agent, Probability: probability, Rules: rules}, true
}

func selfView(r *Request, _ string) (v trail.Verdict, ok bool) {
	if r.Self {
		return verdict(trail.Self, 1, "self_view")
	}
	return v, false
}

func method(r *Request, _ string) (v trail.Verdict, ok bool) {
	if r.Method != "" && r.Method != http.MethodGet {
		return verdict(trail.Scanner, 0.99, "method")
	}
	return v, false
}

func prefetchHeader(r *Request, _ string) (v trail.Verdict, ok bool) {
	if prefetch(r.Header) {
		return verdict(trail.Scanner, 0.99, "prefetch_header")
	}
	return v, false
}

// prefetch reports whether a browser says that it fetches ahead of a click that
// may never come.
func prefetch(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz", "X-Purpose"} {
		v := strings.ToLower(h.Get(name))
		if strings.Contains(v, "prefetch") || strings.Contains(v, "prerender") || strings.Contains(v, "preview") {
			return true
		}
	}
	return false
}

// mailProxy knows the image proxies that fetch when a person opens the mail. A
// proxy that fetches right after sending, or for a provider that no recipient
// uses, most likely shows the rep the copy in Sent.
func mailProxy(r *Request, ua string) (v trail.Verdict, ok bool) {
	provider := ""
	switch {
	case r.Kind != trail.Opened:
		return v, false
	case strings.Contains(ua, "GoogleImageProxy"):
		provider = "google"
	case strings.Contains(ua, "YahooMailProxy"):
		provider = "yahoo"
	default:
		return v, false
	}
	if r.Timed && r.Since < 5*time.Second {
		return verdict(trail.Unknown, 0.5, "mail_proxy", "too_early")
	}
	if len(r.Providers) > 0 && !slices.Contains(r.Providers, provider) {
		return verdict(trail.Unknown, 0.5, "mail_proxy", "proxy_provider_mismatch")
	}
	return verdict(trail.Proxy, 0.9, "mail_proxy")
}

// gmailPrefetch knows Gmail's fetch ahead of opening by a browser that never was.
func gmailPrefetch(r *Request, ua string) (v trail.Verdict, ok bool) {
	if r.Kind == trail.Opened && strings.HasSuffix(ua, "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0") {
		return verdict(trail.Scanner, 0.98, "gmail_prefetch")
	}
	return v, false
}

// bareMozilla knows Apple's Mail Privacy Protection, which fetches every image
// of every mail, opened or not, under exactly this name.
func bareMozilla(r *Request, ua string) (v trail.Verdict, ok bool) {
	switch {
	case ua != "Mozilla/5.0":
		return v, false
	case r.Kind == trail.Opened:
		return verdict(trail.Scanner, 0.97, "apple_mpp")
	}
	return verdict(trail.Scanner, 0.95, "ua_generic")
}

// noUserAgent: every browser has a name to follow a link with; some mail
// programs fetch images without one.
func noUserAgent(r *Request, ua string) (v trail.Verdict, ok bool) {
	switch {
	case strings.TrimSpace(ua) != "":
		return v, false
	case r.Kind == trail.Opened:
		return verdict(trail.Unknown, 0.5, "ua_missing")
	}
	return verdict(trail.Scanner, 0.9, "ua_missing")
}

// unfurler knows who makes previews of links that somebody pasted: no visit, but
// worth knowing, because content that is passed on works.
func unfurler(_ *Request, ua string) (v trail.Verdict, ok bool) {
	if !lists().unfurlers.in(strings.ToLower(ua)) {
		return v, false
	}
	v, _ = verdict(trail.Scanner, 0.99, "unfurler", "ua_bot")
	v.Signal = "shared"
	return v, true
}

func bot(_ *Request, ua string) (v trail.Verdict, ok bool) {
	if inApp(ua) {
		return v, false // people inside an app whose name is on lists of bots
	}
	if onLists(ua) {
		return verdict(trail.Scanner, 0.98, "ua_bot")
	}
	return v, false
}

func inApp(ua string) bool {
	for _, name := range []string{" Viber/", "[LinkedInApp]", "LinkedInApp/", "MetaIAB", "FBAN/", "FBAV/", "Instagram ", "Slack_SSB/"} {
		if strings.Contains(ua, name) {
			return true
		}
	}
	return false
}

// headless: a browser without a screen in somebody's data centre is no person.
// Elsewhere it is judged like any browser, since its requests are a browser's.
func headless(r *Request, ua string) (v trail.Verdict, ok bool) {
	if strings.Contains(ua, "HeadlessChrome/") && (hosted(r) || r.Class == "google") {
		return verdict(trail.Scanner, 0.95, "headless", "ua_bot")
	}
	return v, false
}

// hosted reports whether the address belongs to machines rather than people.
func hosted(r *Request) bool {
	return r.Class == "datacenter" || r.Class == "microsoft" || r.Class == "security_vendor"
}

// officeProbe: Word and Outlook follow a link's redirects themselves before they
// start the browser, which may then ask only for the target. A person clicked,
// or a document was checked: not to be told.
func officeProbe(r *Request, ua string) (v trail.Verdict, ok bool) {
	if r.Kind == trail.Clicked && (strings.Contains(ua, "ms-office") || strings.Contains(ua, "Microsoft Office")) {
		return verdict(trail.Unknown, 0.5, "office_probe")
	}
	return v, false
}

// beforeSending: the rep looks at the draft, or the draft is checked.
func beforeSending(r *Request, _ string) (v trail.Verdict, ok bool) {
	if r.Timed && r.Since < -5*time.Second {
		return verdict(trail.Unknown, 0.5, "pre_send")
	}
	return v, false
}

// mailClient: a mail program that names itself shows the mail to a person.
func mailClient(r *Request, ua string) (v trail.Verdict, ok bool) {
	if r.Kind != trail.Opened || hosted(r) {
		return v, false
	}
	for _, name := range []string{"Outlook", "ms-office", "MSOffice", "Thunderbird/", "Airmail", "eM Client", "PostboxApp", "Evolution/", "Lotus-Notes"} {
		if strings.Contains(ua, name) {
			return verdict(trail.Human, 0.9, "mail_client")
		}
	}
	return v, false
}
