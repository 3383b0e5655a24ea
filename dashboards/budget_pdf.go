package dashboards

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"

	"dealtrail/trail"
)

// Measures of the printed page, in millimetres, and of its text, in points.
const (
	paperWidth, paperHeight = 210.0, 297.0
	paperMargin             = 12.0
	smallText, plainText    = 6.5, 7.5
	lineHeight              = 3.1
)

// shades of grey that print well: text, what is weaker, and lines.
var shades = struct{ text, muted, line int }{28, 100, 205}

// paper is one page of paper that is written from top to bottom.
type paper struct {
	*fpdf.Fpdf
}

// BudgetPDF writes a budget page as a PDF of one A4 page. The same page is the same
// bytes. Letters that the font lacks, which has those of Europe, read "?".
func BudgetPDF(w io.Writer, b trail.Budget) error {
	v := viewOf(b)
	// What is longest is fitted in: the note and the sentences may take more lines than usual.
	for row := 4.9; ; row -= 0.3 {
		p := newPaper(b)
		end := p.budget(v, row)
		if end > paperHeight-paperMargin && row > 3.2 {
			continue
		}
		return p.Output(w)
	}
}

func newPaper(b trail.Budget) *paper {
	f := fpdf.New("P", "mm", "A4", "")
	f.SetCatalogSort(true)
	f.SetCreationDate(b.At)
	f.SetModificationDate(b.At)
	f.SetProducer("dealtrail", true)
	f.SetTitle(known(b.Title), true)
	f.SetLang("en")
	f.AddUTF8FontFromBytes("go", "", goregular.TTF)
	f.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	f.SetMargins(paperMargin, paperMargin, paperMargin)
	f.SetAutoPageBreak(false, 0)
	f.SetCellMargin(0)
	f.AddPage()
	return &paper{f}
}

// budget writes the page, with table rows of the given height, and returns where it
// ends.
func (p *paper) budget(v budgetView, row float64) float64 {
	p.text(budgetQuestion, "", smallText, shades.muted)
	p.text(v.Budget.Title, "B", 13, shades.text)
	p.text(v.Over, "", smallText, shades.muted)
	if v.Budget.Note != "" {
		p.Ln(1)
		p.text(v.Budget.Note, "", plainText, shades.text)
	}
	p.tiles(v.Tiles)
	p.heading("By kind of content")
	kinds := [][]string{}
	for _, k := range v.Kinds {
		kinds = append(kinds, []string{k.Name, orDash(k.Cost), k.Value, k.Range, k.Per, k.PerRange})
	}
	p.table(row, []pdfColumn{{"Kind", 58, "L"}, {"Spent", 24, "R"}, {"Credit", 26, "R"}, {"95 % interval", 38, "R"}, {"Per " + v.Unit + " spent", 20, "R"}, {"95 %", 20, "R"}}, kinds)
	title := "By content"
	if v.Rest != nil {
		title += fmt.Sprintf(", the first %d", len(v.Lines))
	}
	p.heading(title)
	p.table(row, []pdfColumn{{"Content", 48, "L"}, {"Spent", 16, "R"}, {"Credit", 19, "R"}, {"95 % interval", 35, "R"}, {"Per " + v.Unit, 12, "R"}, {"95 %", 22, "R"}, {"Does it move deals?", 34, "R"}}, contentRows(v))
	p.heading("How sure is that?")
	p.sentences(v.Sure)
	p.heading("What it rests on")
	p.sentences(append(append([]string{}, v.Assumed...), fmt.Sprintf("%s; run %s, page %s. These numbers stay as they are, whatever comes later.", v.Made, v.Budget.Run, v.Budget.ID)))
	return p.GetY()
}

func contentRows(v budgetView) (rows [][]string) {
	lines := v.Lines
	if v.Rest != nil {
		lines = append(append([]budgetLine{}, lines...), *v.Rest)
	}
	for _, l := range lines {
		name, lift := l.Name, l.Lift
		if l.Note != "" {
			name += " (" + l.Note + ")"
		}
		if points, _, ok := strings.Cut(l.LiftRange, " points"); ok {
			lift += ", " + points
		}
		rows = append(rows, []string{name, orDash(l.Cost), l.Value, l.Range, l.Per, l.PerRange, lift})
	}
	return rows
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// text writes lines over the whole width.
func (p *paper) text(s, style string, size float64, shade int) {
	p.SetFont("go", style, size)
	p.SetTextColor(shade, shade, shade)
	p.MultiCell(0, size*0.43, known(s), "", "L", false)
}

func (p *paper) heading(s string) {
	p.Ln(1.8)
	p.text(s, "B", 8.5, shades.text)
	p.Ln(0.4)
}

// sentences writes one after the other, each on lines of its own.
func (p *paper) sentences(all []string) {
	for _, s := range all {
		p.text("· "+s, "", smallText, shades.text)
	}
}

// tiles writes numbers with their names beside each other.
func (p *paper) tiles(all []budgetTile) {
	p.Ln(1.5)
	width := (paperWidth - 2*paperMargin) / float64(max(len(all), 1))
	top := p.GetY()
	for i, t := range all {
		x := paperMargin + float64(i)*width
		p.SetDrawColor(shades.line, shades.line, shades.line)
		p.Rect(x, top, width, 12, "D")
		for _, line := range []struct {
			y, size     float64
			style, text string
			shade       int
		}{{0.8, smallText, "", t.Name, shades.muted}, {3.8, 10, "B", t.Number, shades.text}, {8.2, smallText, "", t.Sub, shades.muted}} {
			p.SetXY(x+2, top+line.y)
			p.SetFont("go", line.style, line.size)
			p.SetTextColor(line.shade, line.shade, line.shade)
			p.CellFormat(width-4, lineHeight, p.fit(line.text, width-4), "", 0, "L", false, 0, "")
		}
	}
	p.SetXY(paperMargin, top+12)
}

// pdfColumn is one column of a table: its head, width and alignment.
type pdfColumn struct {
	head  string
	width float64
	align string
}

func (p *paper) table(row float64, columns []pdfColumn, rows [][]string) {
	p.SetDrawColor(shades.line, shades.line, shades.line)
	p.SetFont("go", "", smallText)
	p.SetTextColor(shades.muted, shades.muted, shades.muted)
	for _, c := range columns {
		p.CellFormat(c.width, lineHeight+0.6, c.head, "B", 0, c.align, false, 0, "")
	}
	p.Ln(-1)
	p.SetFont("go", "", min(plainText, row*1.9))
	p.SetTextColor(shades.text, shades.text, shades.text)
	for _, cells := range rows {
		for i, c := range columns {
			p.CellFormat(c.width, row, p.fit(cells[i], c.width-1), "B", 0, c.align, false, 0, "")
		}
		p.Ln(-1)
	}
}

// fit shortens a text to a width.
func (p *paper) fit(s string, width float64) string {
	s = known(s)
	if p.GetStringWidth(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && p.GetStringWidth(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimSpace(string(runes)) + "…"
}

var pdfFont = sync.OnceValue(func() *sfnt.Font {
	f, err := sfnt.Parse(goregular.TTF)
	if err != nil {
		panic("dashboards: " + err.Error()) // it is compiled in
	}
	return f
})

// known replaces what the font has no letter for.
func known(s string) string {
	var b sfnt.Buffer
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		if i, err := pdfFont().GlyphIndex(&b, r); err != nil || i == 0 {
			return '?'
		}
		return r
	}, s)
}
