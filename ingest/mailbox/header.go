package mailbox

import (
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-message/charset"

	"dealtrail/trail"
)

// person is one address of a mail, the address in the form that is compared.
type person struct {
	address, name string
}

// decoder returns a decoder of encoded words in any charset that mail has.
func decoder() *mime.WordDecoder { return &mime.WordDecoder{CharsetReader: charset.Reader} }

func decodeWords(s string) string {
	if decoded, err := decoder().DecodeHeader(s); err == nil {
		return decoded
	}
	return s
}

// addresses returns the people in address headers, each address once, in order.
// One bad address in a list must not hide the others: a list that is not by the
// book is taken apart piece by piece, and a bad piece is searched for what looks
// like an address.
func addresses(headers ...[]string) []person {
	var out []person
	seen := map[string]bool{}
	add := func(address, name string) {
		address = trail.NormalAddress(address)
		if !plausible(address) || seen[address] {
			return
		}
		seen[address] = true
		name = displayName(name)
		if trail.NormalAddress(name) == address {
			name = ""
		}
		out = append(out, person{address: address, name: name})
	}
	parser := mail.AddressParser{WordDecoder: decoder()}
	for _, values := range headers {
		for _, list := range values {
			if parsed, err := parser.ParseList(list); err == nil {
				for _, a := range parsed {
					add(a.Address, a.Name)
				}
				continue
			}
			for _, piece := range pieces(list) {
				if a, err := parser.Parse(piece); err == nil {
					add(a.Address, a.Name)
					continue
				}
				for _, at := range addrSpec.FindAllStringIndex(piece, -1) {
					name, _, _ := strings.Cut(piece[:at[0]], "<")
					add(strings.Trim(piece[at[0]:at[1]], ".'"), decodeWords(strings.Trim(name, ` "'`)))
				}
			}
		}
	}
	return out
}

var addrSpec = regexp.MustCompile(`[^\s<>()\[\]:;,"\\]+@[^\s<>()\[\]:;,"\\@]+`)

// pieces splits an address list at commas and semicolons outside of quotes.
func pieces(list string) []string {
	quoted := false
	balanced := strings.Count(list, `"`)%2 == 0
	return strings.FieldsFunc(list, func(c rune) bool {
		if c == '"' {
			quoted = !quoted && balanced
		}
		return !quoted && (c == ',' || c == ';' || c == '\n')
	})
}

// plausible reports whether mail could go to an address.
func plausible(address string) bool {
	local, domain := address, trail.Domain(address)
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		local = address[:i]
	}
	return local != "" && domain != "" && len(address) <= 320 && !strings.ContainsFunc(address, func(c rune) bool {
		return unicode.IsSpace(c) || !unicode.IsPrint(c) || c == unicode.ReplacementChar
	})
}

// displayName returns a name as it may be shown: one line without control
// characters and without those that turn the direction of text.
func displayName(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return ' '
		}
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return -1
		}
		return c
	}, name)
	return cut(strings.Join(strings.Fields(name), " "), 200)
}

// zones are the names of zones that mail may use (RFC 5322 section 4.3). Go
// would look other names up in the machine's own zone, and dates must not
// depend on where they are read; those count as UTC.
var zones = map[string]string{
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500",
	"MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700",
	"CET": "+0100", "CEST": "+0200", "MET": "+0100", "BST": "+0100", "JST": "+0900",
}

var (
	comment     = regexp.MustCompile(`\([^()]*\)`)
	namedZone   = regexp.MustCompile(`\s([A-Za-z]{1,5})$`)
	numericZone = regexp.MustCompile(`[+-]\d{4}$`)
	weekday     = regexp.MustCompile(`^[^\s\d,]+,?\s+`)
)

// dateLayouts are read without a leading weekday, which says nothing new and is
// often in the sender's language.
var dateLayouts = []string{
	"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04 -0700", "2 Jan 06 15:04:05 -0700", "2-Jan-2006 15:04:05 -0700",
	"2 January 2006 15:04:05 -0700", "Jan 2 15:04:05 2006 -0700", "Jan 2 15:04:05 -0700 2006", "Jan 2, 2006 15:04:05 -0700",
	"2006-01-02 15:04:05 -0700", time.RFC3339, "2006-01-02T15:04:05-0700",
}

// dateOf returns the time in a Date header in UTC, or the zero time if it has
// none or one that no mail can have.
func dateOf(header string) time.Time {
	s := strings.Join(strings.Fields(comment.ReplaceAllString(cut(header, 200), " ")), " ")
	if s == "" {
		return time.Time{}
	}
	if zone := namedZone.FindStringSubmatch(s); zone != nil {
		s = strings.TrimSpace(strings.TrimSuffix(s, zone[1]))
		if offset := zones[strings.ToUpper(zone[1])]; !numericZone.MatchString(s) && offset != "" {
			s += " " + offset
		}
	}
	bare := weekday.ReplaceAllString(s, "")
	for _, candidate := range []string{bare, s, bare + " +0000", s + " +0000"} {
		for _, layout := range dateLayouts {
			at, err := time.Parse(layout, candidate)
			if err == nil && at.Year() >= 1990 && at.Year() < 2200 {
				return at.UTC()
			}
		}
	}
	return time.Time{}
}
