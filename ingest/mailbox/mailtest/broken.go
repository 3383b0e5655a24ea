package mailtest

import (
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Odd is a mail that some program, gateway or person broke, or a sound one that
// lies between such.
type Odd struct {
	Mail
	N      int
	Name   string // what is broken; "sound" if nothing is
	Folder string
	Large  bool // it is larger than memory should be for it
}

// Sound reports whether nothing is wrong with the mail.
func (o *Odd) Sound() bool { return o.Name == sound }

const sound = "sound"

// Broken is 500 mails that are broken, and a sound one after every fifth. Each
// has a number of its own, which is in the addresses of its outside people, as
// b17@northwind.example. It is the same for the same fields.
type Broken struct {
	Seed  uint64
	Rep   string
	At    time.Time          // when the first arrived
	Link  func(n int) string // the tracked link of mail n
	Large int                // bytes of the one large attachment; 0: 100 MB
}

// All returns the mails in the order they arrived.
func (c *Broken) All() iter.Seq[Odd] {
	return func(yield func(Odd) bool) {
		n, turn := 0, 0
		next := func(name string, in int, make func(*odd) io.WriterTo) bool {
			o := odd{n: n, turn: turn, rep: c.Rep, link: c.Link(n), large: c.Large, inbox: in%3 == 2, at: c.At.Add(time.Duration(n) * time.Second)}
			folder := SentFolder
			if o.inbox {
				folder = "INBOX"
			}
			write := func(w io.Writer) error {
				made := o
				made.r = rand.New(rand.NewPCG(c.Seed, uint64(made.n)))
				_, err := make(&made).WriteTo(w)
				return err
			}
			mail := Mail{Write: write, At: o.at, Flags: "S"}
			n++
			return yield(Odd{Mail: mail, N: o.n, Name: name, Folder: folder, Large: name == largeAttachment})
		}
		for i := range 500 {
			kind := kinds[i%len(kinds)]
			turn = i / len(kinds)
			if i < len(rare) {
				kind = rare[i]
			}
			if !next(kind.name, i, kind.make) {
				return
			}
			if i%5 == 4 && !next(sound, i/5, (*odd).sound) {
				return
			}
		}
	}
}

// In returns what a folder has of the mails, for Deliver.
func (c *Broken) In(folder string) iter.Seq[Mail] {
	return func(yield func(Mail) bool) {
		for o := range c.All() {
			if o.Folder == folder && !yield(o.Mail) {
				return
			}
		}
	}
}

// odd is what a broken mail is made of.
type odd struct {
	n     int
	turn  int // how many of the kind came before
	rep   string
	link  string
	large int
	inbox bool
	at    time.Time
	r     *rand.Rand
}

// one returns one of several ways to break the same thing, each in its turn.
func (o *odd) one(ways ...string) string { return ways[o.turn%len(ways)] }

func (o *odd) outside() string { return fmt.Sprintf("b%d@northwind.example", o.n) }

func (o *odd) id() string { return fmt.Sprintf("odd-%d@%s", o.n, domain(o.rep)) }

// field is a header field; without a name, a line as it stands.
type field struct{ name, value string }

// head returns a header with some fields replaced, or left out if they are
// empty, and others added at the end.
func (o *odd) head(change ...field) string {
	from, to := o.rep, o.outside()
	if o.inbox {
		from, to = to, from
	}
	fields := []field{
		{"From", "<" + from + ">"},
		{"To", "<" + to + ">"},
		{"Subject", "mail " + fmt.Sprint(o.n)},
		{"Date", o.at.UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + o.id() + ">"},
	}
	if o.inbox {
		fields = append(fields, field{"In-Reply-To", "<" + answeredByOdd + ">"})
	}
	fields = append(fields, field{"MIME-Version", "1.0"})
	for _, c := range change {
		i := slices.IndexFunc(fields, func(f field) bool { return c.name != "" && f.name == c.name })
		if i < 0 {
			fields = append(fields, c)
		} else {
			fields[i] = c
		}
	}
	var b strings.Builder
	for _, f := range fields {
		switch {
		case f.name == "":
			b.WriteString(f.value + "\n")
		case f.value != "":
			b.WriteString(f.name + ": " + f.value + "\n")
		}
	}
	return b.String()
}

// answeredByOdd is the Message-ID of the first sound mail, which comes sixth
// and is in Sent.
const answeredByOdd = "odd-5@harbor.example"

// say is the text of a mail: a link, which in an answer is quoted.
func (o *odd) say() string {
	if o.inbox {
		return "Thanks!\n\n> " + o.link + "\n"
	}
	return "Hello,\n\n" + o.link + "\n"
}

func (o *odd) page() string {
	if o.inbox {
		return `<p>Thanks!</p><blockquote type="cite"><a href="` + o.link + `">it</a></blockquote>`
	}
	return `<p>Hello</p><a href="` + o.link + `">it</a>`
}

// mail returns a whole mail.
func (o *odd) mail(body string, change ...field) io.WriterTo {
	return strings.NewReader(o.head(change...) + "\n" + body)
}

// multipart returns a mail of parts, each of which has its header.
func (o *odd) multipart(kind, end string, parts ...string) io.WriterTo {
	body := ""
	for _, p := range parts {
		body += "--edge\n" + p + "\n"
	}
	return o.mail(body+end, field{"Content-Type", "multipart/" + kind + `; boundary="edge"`})
}

// part returns a text part with the usual text.
func (o *odd) part(headers ...string) string {
	return strings.Join(append(headers, ""), "\n") + "\n" + o.say()
}

func (o *odd) sound() io.WriterTo {
	return o.multipart("alternative", "--edge--\n", o.part("Content-Type: text/plain; charset=utf-8"),
		"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"+quotedPrintable(o.page()))
}
