package dashboards

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Every table of every page can be kept as a file. A page's main table has more columns
// there than people can read, and all rows (see wantsFile). The others are taken from
// the page as it was rendered: what the file says is what the page says, whoever makes
// the page. A table says by data-file what it is called, "" for the main one, beside
// which the page itself puts its Files. Tables of one name are one in the file.

// Files are the links to a table of this page as CSV and XLSX, under the same filters.
func (f frame) Files(table string) template.HTML {
	path, query, _ := strings.Cut(f.Here, "?")
	v, err := url.ParseQuery(query)
	if err != nil {
		return "" // who asks so gets no page
	}
	what := "the main table"
	v.Del("table")
	if table != "" {
		what = "the table " + strings.ReplaceAll(table, "-", " ")
		v.Set("table", table)
		v.Set("all", "1") // the page may show the first rows only
	}
	var links []string
	for _, format := range []string{"csv", "xlsx"} {
		v.Set("format", format)
		name := strings.ToUpper(format)
		links = append(links, fmt.Sprintf(`<a href="%s" title="%s of %s">%s</a>`,
			template.HTMLEscapeString(path+"?"+v.Encode()), name, template.HTMLEscapeString(what), name))
	}
	return template.HTML(strings.Join(links, " "))
}

var namedTable = regexp.MustCompile(`<table[^>]* data-file="([^"]+)"`)

// withFiles puts the links to its files behind the first table of each name.
func withFiles(page []byte, files func(table string) template.HTML) []byte {
	var out []byte
	done, seen := 0, map[string]bool{}
	for _, m := range namedTable.FindAllSubmatchIndex(page, -1) {
		name := string(page[m[2]:m[3]])
		end := bytes.Index(page[m[0]:], []byte("</table>"))
		if seen[name] || end < 0 {
			continue
		}
		seen[name] = true
		at := m[0] + end + len("</table>")
		out = append(append(out, page[done:at]...), `<p class="links files">`+string(files(html.UnescapeString(name)))+`</p>`...)
		done = at
	}
	return append(out, page[done:]...)
}

// pageTable reads the tables of a rendered page that are called name as one; false if
// the page has none.
func pageTable(page []byte, name string) (Table, bool) {
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return Table{}, false
	}
	var lines [][]pageCell
	var head []string
	found := 0
	for table := range elements(doc, atom.Table) {
		if file, ok := attr(table, "data-file"); !ok || file != name {
			continue
		}
		found++
		for tr := range elements(table, atom.Tr) {
			switch {
			case tr.Parent.DataAtom != atom.Thead:
				lines = append(lines, cellsOf(tr))
			case found == 1:
				for _, c := range cellsOf(tr) {
					head = append(head, c.text)
				}
			}
		}
	}
	return joined(name, head, lines), found > 0
}

// pageCell is a cell of a page: its text, what stands below it in small print, and what
// type it has.
type pageCell struct {
	text, sub string
	value     any // a Figure or a time; nil for text
	currency  string
	form      bool // there is something to do, and nothing to keep
}

// joined makes a table of cells: where some cells of a column have a currency or small
// print, that has a column of its own, and a column of percents says so in its head.
func joined(name string, head []string, lines [][]pageCell) Table {
	t := Table{Name: name}
	wide := len(head)
	for _, l := range lines {
		wide = max(wide, len(l))
	}
	t.Rows = make([][]any, len(lines))
	for x := range wide {
		title := ""
		if x < len(head) {
			title = head[x]
		}
		column := make([]pageCell, len(lines))
		for y, l := range lines {
			if x < len(l) {
				column[y] = l[x]
			}
		}
		has := func(f func(c pageCell) bool) bool { return slices.ContainsFunc(column, f) }
		if has(func(c pageCell) bool { return c.form }) {
			continue
		}
		percents := has(func(c pageCell) bool { return isPercent(c.text) }) && !has(func(c pageCell) bool { return c.text != "" && !isPercent(c.text) })
		if percents {
			title += ", %"
		}
		t.add(title, column, func(c pageCell) any {
			switch {
			case percents:
				return Figure(strings.TrimSuffix(plainDigits(c.text), "%"))
			case c.value != nil:
				return c.value
			}
			return c.text
		})
		if has(func(c pageCell) bool { return c.currency != "" }) {
			t.add(title+": currency", column, func(c pageCell) any { return c.currency })
		}
		if has(func(c pageCell) bool { return c.sub != "" }) {
			t.add(title+": more", column, func(c pageCell) any { return c.sub })
		}
	}
	return t
}

func (t *Table) add(title string, column []pageCell, value func(pageCell) any) {
	t.Columns = append(t.Columns, title)
	for y, c := range column {
		t.Rows[y] = append(t.Rows[y], value(c))
	}
}

// number is a number as pages write it.
var (
	pageNumber = regexp.MustCompile(`^[−+-]?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?$`)
	pageMoney  = regexp.MustCompile(`^([−+-]?)([€$£¥]?)([0-9]{1,3}(?:,[0-9]{3})*(?:\.[0-9]+)?)(?: ([A-Z]{3}))?$`)
)

func isPercent(text string) bool {
	digits, ok := strings.CutSuffix(text, "%")
	return ok && pageNumber.MatchString(digits)
}

// plainDigits writes a page's number as programs do.
func plainDigits(text string) string {
	return strings.NewReplacer(",", "", "−", "-", "+", "").Replace(text)
}

// cellsOf reads the cells of a row; one that spans columns is followed by empty ones.
func cellsOf(tr *html.Node) (cells []pageCell) {
	for n := tr.FirstChild; n != nil; n = n.NextSibling {
		if n.DataAtom != atom.Td && n.DataAtom != atom.Th {
			continue
		}
		cells = append(cells, readCell(n))
		if text, ok := attr(n, "colspan"); ok {
			span, _ := strconv.Atoi(text)
			for range span - 1 {
				cells = append(cells, pageCell{})
			}
		}
	}
	return cells
}

func readCell(n *html.Node) pageCell {
	var c pageCell
	var main, sub strings.Builder
	var moment *html.Node
	money := false
	var walk func(n *html.Node, to *strings.Builder)
	walk = func(n *html.Node, to *strings.Builder) {
		switch {
		case n.Type == html.TextNode:
			to.WriteString(n.Data)
			return
		case n.DataAtom == atom.Svg:
			if label, ok := attr(n, "aria-label"); ok {
				to.WriteString(label)
			}
			return
		case n.DataAtom == atom.Input:
			if kind, _ := attr(n, "type"); kind != "hidden" {
				text, _ := attr(n, "value")
				to.WriteString(text)
			}
			return
		case n.DataAtom == atom.Select:
			to.WriteString(chosenOption(n))
			return
		case n.DataAtom == atom.Form, n.DataAtom == atom.Button:
			c.form = true
			return
		case hasClass(n, "sub"), hasClass(n, "of"), n.DataAtom == atom.P && to.Len() > 0:
			to = &sub
			to.WriteString(" ")
		case n.DataAtom == atom.Time && moment == nil && to == &main:
			moment = n
		case hasClass(n, "money"):
			money = true
		}
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			walk(child, to)
		}
		if n.DataAtom == atom.P || n.DataAtom == atom.Li || n.DataAtom == atom.Summary {
			to.WriteString(" ")
		}
	}
	walk(n, &main)
	c.text, c.sub = strings.Join(strings.Fields(main.String()), " "), strings.Join(strings.Fields(sub.String()), " ")
	if c.text == "–" {
		c.text = ""
	}
	switch m := pageMoney.FindStringSubmatch(c.text); {
	case money && m != nil:
		c.value, c.currency = Figure(plainDigits(m[1]+m[3])), m[4]
		for code, symbol := range symbols {
			if symbol == m[2] && m[2] != "" {
				c.currency = code
			}
		}
	case hasClass(n, "n") && pageNumber.MatchString(c.text):
		c.value = Figure(plainDigits(c.text))
	case moment != nil && c.text == strings.Join(strings.Fields(textOf(moment)), " "):
		stamp, _ := attr(moment, "datetime")
		if at, err := time.Parse(time.RFC3339, stamp); err == nil {
			c.value = at
		}
	}
	return c
}

// chosenOption is the text of the option of a select that is chosen.
func chosenOption(n *html.Node) string {
	text := ""
	for option := range elements(n, atom.Option) {
		if _, selected := attr(option, "selected"); selected {
			return textOf(option)
		}
		if text == "" {
			text = textOf(option)
		}
	}
	return text
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(textOf(c))
	}
	return b.String()
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func hasClass(n *html.Node, class string) bool {
	all, _ := attr(n, "class")
	return slices.Contains(strings.Fields(all), class)
}

// elements are those of one kind below a node, in order.
func elements(n *html.Node, kind atom.Atom) func(yield func(*html.Node) bool) {
	return func(yield func(*html.Node) bool) {
		for d := range n.Descendants() {
			if d.Type == html.ElementNode && d.DataAtom == kind && !yield(d) {
				return
			}
		}
	}
}
