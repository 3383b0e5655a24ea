package trail

import (
	"net/url"
	"slices"
	"strings"
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
}

// TargetOf returns where a registered content's links lead.
func TargetOf(content ContentID, attrs map[string]string) Target {
	return Target{
		Content: content, Title: attrs["title"], URL: attrs["url"], OtherURLs: strings.Fields(attrs["other_urls"]),
		File: attrs["file"], FileName: attrs["file_name"], FileType: attrs["file_type"],
	}
}

// CheckTarget refuses URLs that no link may lead to: a target must be absolute
// http or https with a host, and without user info, control characters (those
// that turn the direction of text included), spaces or backslashes, so that what
// a marketer reads is where a prospect lands.
func CheckTarget(target string) error {
	if !utf8.ValidString(target) {
		return Problemf(Invalid, "The URL %q is not UTF-8; percent-encode it.", target)
	}
	for _, r := range target {
		if r == '\\' || unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return Problemf(Invalid, "The URL %q has a space, a backslash or a control character; percent-encode it.", target)
		}
	}
	u, err := url.Parse(target)
	if err != nil {
		return Problemf(Invalid, "The URL %q cannot be read: %s.", target, err)
	}
	if s := strings.ToLower(u.Scheme); s != "http" && s != "https" {
		return Problemf(Invalid, "The URL %q must begin with https:// or http://.", target)
	}
	if u.Hostname() == "" || u.User != nil {
		return Problemf(Invalid, "The URL %q must name a host and no user.", target)
	}
	return nil
}

// NormalURL returns the form under which two links to the same page compare
// equal: host in lower case, no default port, no fragment, no trailing slash,
// parameters sorted and those that only track (utm_*, gclid, fbclid, mc_eid,
// _hsenc, _hsmi) left out. It is for comparing, never for sending anyone there.
// It returns "" for what is not an absolute http URL.
func NormalURL(raw string) string {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Hostname() == "" {
		return ""
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" {
		return ""
	}
	host := strings.TrimSuffix(strings.ToLower(u.Host), map[string]string{"http": ":80", "https": ":443"}[scheme])
	var query []string
	for _, p := range strings.Split(u.RawQuery, "&") {
		name, _, _ := strings.Cut(strings.ToLower(p), "=")
		if p == "" || strings.HasPrefix(name, "utm_") || slices.Contains(trackers, name) {
			continue
		}
		query = append(query, p)
	}
	slices.Sort(query)
	s := host + strings.TrimRight(u.EscapedPath(), "/")
	if len(query) > 0 {
		s += "?" + strings.Join(query, "&")
	}
	return s
}

var trackers = []string{"gclid", "fbclid", "mc_eid", "_hsenc", "_hsmi"}
