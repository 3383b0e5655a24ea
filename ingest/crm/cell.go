package crm

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"dealtrail/trail"
)

// readAddress returns an address in lower case from "anna@acme.example",
// "Anna Muster <anna@acme.example>" or "Anna Muster (anna@acme.example)".
func readAddress(s string) (string, bool) {
	if open := strings.LastIndexByte(s, '<'); open >= 0 && strings.HasSuffix(s, ">") {
		s = s[open+1 : len(s)-1]
	} else if open := strings.LastIndexByte(s, '('); open >= 0 && strings.HasSuffix(s, ")") && strings.Contains(s[open:], "@") {
		s = s[open+1 : len(s)-1]
	}
	s = trimmed(s)
	if s == "" || len(s) > 320 || strings.ContainsFunc(s, unicode.IsSpace) {
		return "", false
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || strings.ContainsAny(a.Address, "<> ") {
		return "", false
	}
	return trail.NormalAddress(a.Address), true
}

// inText finds addresses in text, more rather than fewer.
var inText = regexp.MustCompile(`[^\s@<>(),;:"]+@[^\s@<>(),;:"]+`)

// withoutAddresses cuts addresses out of text that stays in the log, where no
// person may be named.
func withoutAddresses(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	return inText.ReplaceAllString(s, "(address)")
}

// readKey refuses IDs that no page could show.
func readKey(s string) (reason string) {
	if utf8.RuneCountInString(s) > maxKey {
		return "is longer than 200 characters"
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "has a line break or control character"
	}
	return ""
}

// DealKey writes the ID of a Salesforce opportunity (they begin with 006) in
// its form of 18 characters, since exports have either; the last three say
// which of the others are upper case. All other IDs stay as they are.
func DealKey(id string) string {
	if len(id) != 15 || !strings.HasPrefix(id, "006") {
		return id
	}
	const digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	long := []byte(id)
	for part := range 3 {
		bits := 0
		for i := range 5 {
			switch c := id[5*part+i]; {
			case 'A' <= c && c <= 'Z':
				bits |= 1 << i
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			default:
				return id
			}
		}
		long = append(long, digit[bits])
	}
	return string(long)
}

// readURL returns a target as it is stored and sent, or what is wrong with it in
// words that go behind the URL.
func readURL(s string) (url, reason string) {
	url, err := trail.CleanTarget(s, idna.Lookup.ToASCII)
	if err != nil {
		text := strings.TrimSuffix(err.Error(), ".")
		reason = text[strings.LastIndex(text, `" `)+2:]
	}
	return url, reason
}

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+$`)

// readDomain returns the host in lower case, also from a URL.
func readDomain(s string) (host string, ok bool) {
	s = strings.ToLower(s)
	if _, rest, found := strings.Cut(s, "://"); found {
		s = rest
	}
	if i := strings.IndexAny(s, "/?#:"); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimSuffix(s, ".")
	if strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return "", false
		}
		s = ascii
	}
	return s, len(s) <= 253 && hostName.MatchString(s)
}

// readWords returns tags separated by single spaces. Tags that come separated
// by ; , or | may have spaces inside, which become hyphens.
func readWords(s string) string {
	words := strings.Fields(s)
	if strings.ContainsAny(s, ";,|") {
		words = words[:0]
		for _, w := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(";,|", r) }) {
			if f := strings.Fields(w); len(f) > 0 {
				words = append(words, strings.Join(f, "-"))
			}
		}
	}
	seen := map[string]bool{}
	once := words[:0]
	for _, w := range words {
		if !seen[w] {
			once = append(once, w)
		}
		seen[w] = true
	}
	return strings.Join(once, " ")
}

// readStatus reads a status or, for the pairs that CRMs ship with, the stage
// that implies it: "Closed Won", closedwon, "Closed won (Sales Pipeline)".
func readStatus(s string) (status string, ok bool) {
	switch f := fold(s); {
	case f == "won" || strings.HasPrefix(f, "closedwon"):
		return "won", true
	case f == "lost" || strings.HasPrefix(f, "closedlost"):
		return "lost", true
	case f == "open":
		return "open", true
	}
	return "", false
}

// readYesNo reads what tools write for true and false.
func readYesNo(s string) (yes, ok bool) {
	switch fold(s) {
	case "1", "true", "yes", "y", "x", "given", "granted", "optedin":
		return true, true
	case "0", "false", "no", "n", "withdrawn", "refused", "optedout":
		return false, true
	}
	return false, false
}

// touchKind reads the kinds of touches, and the words that other tools have for them.
func touchKind(s string) (trail.Kind, bool) {
	switch fold(s) {
	case "opened", "open":
		return trail.Opened, true
	case "clicked", "click":
		return trail.Clicked, true
	case "viewed", "view", "read":
		return trail.Viewed, true
	case "replied", "reply":
		return trail.Replied, true
	case "sent", "send":
		return trail.Sent, true
	}
	return "", false
}
