package mailtest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"
)

var (
	first     = strings.Fields("bo kim lena omar ines jan pia tom eva max rui ada lars nils vera otto mara piet yuki sven")
	companies = strings.Fields("northwind.example quayside.example fabrik.example kontor.example brightwater.example alder.example sterling.example meridian.example")
	words     = strings.Fields("offer plan budget quarter team rollout price value review pilot contract call week meeting question answer growth Übersicht Grüße schedule site data engine " +
		"result customer market report support launch travel agenda draft number figure reason detail option change update the a we you to of and for with on is that it as are")
)

// header returns the header of a letter up to its Content-Type, with what mail
// servers put above it on the way in: that is most of it, as everywhere.
func (c *Corpus) header(r *rand.Rand, l Letter, from string, to []string) string {
	var b strings.Builder
	date := l.At.Add(-time.Duration(r.IntN(40)) * time.Second)
	if l.Folder == "INBOX" {
		c.transit(&b, r, l, from, date)
	}
	fmt.Fprintf(&b, "From: %s <%s>\n", name(r), from)
	for i, address := range to {
		if i == 0 {
			fmt.Fprintf(&b, "To: %s <%s>", name(r), address)
		} else {
			fmt.Fprintf(&b, ",\n\t\"%s, %s\" <%s>", strings.ToUpper(pick(r, first)), pick(r, first), address)
		}
	}
	if r.IntN(5) == 0 {
		fmt.Fprintf(&b, "\nCc: %s@%s", pick(r, first), domain(c.Rep))
	}
	subject := sentence(r, 3+r.IntN(6))
	if r.IntN(3) == 0 {
		subject = mime.QEncoding.Encode("utf-8", "Rückfrage: "+subject)
	}
	if l.Kind == Reply {
		subject = "Re: " + subject
		fmt.Fprintf(&b, "\nIn-Reply-To: <%s>\nReferences: <%08x@%s>\n <%s>", l.Answers, r.Uint32(), domain(from), l.Answers)
	}
	fmt.Fprintf(&b, "\nSubject: %s\nDate: %s\nMessage-ID: <%s>\nMIME-Version: 1.0\n", subject, date.UTC().Format(time.RFC1123Z), l.ID)
	switch r.IntN(3) {
	case 0:
		fmt.Fprintf(&b, "Thread-Topic: %s\nThread-Index: %s\nAccept-Language: de-DE, en-US\nContent-Language: de-DE\nX-MS-Has-Attach:\nX-MS-TNEF-Correlator:\n", subject, noise(r, 22))
	case 1:
		b.WriteString("User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0\n")
	default:
		b.WriteString("X-Mailer: Apple Mail (2.3826.300.87)\n")
	}
	return b.String()
}

// transit writes what servers add.
func (c *Corpus) transit(b *strings.Builder, r *rand.Rand, l Letter, from string, date time.Time) {
	fmt.Fprintf(b, "Return-Path: <%s>\nDelivered-To: %s\n", from, c.Rep)
	for hop := range 2 + r.IntN(4) {
		fmt.Fprintf(b, "Received: from mx%d.%s (mx%d.%s [192.0.2.%d])\n\tby in%d.%s (Postfix) with ESMTPS id %s\n\tfor <%s>; %s\n",
			hop, domain(from), hop, domain(from), r.IntN(255), hop, domain(c.Rep), hex.EncodeToString([]byte(noise(r, 6))), c.Rep, date.UTC().Format(time.RFC1123Z))
	}
	signed := "h=from:to:subject:date:message-id:mime-version:content-type:references:in-reply-to;"
	fmt.Fprintf(b, "Authentication-Results: in.%s;\n\tdkim=pass header.d=%s header.s=s1 header.b=%s;\n\tspf=pass smtp.mailfrom=%s\n", domain(c.Rep), domain(from), noise(r, 6), from)
	fmt.Fprintf(b, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=s1;\n\t%s\n\tbh=%s;\n\tb=%s\n", domain(from), signed, noise(r, 32), folded(noise(r, 256)))
	if r.IntN(3) == 0 {
		for i := 1; i <= 1+r.IntN(2); i++ {
			fmt.Fprintf(b, "ARC-Seal: i=%d; a=rsa-sha256; t=%d; cv=none; d=relay.example; s=arc;\n\tb=%s\n", i, date.Unix(), folded(noise(r, 256)))
			fmt.Fprintf(b, "ARC-Message-Signature: i=%d; a=rsa-sha256; c=relaxed/relaxed; d=relay.example; s=arc;\n\t%s\n\tbh=%s; b=%s\n", i, signed, noise(r, 32), folded(noise(r, 256)))
			fmt.Fprintf(b, "ARC-Authentication-Results: i=%d; relay.example; dkim=pass header.i=@%s\n", i, domain(from))
		}
		fmt.Fprintf(b, "X-Microsoft-Antispam-Message-Info: %s\n", folded(noise(r, 900)))
	}
	if l.Kind == Bulk {
		fmt.Fprintf(b, "List-Id: news <news.%s>\nList-Unsubscribe: <https://news.%s/u/%x>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: bulk\n", domain(from), domain(from), r.Uint64())
	}
}

// body returns a letter's text and, for most, its HTML. Together they are of 1
// to 8 KB, encoded.
func (c *Corpus) body(r *rand.Rand, l Letter) (text, page string) {
	size := 200 + r.IntN(1000)
	if l.Kind == Bulk {
		size += 700
	}
	var paragraphs []string
	for length := 0; length < size; {
		p := sentence(r, 20+r.IntN(40))
		paragraphs = append(paragraphs, p)
		length += len(p)
	}
	link := ""
	switch l.Kind {
	case Tracked:
		link = c.Link(l.N)
	case Plain:
		link = c.Page
	case Bulk:
		link = fmt.Sprintf("https://news.example/%x", r.Uint64())
	}
	quote := ""
	if l.Kind == Reply {
		quote = sentence(r, 30)
	}
	text = strings.Join(paragraphs, "\n\n") + "\n"
	if link != "" {
		text += "\nSee " + link + "\n"
	}
	if quote != "" {
		text += "\nOn Monday, somebody wrote:\n> " + quote + "\n"
	}
	text += "\n-- \nKind regards\n"
	if r.IntN(4) == 0 {
		return text, ""
	}
	var b strings.Builder
	b.WriteString(`<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body style="font-family:Calibri,Arial,sans-serif;font-size:11pt">`)
	for _, p := range paragraphs {
		fmt.Fprintf(&b, "<p class=\"MsoNormal\" style=\"margin:0 0 8pt 0\">%s</p>\n", html.EscapeString(p))
	}
	if link != "" {
		fmt.Fprintf(&b, "<p>See <a href=\"%s\">what we spoke of</a></p>\n", html.EscapeString(link))
	}
	if quote != "" {
		fmt.Fprintf(&b, "<div class=\"gmail_quote\"><blockquote type=\"cite\">%s</blockquote></div>\n", html.EscapeString(quote))
	}
	b.WriteString("</body></html>\n")
	return text, b.String()
}

func name(r *rand.Rand) string {
	n := pick(r, first)
	return strings.ToUpper(n[:1]) + n[1:] + " " + strings.ToUpper(pick(r, first))
}

func sentence(r *rand.Rand, length int) string {
	out := make([]string, length)
	for i := range out {
		out[i] = pick(r, words)
	}
	return strings.Join(out, " ") + "."
}

// noise returns base64 of n random bytes.
func noise(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// folded breaks a long value into the lines of a header.
func folded(value string) string {
	var lines []string
	for len(value) > 72 {
		lines = append(lines, value[:72])
		value = value[72:]
	}
	return strings.Join(append(lines, value), "\n\t")
}

func quotedPrintable(text string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}
