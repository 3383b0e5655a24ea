package trail

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Target is where a content's links lead: what the catalogue keeps in memory so
// that a redirect never waits for the store.
type Target struct {
	Content   ContentID `json:"content"`
	Title     string    `json:"title,omitzero"`
	URL       string    `json:"url,omitzero"` // the redirect's target, byte for byte; empty: the file is served
	OtherURLs []string  `json:"other_urls,omitempty"`
	File      string    `json:"file,omitzero"` // SHA-256 of the stored file in hex
	FileName  string    `json:"file_name,omitzero"`
	FileType  string    `json:"file_type,omitzero"` // media type
	FileSize  int64     `json:"file_size,omitzero"` // bytes
	Version   string    `json:"version,omitzero"`
	Former    []Former  `json:"former,omitempty"` // what file and URLs were before and are no longer, the newest first

	ExpiresAt time.Time `json:"expires_at,omitzero"` // from then on links lead to the successor, or to the fallback
	Successor ContentID `json:"successor,omitzero"`
}

// Expired reports whether links lead elsewhere by now.
func (t Target) Expired(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }

// TargetOf returns where a registered content's links lead.
func TargetOf(content ContentID, attrs map[string]string) Target {
	expires, _ := time.Parse(time.RFC3339, attrs["expires_at"]) // an unreadable one never comes
	size, _ := strconv.ParseInt(attrs["file_size"], 10, 64)     // we wrote it ourselves
	return Target{
		Content: content, Title: attrs["title"], URL: attrs["url"], OtherURLs: strings.Fields(attrs["other_urls"]),
		File: attrs["file"], FileName: attrs["file_name"], FileType: attrs["file_type"], FileSize: size, Version: attrs["version"],
		ExpiresAt: expires.UTC(), Successor: attrs["successor"],
	}
}

// MaxTarget is how many bytes a target has at most as it is sent: what is longer,
// web servers and proxies on the way refuse.
const MaxTarget = 10_000

// CleanTarget returns a target as it is stored and sent. Every ASCII byte stays
// as it is: parsing a URL and writing it again is how links break. Other
// characters are percent-encoded, as browsers do, and a host that has some is
// rewritten by ascii (idna.Lookup.ToASCII; this package has only the standard
// library). What a paste brings along at either end is cut off. It refuses what
// CheckTarget refuses, and is never for what comes with a request.
func CleanTarget(target string, ascii func(host string) (string, error)) (string, error) {
	target = strings.TrimFunc(target, func(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' })
	if err := CheckTarget(target); err != nil {
		return "", err
	}
	authority, rest := splitTarget(target)
	scheme := target[:len(target)-len(authority)-len(rest)]
	if strings.ContainsFunc(authority, nonASCII) {
		name, port, colon := strings.Cut(authority, ":")
		name, err := ascii(name)
		if err != nil || !validHost(name) {
			return "", noHost(target)
		}
		if authority = name; colon {
			authority += ":" + port
		}
	}
	clean := scheme + authority + percentEncoded(rest)
	if len(clean) > MaxTarget {
		return "", Problemf(Invalid, "The URL %q has %d bytes as it is sent; at most %d are allowed.", short(target), len(clean), MaxTarget)
	}
	return clean, nil
}

// CheckTarget refuses URLs that no link may lead to: a target must be absolute
// http or https with a host that can exist, and without user info, control
// characters (those that turn the direction of text included), spaces or
// backslashes, so that what a marketer reads is where a prospect lands. Behind
// the host anything else goes, "100%" included: the site knows what it means.
func CheckTarget(target string) error {
	if !utf8.ValidString(target) {
		return Problemf(Invalid, "The URL %q is not UTF-8; percent-encode it.", short(target))
	}
	if strings.ContainsFunc(target, misread) {
		return Problemf(Invalid, "The URL %q has a space, a backslash or a control character; percent-encode it.", short(target))
	}
	scheme, _, found := strings.Cut(target, "://")
	if s := strings.ToLower(scheme); !found || s != "http" && s != "https" {
		return Problemf(Invalid, "The URL %q must begin with https:// or http://.", short(target))
	}
	authority, _ := splitTarget(target)
	if authority == "" || authority[0] == ':' || strings.Contains(authority, "@") {
		return Problemf(Invalid, "The URL %q must name a host and no user.", short(target))
	}
	u, err := url.Parse("https://" + authority)
	if err != nil {
		return noHost(target)
	}
	// What Go reads and browsers do not: a port beyond the last.
	if port, err := strconv.Atoi(cmp.Or(u.Port(), "443")); err != nil || port > 65535 {
		return Problemf(Invalid, "The URL %q has a port above 65535.", short(target))
	}
	if strings.HasPrefix(authority, "[") {
		if strings.Contains(authority, "%") { // of one machine's network card
			return noHost(target)
		}
	} else if !validHost(u.Hostname()) || strings.Contains(authority, "%") {
		return noHost(target)
	}
	return nil
}

func noHost(target string) error {
	return Problemf(Invalid, "The URL %q names a host that cannot exist.", short(target))
}

// misread reports characters that a person does not see, or that programs drop
// or take for others. The two that join letters are part of Persian words and of
// emoji.
func misread(r rune) bool {
	return r == '\\' || unicode.IsSpace(r) || r != '\u200c' && r != '\u200d' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

func nonASCII(r rune) bool { return r >= utf8.RuneSelf }

// splitTarget returns what stands between "://" and the path, query or fragment,
// and all from there on.
func splitTarget(target string) (authority, rest string) {
	_, authority, _ = strings.Cut(target, "://")
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority, rest = authority[:i], authority[i:]
	}
	return authority, rest
}

// validHost reports whether a name may be found by DNS. Letters of other scripts
// are judged when they become punycode.
func validHost(host string) bool {
	host = strings.TrimSuffix(host, ".")
	encoded := !strings.ContainsFunc(host, nonASCII) // lengths count in this form
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || encoded && len(label) > 63 {
			return false
		}
	}
	return !(encoded && len(host) > 253) && !strings.ContainsFunc(host, func(r rune) bool {
		return !nonASCII(r) && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') && r != '-' && r != '_' && r != '.'
	})
}

// percentEncoded writes each byte that is not ASCII in hex, and spaces.
func percentEncoded(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c == ' ' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// short cuts a URL for a message.
func short(target string) string {
	if len(target) > 300 {
		return strings.ToValidUTF8(target[:300], "") + "…"
	}
	return target
}

// NormalURL returns the form under which two links to the same page compare
// equal: host in lower case, no default port, no fragment, no trailing slash,
// parameters sorted and those that only track (utm_*, gclid, fbclid, mc_eid,
// _hsenc, _hsmi) left out. It is for comparing, never for sending anyone there.
// It returns "" for what is not an absolute http URL.
func NormalURL(raw string) string {
	raw = strings.TrimSpace(raw)
	scheme, _, found := strings.Cut(strings.ToLower(raw), "://")
	if !found || scheme != "http" && scheme != "https" || strings.ContainsFunc(raw, unicode.IsControl) {
		return ""
	}
	authority, rest := splitTarget(raw)
	u, err := url.Parse("https://" + authority)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host := strings.TrimSuffix(strings.ToLower(u.Host), map[string]string{"http": ":80", "https": ":443"}[scheme])
	rest, _, _ = strings.Cut(rest, "#")
	path, params, _ := strings.Cut(rest, "?")
	if p, err := url.PathUnescape(path); err == nil { // else it is one that only its site reads, such as /100%
		path = (&url.URL{Path: p, RawPath: path}).EscapedPath()
	}
	var query []string
	for _, p := range strings.Split(percentEncoded(params), "&") {
		name, _, _ := strings.Cut(strings.ToLower(p), "=")
		if p == "" || strings.HasPrefix(name, "utm_") || slices.Contains(trackers, name) {
			continue
		}
		query = append(query, p)
	}
	slices.Sort(query)
	s := host + strings.TrimRight(percentEncoded(path), "/")
	if len(query) > 0 {
		s += "?" + strings.Join(query, "&")
	}
	return s
}

var trackers = []string{"gclid", "fbclid", "mc_eid", "_hsenc", "_hsmi"}
