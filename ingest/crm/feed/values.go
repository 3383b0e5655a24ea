package feed

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// maxDepth is how deep JSON of a CRM may be nested.
const maxDepth = 32

// decode reads one value of JSON, which must not be nested too deep and must be all there is.
func decode(body []byte, out any) error {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("it is nested deeper than %d", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	if err := json.Unmarshal(body, out); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			return fmt.Errorf("its %s is a %s, which was not expected", wrong.Field, wrong.Value) // names no value
		}
		return errors.New("it is no JSON")
	}
	return nil
}

// text is a text, number or truth value of JSON as text; null is empty. CRMs write IDs
// as either.
type text string

// UnmarshalJSON reads any value that is not a list or an object.
func (t *text) UnmarshalJSON(b []byte) error {
	switch b = bytes.TrimSpace(b); {
	case len(b) == 0 || string(b) == "null":
		*t = ""
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(s)
	case b[0] == '{' || b[0] == '[':
		return &json.UnmarshalTypeError{Value: "list or object"}
	default:
		*t = text(b)
	}
	return nil
}

func (t text) String() string { return strings.TrimSpace(string(t)) }

// layouts are the forms in which CRMs write times; those without a zone are UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.000-0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"}

// when reads a time: a layout, or milliseconds or seconds since 1970. The zero time is none.
func (t text) when() time.Time {
	s := t.String()
	for _, layout := range layouts {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC()
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || !(n > 0 && n < 1e14):
		return time.Time{}
	case n > 1e11:
		return time.UnixMilli(int64(n)).UTC()
	}
	return time.UnixMilli(int64(1000 * n)).UTC()
}

// stamp writes a time as a cell; none is empty. A day stays one.
func (t text) stamp() string {
	if s := t.String(); len(s) == len(time.DateOnly) && !t.when().IsZero() && strings.Count(s, "-") == 2 {
		return s
	}
	return stamped(t.when())
}

func stamped(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339Nano)
}

// amount writes a number as plain decimal text, without an exponent; what is none is empty.
func (t text) amount() string {
	if len(t) > 40 {
		return ""
	}
	d, err := decimal.NewFromString(t.String())
	if err != nil || d.Exponent() > 20 || d.Exponent() < -20 {
		return ""
	}
	return d.String()
}

func (t text) yes() bool { return strings.EqualFold(t.String(), "true") || t.String() == "1" }

// mac is HMAC-SHA256 over the parts in turn.
func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// anyEqual reports whether one of the wanted is the given, looking at all of them.
func anyEqual(given []byte, wanted [][]byte) bool {
	found := false
	for _, w := range wanted {
		if hmac.Equal(given, w) {
			found = true
		}
	}
	return found
}

// first returns the first text that says something.
func first(texts ...text) string {
	for _, t := range texts {
		if s := t.String(); s != "" {
			return s
		}
	}
	return ""
}

// unique returns the texts that are not empty, each once, in order.
func unique(texts []string) []string {
	texts = slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s == "" })
	slices.Sort(texts)
	return slices.Compact(texts)
}
