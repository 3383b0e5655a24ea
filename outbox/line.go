package outbox

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// longest is how many characters of one name or text are worth sending.
const longest = 140

// plain returns a text that somebody else wrote as one line that is safe in a mail or
// a message: without control characters and those that turn the direction of writing,
// and not too long.
func plain(text string) string { return short(text, longest) }

// why is an error as status tells it.
func why(err error) string { return short(err.Error(), 2*longest) }

func short(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == unicode.ReplacementChar:
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f', r == '\u061c', r == '\ufeff':
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > most {
		text = strings.TrimSpace(string(runes[:most-1])) + "…"
	}
	return text
}

// count is a number with its word: "1 click", "3 clicks".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// both is what happened in words: "3 clicks and 1 answer"; "" for nothing.
func both(clicks, answers int) string {
	var parts []string
	if clicks > 0 {
		parts = append(parts, count(clicks, "click", "clicks"))
	}
	if answers > 0 {
		parts = append(parts, count(answers, "answer", "answers"))
	}
	return strings.Join(parts, " and ")
}

// clock is a moment as people write it, in a zone.
func clock(t time.Time, zone *time.Location) string { return t.In(zone).Format("Mon 2 Jan 15:04") }
