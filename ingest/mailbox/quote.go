package mailbox

import (
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// line is one visible line of a message.
type line struct {
	text  string   // at most maxMarker bytes, for finding the edges of quotes
	links []string // where it leads
	depth int      // 0: written by the sender; more: quoted
}

// maxMarker is how much of a line can matter to the edges of quotes.
const maxMarker = 400

var webLink = regexp.MustCompile(`(?i)(?:https?://|www\.)[^\s<>"]+`)

// textLines reads plain text. Lines that begin with > are quoted.
func textLines(src string) []line {
	var lines []line
	for text := range strings.SplitSeq(src, "\n") {
		l := line{links: linksIn(text)}
		text = strings.TrimSpace(text)
		for text != "" && text[0] == '>' {
			l.depth++
			text = strings.TrimSpace(text[1:])
		}
		l.text = cut(text, maxMarker)
		lines = append(lines, l)
	}
	edges(lines)
	return lines
}

// linksIn returns the links in plain text, without the punctuation that ends
// the sentence around them.
func linksIn(text string) []string {
	if !strings.Contains(text, "://") && !strings.Contains(text, "www.") && !strings.Contains(text, "WWW.") && !strings.Contains(text, "Www.") {
		return nil // what is sought is rare, and the expression slow
	}
	var out []string
	for _, link := range webLink.FindAllString(text, -1) {
		link = strings.TrimRight(link, ".,;:!?'`*_]}")
		if strings.HasSuffix(link, ")") && !strings.Contains(link, "(") {
			link = strings.TrimRight(link, ").,;:!?")
		}
		if strings.EqualFold(link[:4], "www.") {
			link = "http://" + link
		}
		out = append(out, link)
	}
	return out
}

// htmlLines reads HTML as a mail program shows it: text in lines, with the
// links of each. Links in the text count only outside of anchors: what an
// anchor says need not be where it leads.
func htmlLines(src string) []line {
	w := htmlWalk{tokens: html.NewTokenizer(strings.NewReader(src))}
	for {
		switch kind := w.tokens.Next(); kind {
		case html.ErrorToken:
			w.flush()
			edges(w.lines)
			return w.lines
		case html.TextToken:
			w.say(string(w.tokens.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			w.start(kind == html.SelfClosingTagToken)
		case html.EndTagToken:
			name, _ := w.tokens.TagName()
			w.end(string(name))
		}
	}
}

type htmlWalk struct {
	tokens *html.Tokenizer
	lines  []line
	links  []string
	shown  strings.Builder // the line's text
	loose  strings.Builder // the part of it outside of anchors
	anchor bool
	mute   string // inside script or style, the tag that ends it
	quotes []quote
	rest   int // edges after which everything is quoted
}

// quote is an open element that quotes: its tag, and how many of that tag are
// open within it.
type quote struct {
	tag  string
	open int
}

func (w *htmlWalk) say(text string) {
	if w.mute != "" {
		return
	}
	text = strings.Join(strings.Fields(text), " ")
	if w.shown.Len() < maxMarker {
		w.shown.WriteString(text + " ")
	}
	if !w.anchor {
		w.loose.WriteString(text + " ")
	}
}

func (w *htmlWalk) flush() {
	l := line{text: cut(strings.TrimSpace(w.shown.String()), maxMarker), depth: len(w.quotes) + w.rest}
	l.links = append(w.links, linksIn(w.loose.String())...)
	if l.text != "" || len(l.links) > 0 {
		w.lines = append(w.lines, l)
	}
	w.links = nil
	w.shown.Reset()
	w.loose.Reset()
}

func (w *htmlWalk) start(closed bool) {
	name, more := w.tokens.TagName()
	tag := string(name)
	if blocks[tag] {
		w.flush()
	}
	attrs := map[string]string{}
	for more {
		var key, value []byte
		key, value, more = w.tokens.TagAttr()
		switch k := string(key); k {
		case "href", "src", "class", "id", "type":
			attrs[k] = string(value)
		}
	}
	if id := strings.ToLower(attrs["id"]); strings.HasSuffix(id, "divrplyfwdmsg") || strings.HasSuffix(id, "mail-editor-reference-message-container") {
		w.flush()
		w.rest++
	}
	switch {
	case tag == "script" || tag == "style" || tag == "title":
		w.mute = tag
	case tag == "a":
		w.anchor = !closed
	case quotes(tag, attrs):
		w.quotes = append(w.quotes, quote{tag: tag, open: 1})
	case len(w.quotes) > 0 && !closed && w.quotes[len(w.quotes)-1].tag == tag:
		w.quotes[len(w.quotes)-1].open++
	}
	link := attrs["href"]
	if tag == "img" {
		link = attrs["src"]
	}
	if link != "" && tag != "link" && tag != "base" {
		// Browsers drop these within an address, and mail programs put them there.
		w.links = append(w.links, strings.NewReplacer("\r", "", "\n", "", "\t", "").Replace(strings.TrimSpace(link)))
	}
}

func (w *htmlWalk) end(tag string) {
	if blocks[tag] {
		w.flush()
	}
	if tag == "a" {
		w.anchor = false
	}
	if tag == w.mute {
		w.mute = ""
	}
	if n := len(w.quotes); n > 0 && w.quotes[n-1].tag == tag {
		if w.quotes[n-1].open--; w.quotes[n-1].open == 0 {
			w.quotes = w.quotes[:n-1]
		}
	}
}

// blocks are the elements that begin and end a line.
var blocks = map[string]bool{
	"p": true, "div": true, "br": true, "hr": true, "li": true, "ul": true, "ol": true, "tr": true, "td": true, "table": true,
	"blockquote": true, "pre": true, "body": true, "h1": true, "h2": true, "h3": true, "h4": true, "section": true, "center": true,
}

// quotes reports whether an element is how some mail program quotes.
func quotes(tag string, attrs map[string]string) bool {
	class := strings.ToLower(attrs["class"])
	if tag == "blockquote" {
		return strings.EqualFold(attrs["type"], "cite") || strings.Contains(class, "quote")
	}
	for _, mark := range []string{"gmail_quote", "yahoo_quoted", "protonmail_quote", "moz-forward-container", "zmail_extra"} {
		if tag == "div" && strings.Contains(class, mark) {
			return true
		}
	}
	return tag == "div" && strings.EqualFold(attrs["id"], "OLK_SRC_BODY_SECTION")
}

var (
	divider     = regexp.MustCompile(`(?i)^(?:[-_]{2,} ?(?:original message|forwarded message|original appointment|ursprüngliche nachricht|weitergeleitete nachricht|message d'origine|message transféré|mensaje original|mensaje reenviado|messaggio originale|messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht|mensagem original|ursprungligt meddelande) ?[-_]{2,}|begin forwarded message:|anfang der weitergeleiteten nachricht:|début du message réexpédié ?:)`)
	attribution = regexp.MustCompile(`(?i)^(?:on|am|le|el|il|op|em|den|på|w dniu) .*\d.*(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napisał\(a\)).*:$`)
)

// sender and headers are the labels of the block of headers that some mail
// programs put above what they quote.
var (
	sender  = words("from von de da van från fra od")
	headers = words("sent date to cc subject gesendet datum an betreff envoyé à objet enviado enviada el para asunto assunto " +
		"inviato data a oggetto verzonden aan onderwerp skickat till ämne sendt til emne wysłano do temat")
)

func words(list string) map[string]bool {
	out := map[string]bool{}
	for _, word := range strings.Fields(list) {
		out[word] = true
	}
	return out
}

// edges deepens every line after the edge of a quote that words mark instead
// of elements or >.
func edges(lines []line) {
	deeper := 0
	for i := range lines {
		if edge(lines, i) {
			deeper++
		}
		lines[i].depth += deeper
	}
}

// edge reports whether a quote begins at line i of which nothing else tells the
// end. Lines after i still have the depth that elements and > gave them.
func edge(lines []line, i int) bool {
	text := lines[i].text
	if divider.MatchString(text) {
		return true
	}
	if sender[label(text)] {
		block := 0
		for _, l := range lines[i+1 : min(i+9, len(lines))] {
			if headers[label(l.text)] {
				block++
			}
		}
		return block >= 2
	}
	for n := 1; n <= 3 && i+n <= len(lines); n++ { // mail programs wrap the sentence
		if n > 1 {
			text += " " + lines[i+n-1].text
		}
		if len(text) < 2*maxMarker && strings.HasSuffix(text, ":") && attribution.MatchString(text) {
			return !quotedAfter(lines, i+n, lines[i].depth)
		}
	}
	return false
}

// label returns the word before the colon near the beginning of a line, in lower
// case, or "".
func label(text string) string {
	i := strings.IndexByte(text[:min(len(text), 20)], ':')
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.Trim(text[:i], " *\u00a0"))
}

// quotedAfter reports whether the first line with text from i on is deeper: the
// quote has an end of its own, and what follows it may be the sender's.
func quotedAfter(lines []line, i, depth int) bool {
	for _, l := range lines[i:min(i+20, len(lines))] {
		if l.text != "" || len(l.links) > 0 {
			return l.depth > depth
		}
	}
	return true
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
