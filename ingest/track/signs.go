package track

import (
	"net/http"
	"strconv"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"dealtrail/trail"
)

// Request is one request as it came in. The zero value of a field means "not
// known", which is never evidence.
type Request struct {
	Kind    trail.Kind // trail.Opened or trail.Clicked
	Method  string     // "GET" if empty
	Header  http.Header
	Plain   bool   // it came over http to another machine, where browsers send no Sec-Fetch headers
	Network string // what kind of network the address is in, see Networks
}

// The signs are what a request shows of itself, one bit each. Events keep them
// instead of the headers, so their numbers never change: a new one goes to the end.
const (
	googleProxy uint32 = 1 << iota
	yahooProxy
	gmailAhead  // Gmail's fetch ahead of opening
	bareMozilla // "Mozilla/5.0" and nothing else
	nameless    // no user agent
	unfurls     // makes previews of pasted links
	onList      // says that it is a machine, or is on a list of those
	inApp       // a browser inside another program
	headlessOne // a browser without a screen
	office      // Word and its kind, which follow links themselves
	mailProgram // a mail program that names itself
	anyMail     // a mail program as far as the weights care; Apple's hides its name

	chromeKind // Chrome and all made from it
	firefoxKind
	safariKind
	oldChrome  // from before Sec-Fetch headers
	fetchAware // a browser that would send Sec-Fetch headers

	language    // Accept-Language
	fetchMode   // some Sec-Fetch-Mode
	navigates   // Sec-Fetch-Mode: navigate
	byUser      // Sec-Fetch-User: ?1
	intoImage   // Sec-Fetch-Dest: image
	wantsPages  // Accept has text/html
	wantsImages // Accept has image/

	overHTTP // Request.Plain
	notGet
	ahead   // a prefetch header
	objects // Global Privacy Control or Do Not Track

	onWindows
	onMac
	onIOS
	onAndroid
)

// family are the signs that tell one person's devices apart, roughly.
const family = chromeKind | firefoxKind | safariKind | inApp | onWindows | onMac | onIOS | onAndroid

// Objects reports whether the browser asked not to be tracked.
func Objects(e trail.Evidence) bool { return e.Signs&objects != 0 }

// MailProxy reports whether a mail provider's image proxy asked.
func MailProxy(e trail.Evidence) bool { return e.Signs&(googleProxy|yahooProxy) != 0 }

// Observe reads what a request shows of itself. It is a pure function and takes
// microseconds; neither address nor user agent are in what it returns.
func Observe(r Request) trail.Evidence {
	signs := program(r.Header.Get("User-Agent")) | shown(r)
	if r.Kind != trail.Opened {
		signs &^= anyMail // no mail program follows links itself
	}
	return trail.Evidence{Network: r.Network, Signs: signs}
}

// programs remembers the signs of the programs that ask most: reading them off a
// name costs more than the rest of a verdict.
var programs, _ = lru.New[string, uint32](4096)

// longestName is how many bytes of a user agent are looked at: no browser's is
// longer.
const longestName = 512

// program are the signs of a user agent.
func program(ua string) uint32 {
	if len(ua) > longestName {
		ua = ua[:longestName]
	}
	if signs, ok := programs.Get(ua); ok {
		return signs
	}
	signs := named(ua) | claimed(ua)
	programs.Add(strings.Clone(ua), signs)
	return signs
}

// named are the signs of a user agent that says who it is.
func named(ua string) (s uint32) {
	switch {
	case strings.TrimSpace(ua) == "":
		return nameless
	case ua == "Mozilla/5.0":
		return bareMozilla
	}
	for _, m := range []struct {
		sign  uint32
		marks []string
	}{
		{googleProxy, []string{"GoogleImageProxy"}},
		{yahooProxy, []string{"YahooMailProxy"}},
		{inApp, []string{" Viber/", "[LinkedInApp]", "LinkedInApp/", "MetaIAB", "FBAN/", "FBAV/", "Instagram ", "Slack_SSB/"}},
		{headlessOne, []string{"HeadlessChrome/"}},
		{office, []string{"ms-office", "Microsoft Office"}},
		{mailProgram, []string{"Outlook", "ms-office", "MSOffice", "Thunderbird/", "Airmail", "eM Client", "PostboxApp", "Evolution/", "Lotus-Notes"}},
	} {
		for _, mark := range m.marks {
			if strings.Contains(ua, mark) {
				s |= m.sign
				break
			}
		}
	}
	if strings.HasSuffix(ua, "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0") {
		s |= gmailAhead
	}
	switch onLists(ua) {
	case aPreview:
		s |= unfurls
	case aMachine:
		s |= onList
	}
	return s
}

// claimed are the signs of the browser that a user agent claims to be.
func claimed(ua string) (s uint32) {
	var b browser
	switch {
	case b.claims(ua, "Chrome/", chromeKind), b.claims(ua, "Firefox/", firefoxKind):
	case strings.Contains(ua, " Safari/") && b.claims(ua, "Version/", safariKind):
	}
	s = b.kind
	if b.kind == chromeKind && b.major < 80 {
		s |= oldChrome
	}
	if b.kind == chromeKind && b.major >= 80 || b.kind == firefoxKind && b.major >= 90 ||
		b.kind == safariKind && (b.major > 16 || b.major == 16 && b.minor >= 4) {
		s |= fetchAware
	}
	// Apple's Mail is WebKit that does not call itself Safari.
	apple := b.kind == 0 && strings.Contains(ua, "AppleWebKit/") && !strings.Contains(ua, "Safari/") && strings.Contains(ua, "Mac OS X")
	if apple || strings.Contains(ua, "Thunderbird/") || strings.Contains(ua, "Outlook") ||
		strings.Contains(ua, "ms-office") || strings.Contains(ua, "MSOffice") {
		s |= anyMail
	}
	switch {
	case strings.Contains(ua, "Android"):
		s |= onAndroid
	case strings.Contains(ua, "iPhone"), strings.Contains(ua, "iPad"):
		s |= onIOS
	case strings.Contains(ua, "Windows"):
		s |= onWindows
	case strings.Contains(ua, "Mac OS X"):
		s |= onMac
	}
	return s
}

// shown are the signs of everything but the user agent.
func shown(r Request) (s uint32) {
	set := func(sign uint32, is bool) {
		if is {
			s |= sign
		}
	}
	mode, accept := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Accept")
	set(language, r.Header.Get("Accept-Language") != "")
	set(fetchMode, mode != "")
	set(navigates, mode == "navigate")
	set(byUser, r.Header.Get("Sec-Fetch-User") == "?1")
	set(intoImage, r.Header.Get("Sec-Fetch-Dest") == "image")
	set(wantsPages, strings.Contains(accept, "text/html"))
	set(wantsImages, strings.Contains(accept, "image/"))
	set(overHTTP, r.Plain)
	set(notGet, r.Method != "" && r.Method != http.MethodGet)
	set(ahead, prefetch(r.Header))
	set(objects, r.Header.Get("Sec-GPC") == "1" || r.Header.Get("DNT") == "1")
	return s
}

// prefetch reports whether a browser says that it fetches ahead of a click that
// may never come.
func prefetch(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz", "X-Purpose"} {
		v := h.Get(name)
		if v == "" {
			continue
		}
		v = strings.ToLower(v)
		if strings.Contains(v, "prefetch") || strings.Contains(v, "prerender") || strings.Contains(v, "preview") {
			return true
		}
	}
	return false
}

// browser is what a user agent claims to be.
type browser struct {
	kind         uint32 // chromeKind, firefoxKind, safariKind or 0
	major, minor int
}

// claims reads a version like "Chrome/148.0" that follows a mark in the text.
func (b *browser) claims(ua, mark string, kind uint32) bool {
	_, rest, ok := strings.Cut(ua, mark)
	if !ok {
		return false
	}
	number := func(s string) (int, string) {
		end := 0
		for end < len(s) && end < 6 && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		n, _ := strconv.Atoi(s[:end])
		return n, s[end:]
	}
	b.kind = kind
	b.major, rest = number(rest)
	b.minor, _ = number(strings.TrimPrefix(rest, "."))
	return true
}

// SameDevice reports whether two requests may have come from one device, by what
// changes with it: the kind of browser and of system. Versions do not count.
func SameDevice(a, b trail.Evidence) bool { return a.Signs&family == b.Signs&family }
