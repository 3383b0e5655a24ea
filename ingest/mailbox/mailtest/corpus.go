package mailtest

import (
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"mime"
	"strings"
	"time"
)

// Kind is what a letter of a corpus is.
type Kind string

// The kinds of letters. The rep wrote those of the first line.
const (
	Tracked, Plain, File, Personal = Kind("tracked"), Kind("plain"), Kind("file"), Kind("personal")
	Reply, Internal, Bulk, Other   = Kind("reply"), Kind("internal"), Kind("bulk"), Kind("other")
)

// shares are how many of 1000 letters are of a kind.
var shares = []struct {
	kind Kind
	of   int
}{{Tracked, 120}, {Plain, 40}, {File, 5}, {Personal, 215}, {Reply, 120}, {Internal, 220}, {Bulk, 160}, {Other, 120}}

// Corpus is a made-up mailbox of a rep: such mail as salespeople have, the same
// for the same fields. Of 20,000 letters, with attachments as they are by
// default, it has some 760 MB.
type Corpus struct {
	Seed   uint64
	Mails  int
	Rep    string             // who writes, by address; colleagues have the same domain
	Until  time.Time          // when the last letter arrived
	Span   time.Duration      // how long before that the first did
	Link   func(n int) string // the tracked link in letter n, which is Tracked
	Page   string             // what letters that are Plain link to
	File   []byte             // what letters that are File have attached
	Attach [2]int             // least and most bytes of other attachments; zero: 50 KB to 2 MB; {-1}: none
}

// Letter is one mail of a corpus.
type Letter struct {
	Mail
	N       int
	Kind    Kind
	Folder  string
	ID      string   // Message-ID, without brackets
	Outside []string // recipients outside the rep's company, or the outside sender
	Answers string   // the Message-ID that a Reply answers, or ""
}

// Letters returns the mails one by one, each made when it is written.
func (c *Corpus) Letters() iter.Seq[Letter] {
	return func(yield func(Letter) bool) {
		answered := "" // the last letter with a tracked link, if any
		for n := range c.Mails {
			l := c.letter(n, answered)
			if l.Kind == Tracked {
				answered = l.ID
			}
			if !yield(l) {
				return
			}
		}
	}
}

// In returns what a folder has of the letters, for Deliver.
func (c *Corpus) In(folder string) iter.Seq[Mail] {
	return func(yield func(Mail) bool) {
		for l := range c.Letters() {
			if l.Folder == folder && !yield(l.Mail) {
				return
			}
		}
	}
}

func (c *Corpus) rand(n int) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, uint64(n))) }

func (c *Corpus) letter(n int, answered string) Letter {
	r := c.rand(n)
	l := Letter{N: n, Kind: kind(r.IntN(1000)), Folder: "INBOX"}
	if l.Kind == Reply && answered == "" {
		l.Kind = Other
	}
	l.At = c.Until.Add(-c.Span + time.Duration(float64(c.Span)*float64(n+1)/float64(c.Mails))).Truncate(time.Second)
	l.Flags = []string{"S", "S", "S", "RS", "FS", ""}[r.IntN(6)]
	from, to := c.Rep, []string{}
	switch l.Kind {
	case Tracked, Plain, File, Personal:
		l.Folder, l.Flags = SentFolder, "S"
		for range 1 + max(0, r.IntN(8)-5) {
			l.Outside = append(l.Outside, fmt.Sprintf("%s.%d@%s", pick(r, first), n%997+len(l.Outside), pick(r, companies)))
		}
		to = l.Outside
	case Internal:
		from, to = pick(r, first)+"@"+domain(c.Rep), []string{c.Rep}
	default:
		l.Outside = []string{fmt.Sprintf("%s.%d@%s", pick(r, first), n%997, pick(r, companies))}
		from, to = l.Outside[0], []string{c.Rep}
		if l.Kind == Reply {
			l.Answers = answered
		}
	}
	l.ID = fmt.Sprintf("%08x.%d@%s", r.Uint32(), n, domain(from))
	l.Write = func(w io.Writer) error { return c.write(w, l, from, to) }
	return l
}

func kind(at int) Kind {
	for _, s := range shares {
		if at -= s.of; at < 0 {
			return s.kind
		}
	}
	return Other
}

// write writes a letter. It has random numbers of its own, so that the letter is
// the same however often it is written.
func (c *Corpus) write(w io.Writer, l Letter, from string, to []string) error {
	r := rand.New(rand.NewPCG(c.Seed^0x9e3779b97f4a7c15, uint64(l.N)))
	head := c.header(r, l, from, to)
	text, html := c.body(r, l)
	attachment := c.attachment(r, l)
	mark := fmt.Sprintf("=_%016x_", r.Uint64())
	var b strings.Builder
	b.WriteString(head)
	if attachment != nil {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"%smixed\"\n\nThis is a multi-part message in MIME format.\n--%smixed\n", mark, mark)
	}
	if html == "" {
		b.WriteString("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + text)
	} else {
		fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=\"%salt\"\n\n--%salt\n", mark, mark)
		b.WriteString("Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: quoted-printable\n\n" + quotedPrintable(text))
		fmt.Fprintf(&b, "\n--%salt\n", mark)
		if r.IntN(3) == 0 {
			b.WriteString("Content-Type: text/html; charset=\"utf-8\"\nContent-Transfer-Encoding: base64\n\n")
			b.WriteString(wrapped([]byte(html)))
		} else {
			b.WriteString("Content-Type: text/html; charset=\"utf-8\"\nContent-Transfer-Encoding: quoted-printable\n\n" + quotedPrintable(html))
		}
		fmt.Fprintf(&b, "\n--%salt--\n", mark)
	}
	if attachment != nil {
		name, kind := fmt.Sprintf("%s %d.pdf", pick(r, words), l.N), "application/pdf"
		if l.Kind == File {
			name = "roi-guide.pdf"
		} else if r.IntN(4) == 0 {
			name, kind = mime.BEncoding.Encode("utf-8", "Übersicht "+name), "application/vnd.openxmlformats-officedocument.presentationml.presentation"
		}
		fmt.Fprintf(&b, "\n--%smixed\nContent-Type: %s; name=\"%s\"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"%s\"\n\n", mark, kind, name, name)
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
		if err := base64Lines(w, attachment); err != nil {
			return err
		}
		b.Reset()
		fmt.Fprintf(&b, "\n--%smixed--\n", mark)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// attachment returns what a letter has attached, or nil. Of a hundred letters
// fifteen have something; most of it is small.
func (c *Corpus) attachment(r *rand.Rand, l Letter) []byte {
	if l.Kind == File {
		return c.File
	}
	if c.Attach[0] < 0 || l.Kind == Bulk || r.IntN(1000) >= 175 {
		return nil
	}
	least, most := 50_000.0, 2_000_000.0
	if c.Attach[1] > 0 {
		least, most = float64(c.Attach[0]), float64(c.Attach[1])
	}
	content := make([]byte, int(least*math.Pow(most/least, math.Pow(r.Float64(), 5.3))))
	var seed [32]byte
	copy(seed[:], fmt.Sprint(r.Uint64()))
	rand.NewChaCha8(seed).Read(content)
	copy(content, "%PDF-1.7\n")
	return content
}

// base64Lines writes base64 in lines as mail has them.
func base64Lines(w io.Writer, content []byte) error {
	const perLine = 57
	lines := make([]byte, 0, 64<<10)
	for len(content) > 0 {
		n := min(perLine, len(content))
		lines = append(base64.StdEncoding.AppendEncode(lines, content[:n]), '\n')
		content = content[n:]
		if len(lines) > 63<<10 || len(content) == 0 {
			if _, err := w.Write(lines); err != nil {
				return err
			}
			lines = lines[:0]
		}
	}
	return nil
}

func wrapped(content []byte) string {
	var b strings.Builder
	base64Lines(&b, content)
	return b.String()
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }
