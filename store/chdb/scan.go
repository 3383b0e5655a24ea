package chdb

import "strings"

// shape is what the server must know of a statement before it can run it. It is a scan for words, not a parser: the
// engine judges the rest.
type shape struct {
	verb    string // first word in capitals: SELECT, INSERT, CREATE; "(" when the statement begins with a bracket
	format  string // name after FORMAT, as written; empty without one
	several bool   // a second statement follows a semicolon

	// Of an INSERT only: offsets into the text.
	rows     string // what brings the rows: FORMAT, VALUES, SELECT, or empty
	infileAt int    // where FROM INFILE belongs: before SETTINGS and FORMAT
	dataAt   int    // where inlined rows begin, after FORMAT name
}

// shapeOf scans sql. In an INSERT it stops where rows begin: they may hold any bytes.
func shapeOf(sql string) shape {
	s := shape{infileAt: -1}
	var before string // the word before, in capitals
	var ended bool
	words(sql, func(text string, from, to int) bool {
		upper := strings.ToUpper(text)
		if s.verb == "INSERT" && (before == "INTO" || before == "TABLE") && upper != "TABLE" && upper != "FUNCTION" {
			before = "" // a table may be named like a keyword
			return true
		}
		defer func() { before = upper }()
		switch {
		case ended:
			s.several = s.several || text != ";"
		case s.verb == "":
			s.verb = upper
		case text == ";":
			ended = true
		case before == "FORMAT":
			s.format = text
			if s.verb == "INSERT" && s.rows == "FORMAT" {
				s.dataAt = to
				return false
			}
		case s.verb == "INSERT":
			return s.insertWord(upper, from)
		}
		return true
	})
	return s
}

// insertWord takes note of a word that may begin a clause of an INSERT, and says whether to scan on.
func (s *shape) insertWord(upper string, from int) bool {
	switch upper {
	case "SETTINGS", "FORMAT":
		if s.infileAt < 0 {
			s.infileAt = from
		}
		if upper == "FORMAT" && s.rows == "" {
			s.rows = "FORMAT"
		}
	case "VALUES":
		if s.rows == "" {
			s.rows = "VALUES"
			return false
		}
	case "SELECT", "WITH", "FROM":
		if s.rows == "" {
			s.rows = "SELECT"
		}
	}
	return true
}

// words calls visit for each bare word, dots included, and each top-level semicolon, that is outside quotes, comments and brackets,
// until visit returns false. A bracket that opens the text is visited as "(".
func words(sql string, visit func(text string, from, to int) bool) {
	depth, first := 0, true
	for i := 0; i < len(sql); {
		next := skip(sql, i)
		if next > i {
			i = next
			continue
		}
		switch c := sql[i]; {
		case c == '(' || c == '[' || c == '{':
			if first && !visit("(", i, i+1) {
				return
			}
			first = false
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == ';' && depth <= 0:
			if !visit(";", i, i+1) {
				return
			}
		case wordByte(c):
			for next = i + 1; next < len(sql) && wordByte(sql[next]); {
				next++
			}
			if depth <= 0 && !visit(sql[i:next], i, next) {
				return
			}
			first = false
			i = next
			continue
		}
		i++
	}
}

func wordByte(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// skip returns the offset after the quoted text or comment that begins at i, or i when none does.
func skip(sql string, i int) int {
	rest := sql[i:]
	switch {
	case rest[0] == '\'' || rest[0] == '"' || rest[0] == '`':
		for j := 1; j < len(rest); j++ {
			if rest[j] == '\\' {
				j++
			} else if rest[j] == rest[0] {
				return i + j + 1 // a doubled quote just begins the next quoted text
			}
		}
		return len(sql)
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
		return after(sql, i, "\n")
	case strings.HasPrefix(rest, "/*"):
		return after(sql, i+2, "*/")
	case rest[0] == '$':
		if end := strings.IndexByte(rest[1:], '$'); end >= 0 { // a heredoc: $tag$ text $tag$
			tag := rest[:end+2]
			noWord := func(r rune) bool { return r < 0x80 && !wordByte(byte(r)) }
			if strings.IndexFunc(tag[1:len(tag)-1], noWord) < 0 && strings.Contains(rest[len(tag):], tag) {
				return after(sql, i+len(tag), tag)
			}
		}
	}
	return i
}

// after returns the offset behind the next mark from i on, or the end of sql.
func after(sql string, i int, mark string) int {
	if at := strings.Index(sql[i:], mark); at >= 0 {
		return i + at + len(mark)
	}
	return len(sql)
}
