package crm

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// marks is what the rows of one column say about the decimal mark. 1.234 and
// 1,234 do not say themselves what they are; 1.234,50 and 1,234,567 do.
type marks struct {
	dot, comma bool // seen as the decimal mark
	fallback   byte // the decimal mark when no row testifies; 0 for none
	dotOpen    string
	commaOpen  string // cells that do not say themselves
	mark       byte   // decided: '.' or ',' is the decimal mark, 'g' both group, 0 cannot be told
}

func (m *marks) see(cell string) {
	a, ok := splitAmount(cell)
	if !ok {
		return
	}
	switch p := a.places(); {
	case !p.ok:
	case p.open && p.mark == '.':
		m.dotOpen = cell
	case p.open:
		m.commaOpen = cell
	case p.mark == '.' || p.grouped == ',':
		m.dot = true
	case p.mark == ',' || p.grouped == '.':
		m.comma = true
	}
}

// decide settles the column and returns a warning if it had to guess: three
// digits behind the only mark are thousands, since no currency of note has
// three decimals.
func (m *marks) decide(header string) (warning string) {
	switch {
	case m.dot && !m.comma:
		m.mark = '.'
	case m.comma && !m.dot:
		m.mark = ','
	case m.dot && m.comma:
		m.mark = 0
	case m.fallback != 0:
		m.mark = m.fallback
	case m.dotOpen != "" && m.commaOpen != "":
		m.mark = 0
	default:
		m.mark = 'g'
		if open := m.dotOpen + m.commaOpen; open != "" {
			return fmt.Sprintf("Amounts in column %q such as %q were read as thousands.", header, short(open))
		}
	}
	return ""
}

// read returns the amount of a cell as plain decimal text, and the currency if
// the cell names one. The reason is for a person.
func (m *marks) read(cell string) (amount, currency, reason string) {
	a, ok := splitAmount(cell)
	if !ok {
		return "", "", "is not a number"
	}
	p := a.places()
	if p.open {
		switch m.mark {
		case 0:
			return "", "", "may have thousands or decimals behind its mark; write it with two decimals, such as 1234.50"
		case p.mark:
		default:
			p.whole, p.fraction = p.whole+p.fraction, ""
		}
	}
	if !p.ok {
		return "", "", "is not a number"
	}
	plain := p.whole
	if p.fraction != "" {
		plain += "." + p.fraction
	}
	d, err := decimal.NewFromString(plain)
	if err != nil {
		return "", "", "is not a number"
	}
	if len(strings.TrimLeft(p.whole, "0")) > 14 || len(p.fraction) > 20 {
		return "", "", "has more digits than an amount can have"
	}
	if a.negative {
		d = d.Neg()
	}
	return d.String(), a.currency, ""
}

// amountParts is a cell without what surrounds the number.
type amountParts struct {
	body     string // digits, dots, commas, and _ for spaces and apostrophes between digits
	negative bool
	currency string
}

// splitAmount takes signs, parentheses and the currency off.
func splitAmount(s string) (a amountParts, ok bool) {
	s = trimmed(s)
	if inner, found := strings.CutPrefix(s, "("); found {
		if s, found = strings.CutSuffix(inner, ")"); !found {
			return a, false
		}
		a.negative = true
	}
	var signed bool
	for {
		before := s
		s = trimmed(s)
		for _, sign := range []string{"-", "\u2212", "+"} {
			cut, found := strings.CutPrefix(s, sign)
			if !found && sign != "+" {
				cut, found = strings.CutSuffix(s, sign)
			}
			if !found {
				continue
			}
			if signed || a.negative && sign != "+" {
				return a, false
			}
			s, signed, a.negative = cut, true, a.negative || sign != "+"
		}
		s, ok = a.cutCurrency(s)
		if !ok {
			return a, false
		}
		if s == before {
			break
		}
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case '0' <= r && r <= '9' || r == '.' || r == ',':
			b.WriteRune(r)
		case unicode.IsSpace(r) || r == '\'' || r == '\u2019':
			b.WriteByte('_')
		default:
			return a, false
		}
	}
	a.body = b.String()
	return a, strings.ContainsAny(a.body, "0123456789")
}

// cutCurrency takes a symbol or a code such as EUR off either end. $ and ¥ are
// the money of several countries and name none.
func (a *amountParts) cutCurrency(s string) (string, bool) {
	if len(s) > 3 && isCode(s[:3]) {
		if next, _ := utf8.DecodeRuneInString(s[3:]); !unicode.IsLetter(next) {
			return s[3:], a.name(s[:3])
		}
	}
	if n := len(s) - 3; n > 0 && isCode(s[n:]) {
		if prev, _ := utf8.DecodeLastRuneInString(s[:n]); !unicode.IsLetter(prev) {
			return s[:n], a.name(s[n:])
		}
	}
	runes := []rune(s)
	for _, at := range []int{0, len(runes) - 1} {
		if at < 0 || at >= len(runes) || !unicode.Is(unicode.Sc, runes[at]) {
			continue
		}
		named := map[rune]string{'€': "EUR", '£': "GBP"}[runes[at]]
		return string(runes[:at]) + string(runes[at+1:]), named == "" || a.name(named)
	}
	return s, true
}

// name notes the currency; two different ones are no amount.
func (a *amountParts) name(code string) bool {
	if a.currency != "" && a.currency != code {
		return false
	}
	a.currency = code
	return true
}

func isCode(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return len(s) == 3
}

// places is a number taken apart.
type places struct {
	ok              bool
	whole, fraction string
	open            bool // the only mark may be either; whole and fraction are what stands around it
	mark            byte // the decimal mark, 0 if there is none
	grouped         byte // a mark that must group, 0 if there is none
}

func (a amountParts) places() (p places) {
	whole, body := a.body, a.body
	dots, commas := strings.Count(body, "."), strings.Count(body, ",")
	last := strings.LastIndexAny(body, ".,")
	switch {
	case dots > 0 && commas > 0, dots+commas == 1:
		p.mark = body[last]
		whole, p.fraction = body[:last], body[last+1:]
		if strings.IndexByte(whole, p.mark) >= 0 {
			return p // 1.234,56,78
		}
	}
	if dots+commas == 1 {
		p.open = len(p.fraction) == 3 && len(whole) > 0 && len(whole) <= 3 && whole[0] != '0' && !strings.Contains(body, "_")
	}
	if strings.Contains(p.fraction, "_") {
		return p
	}
	for _, sep := range []string{".", ",", "_"} {
		if !strings.Contains(whole, sep) {
			continue
		}
		parts := strings.Split(whole, sep)
		for i, part := range parts {
			first, final := i == 0, i == len(parts)-1
			if n := len(part); n == 0 || n > 3 || final && n != 3 || !first && !final && n != 2 && n != 3 || strings.ContainsAny(part, ".,_") {
				return p
			}
		}
		whole, p.grouped = strings.Join(parts, ""), sep[0]
	}
	if whole == "" {
		whole = "0"
	}
	p.ok, p.whole = true, whole
	return p
}
