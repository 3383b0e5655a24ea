package mailbox

import (
	"encoding/base64"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// maxWraps is how many wrappers around one link are taken off: a mail that goes
// from gateway to gateway collects them.
const maxWraps = 5

// unwrap returns where a link leads that mail gateways or redirectors rewrote,
// without asking any of them: to follow such a link would be a click. What is
// no wrapper comes back byte for byte. Where a wrapper does not tell its target,
// the target is the wrapper's own link and opaque its name, with the domain
// that it gives as a hint.
func unwrap(link string) (target, opaque string) {
	target = link
	for range maxWraps {
		// Links that were copied as HTML still have its entities. Only a wrapper
		// is read that way: elsewhere they may be part of the address.
		a, ok := locate(unescape(target))
		if !ok {
			break
		}
		w := wrapperAt(a)
		if w == nil {
			break
		}
		next := w.read(a)
		if next == "" {
			if !w.site {
				opaque = w.name + domainHint(a, w.hint)
			}
			break
		}
		target = next
	}
	return target, opaque
}

// wrapper is a kind of link that stands for another one.
type wrapper struct {
	name string
	host *regexp.Regexp
	path *regexp.Regexp // nil: any
	hint string         // the parameter that names the target's domain, if one does
	site bool           // the host also has pages of its own, so that what cannot be read is no wrapper
	read func(address) string
}

var wrappers = []wrapper{
	{name: "Safe Links", host: safeLinks, read: readSafeLinks},
	{name: "Proofpoint", host: regexp.MustCompile(`^urldefense\.(?:proofpoint\.)?(?:com|us|eu)$`), path: regexp.MustCompile(`(?i)^/v[12]/`), read: readProofpoint},
	{name: "Proofpoint", host: regexp.MustCompile(`^urldefense\.(?:proofpoint\.)?(?:com|us|eu)$`), path: regexp.MustCompile(`(?i)^/v3/`), read: readProofpoint3},
	{name: "Barracuda", host: regexp.MustCompile(`^linkprotect\.cudasvc\.com$`), path: regexp.MustCompile(`(?i)^/url$`), read: parameter("a")},
	{name: "Cisco", host: regexp.MustCompile(`^secure-web\.cisco\.com$`), path: regexp.MustCompile(`^/.`), read: readCisco},
	{name: "Sophos", host: regexp.MustCompile(`\.protection\.sophos\.com$`), hint: "d", read: readSophos},
	{name: "Trend Micro", host: regexp.MustCompile(`(?:^|[.-])ctp\.trendmicro\.com$|\.check\.trendmicro\.com$`), read: parameter("url")},
	{name: "Mimecast", host: regexp.MustCompile(`^protect(?:-[a-z0-9]+)?\.mimecast(?:-offshore)?\.com$|\.mimecastprotect\.com$`), hint: "domain", read: func(address) string { return "" }},
	{name: "Google", host: regexp.MustCompile(`^(?:www\.)?google\.(?:com|[a-z]{2}|com?\.[a-z]{2})$`), path: regexp.MustCompile(`(?i)^/url$`), site: true, read: parameter("q", "url")},
	{name: "LinkedIn", host: regexp.MustCompile(`^(?:[a-z]+\.)?linkedin\.com$`), path: regexp.MustCompile(`(?i)^/(?:redir/|safety/go)`), site: true, read: parameter("url")},
	{name: "Facebook", host: regexp.MustCompile(`^(?:lm?|www|m)\.facebook\.com$`), path: regexp.MustCompile(`(?i)^/l\.php$`), site: true, read: parameter("u")},
}

// safeLinks are the hosts of Microsoft's clouds: a region before, a country behind.
var safeLinks = regexp.MustCompile(`(?:^|\.)safelinks\.protection\.(?:partner\.)?(?:outlook|office365)\.(?:com|us|de|cn)$`)

func wrapperAt(a address) *wrapper {
	for i, w := range wrappers {
		if w.host.MatchString(a.host) && (w.path == nil || w.path.MatchString(a.path)) {
			return &wrappers[i]
		}
	}
	return nil
}

// address is what of a link wrappers and trackers are told by.
type address struct {
	host  string // in lower case, without the port
	path  string
	query string
	rest  string // all after the host
}

// locate takes a link apart as loosely as mail programs do: what url.Parse
// refuses, such as 100%, is followed all the same.
func locate(link string) (a address, ok bool) {
	scheme, rest, found := strings.Cut(link, "://")
	if !found || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return address{}, false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if strings.Contains(rest[:end], "@") { // a name that only looks like the host
		return address{}, false
	}
	a.rest = rest[end:]
	host, _, _ := strings.Cut(rest[:end], ":")
	a.host = strings.ToLower(strings.TrimSuffix(host, "."))
	visible, _, _ := strings.Cut(a.rest, "#")
	a.path, a.query, _ = strings.Cut(visible, "?")
	return a, true
}

// values returns the values of a parameter as they are written.
func (a address) values(name string) []string {
	var out []string
	for p := range strings.SplitSeq(a.query, "&") {
		if n, value, _ := strings.Cut(p, "="); strings.EqualFold(n, name) {
			out = append(out, value)
		}
	}
	return out
}

// parameter reads the target from the first of the parameters that has one.
func parameter(names ...string) func(address) string {
	return func(a address) string {
		for _, name := range names {
			for _, value := range a.values(name) {
				if target := asLink(unquote(value)); target != "" {
					return target
				}
			}
		}
		return ""
	}
}

// readSafeLinks reads the parameter url, before which any path may stand, or a
// path that is the target itself.
func readSafeLinks(a address) string {
	target := parameter("url")(a)
	if target == "" {
		target = inPath(a, 0)
	}
	return withoutMarks(target)
}

// withoutMarks takes off what the gateway adds to links into SharePoint.
func withoutMarks(target string) string {
	front, query, _ := strings.Cut(target, "?")
	query, fragment, hash := strings.Cut(query, "#")
	if strings.Contains(front, "#") || !strings.Contains("&"+query, "&xsdata=") || !strings.Contains("&"+query, "&sdata=") {
		return target
	}
	var kept []string
	for p := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(p, "="); name != "xsdata" && name != "sdata" && name != "ovuser" {
			kept = append(kept, p)
		}
	}
	if len(kept) > 0 {
		front += "?" + strings.Join(kept, "&")
	}
	if hash {
		front += "#" + fragment
	}
	return front
}

// readProofpoint reads versions 1 and 2. The second writes the escapes of URLs
// with characters that no mail program touches.
func readProofpoint(a address) string {
	for _, value := range a.values("u") {
		if a.path[2] == '2' {
			value = strings.NewReplacer("-", "%", "_", "/").Replace(value)
		}
		if target := asLink(unquote(value)); target != "" {
			return target
		}
	}
	return ""
}

// runs are the characters that stand for a length, from 2 on.
const runs = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// readProofpoint3 reads version 3: the target between two underscores at either
// end, in which * stands for the next character of the list that follows in
// base64, and ** and a length for as many.
func readProofpoint3(a address) string {
	target, list, found := strings.Cut(a.rest[len("/v3/"):], "__;")
	if !found { // the semicolon was escaped
		target, list, found = strings.Cut(unquote(a.rest[len("/v3/"):]), "__;")
	}
	target, opened := strings.CutPrefix(target, "__")
	if !found || !opened {
		return ""
	}
	list, _, _ = strings.Cut(list, "!")
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(unquote(list), "="))
	if err != nil || !utf8.Valid(decoded) {
		return ""
	}
	var b strings.Builder
	left := []rune(string(decoded))
	// A percent sign of the target is in the list; one that stands here is of a
	// program on the way.
	for rest := unquote(target); rest != ""; {
		plain, after, star := strings.Cut(rest, "*")
		b.WriteString(plain)
		if rest = after; !star {
			break
		}
		n := 1
		if len(rest) > 1 && rest[0] == '*' {
			if n = strings.IndexByte(runs, rest[1]) + 2; n < 2 {
				return ""
			}
			rest = rest[2:]
		}
		if n > len(left) {
			return ""
		}
		b.WriteString(string(left[:n]))
		left = left[n:]
	}
	return asLink(b.String())
}

// readCisco reads the target behind the signature.
func readCisco(a address) string { return inPath(a, 1) }

// inPath returns the target that a path has after so many of its parts, or "".
func inPath(a address, parts int) string {
	rest := strings.TrimPrefix(a.rest, "/")
	for range parts {
		_, rest, _ = strings.Cut(rest, "/")
	}
	return asLink(unquote(rest))
}

// readSophos reads the target in base64, of either alphabet.
func readSophos(a address) string {
	if len(a.values("d")) == 0 {
		return ""
	}
	for _, value := range a.values("u") {
		value = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(unquote(value), "="))
		if decoded, err := base64.RawURLEncoding.DecodeString(value); err == nil {
			if target := asLink(string(decoded)); target != "" {
				return target
			}
		}
	}
	return ""
}

// asLink returns a target as a link, or "" if it is none. Some gateways escape
// it twice, and some servers make one slash of two.
func asLink(target string) string {
	for _, scheme := range []string{"https", "http"} {
		if hasPrefixFold(target, scheme+"%3A") {
			target = unquote(target)
		}
		if n := len(scheme); hasPrefixFold(target, scheme+":/") {
			if !strings.HasPrefix(target[n:], "://") {
				target = target[:n] + "://" + target[n+2:]
			}
			if a, ok := locate(target); ok && a.host == "" {
				return ""
			}
			return target
		}
	}
	if hasPrefixFold(target, "www.") {
		return "http://" + target
	}
	return ""
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// unquote resolves the escapes of a URL and leaves alone what is none: a link
// that was cut or has 100% in it still leads somewhere.
func unquote(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			b.WriteByte(byte(unhex(s[i+1])<<4 | unhex(s[i+2])))
			i += 2
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// unhex returns what a digit stands for, or -1.
func unhex(c byte) int {
	i := strings.IndexByte("0123456789abcdefABCDEF", c)
	if i > 15 {
		i -= 6
	}
	return i
}

// entity is one that mail programs write in links. The semicolon is required:
// without it, the parameter in "&copy=1" would become another character.
var entity = regexp.MustCompile(`(?i)&(?:amp|quot|apos|lt|gt|#[0-9]{1,6}|#x[0-9a-f]{1,5});`)

func unescape(link string) string {
	if !strings.Contains(link, ";") {
		return link
	}
	return entity.ReplaceAllStringFunc(link, func(e string) string { return html.UnescapeString(strings.ToLower(e)) })
}

var domainName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,253}$`)

// domainHint returns the domain that a parameter names, in brackets, or "".
func domainHint(a address, name string) string {
	for _, value := range a.values(name) {
		if value = unquote(value); domainName.MatchString(value) {
			return " (domain=" + strings.ToLower(value) + ")"
		}
	}
	return ""
}

// trackers are other programs that send links through themselves, by host, and
// by what follows where the host is the sender's own or serves other pages too.
var trackers = []struct {
	name       string
	host, path *regexp.Regexp // nil: any
}{
	{"HubSpot", regexp.MustCompile(`(?:^|\.)(?:hubspotlinks\.com|hubspotemail\.net|sidekickopen[0-9]*\.com|hsms[0-9]+\.com)$`), nil},
	{"HubSpot", regexp.MustCompile(`\.hs-sites(?:-[a-z0-9]+)?\.com$`), regexp.MustCompile(`(?i)/e[0-9]t/`)},
	{"HubSpot", nil, regexp.MustCompile(`(?i)^/e3t/[bc]tc/`)},
	{"Outreach", regexp.MustCompile(`\.outreach\.io$`), nil},
	{"Salesloft", regexp.MustCompile(`\.salesloft\.com$|(?:^|\.)salesloftlinks\.com$`), nil},
	{"Yesware", regexp.MustCompile(`^t\.yesware\.com$`), nil},
	{"Mailtrack", regexp.MustCompile(`(?:^|\.)(?:mailtrack\.io|mltrk\.io)$`), regexp.MustCompile(`(?i)/(?:link|trace|l)/`)},
	{"Mixmax", regexp.MustCompile(`^(?:track|links?[0-9]*|email|click)\.mixmax\.com$`), nil},
	{"Streak", regexp.MustCompile(`(?:^|\.)streaklinks\.com$|^mailfoogae\.appspot\.com$`), nil},
	{"SendGrid", regexp.MustCompile(`(?:^|\.)ct\.sendgrid\.net$`), nil},
	{"SendGrid", nil, regexp.MustCompile(`(?i)^/(?:ls|wf)/click\?(?:.*&)?upn=`)},
	{"Mailchimp", regexp.MustCompile(`(?:^|\.)(?:list-manage[0-9]*\.com|mandrillapp\.com)$`), regexp.MustCompile(`(?i)^/track/click`)},
	{"Pardot", regexp.MustCompile(`^(?:go|[a-z0-9-]+\.go)\.pardot\.com$`), nil},
	{"Marketo", regexp.MustCompile(`(?:^|\.)(?:mkto-[a-z0-9]+\.com|mktoweb\.com|mktdns\.com)$|^(?:mkt[a-z0-9-]*|[a-z]+-[a-z0-9]+)\.marketo\.com$`), nil},
}

// ownPages are hosts of those programs that people link to for their own sake,
// and pixels are images that only report opens.
var (
	ownPages = regexp.MustCompile(`^(?:www|app|accounts|help|support|developers?|blog|learn|go)\.(?:outreach\.io|salesloft\.com)$`)
	pixels   = regexp.MustCompile(`(?i)/open(?:\.[a-z]+)?$|/cto/|\.(?:gif|png)$`)
)

// tracker returns the name of the other program that a link goes through, or "".
func tracker(link string) string {
	a, ok := locate(unescape(link))
	if !ok || ownPages.MatchString(a.host) || pixels.MatchString(a.path) {
		return ""
	}
	for _, t := range trackers {
		if (t.host == nil || t.host.MatchString(a.host)) && (t.path == nil || t.path.MatchString(a.rest)) {
			return t.name
		}
	}
	return ""
}
