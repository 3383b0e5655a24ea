package mailtest

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

type oddKind struct {
	name string
	make func(*odd) io.WriterTo
}

const largeAttachment = "a 100 MB attachment"

// rare are kinds that one or two mails of are enough.
var rare = []oddKind{
	{"10,000 recipients", (*odd).crowd},
	{"deeply nested multipart", func(o *odd) io.WriterTo { return o.nested(3000) }},
	{"header over 1 MB", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"X-Long", strings.Repeat("abcdefghij ", 120_000)})
	}},
	{largeAttachment, (*odd).huge},
	{"many header lines", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"", strings.Repeat("X-Line: abc\n", 100_000) + "X-End: x"})
	}},
	{"10,000 recipients", (*odd).crowd},
	{"a line of 5 MB", func(o *odd) io.WriterTo { return o.mail(o.say() + strings.Repeat("word ", 1<<20)) }},
	{"2,000 parts", func(o *odd) io.WriterTo {
		parts := []string{o.part("Content-Type: text/plain")}
		for range 2000 {
			parts = append(parts, "Content-Type: text/plain\n\nx")
		}
		return o.multipart("mixed", "--edge--\n", parts...)
	}},
}

// kinds are what else gets broken, in some way each time.
var kinds = []oddKind{
	{"truncated multipart", func(o *odd) io.WriterTo {
		return o.multipart("mixed", "", o.part("Content-Type: text/plain"), "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjc"+o.one("", "\n--ed", "\n--edge", "\n--edge\nContent-Ty"))
	}},
	{"empty boundary", func(o *odd) io.WriterTo {
		return o.mail("--\n"+o.part("Content-Type: text/plain")+"\n----\n", field{"Content-Type", "multipart/mixed; boundary=" + o.one(`""`, "", `" "`)})
	}},
	{"no boundary", func(o *odd) io.WriterTo {
		return o.mail("--edge\n"+o.part("Content-Type: text/plain")+"\n--edge--\n", field{"Content-Type", "multipart/" + o.one("mixed", "alternative; charset=utf-8", "related;")})
	}},
	{"missing closing boundary", func(o *odd) io.WriterTo {
		return o.multipart(o.one("mixed", "alternative"), "", o.part("Content-Type: text/plain"))
	}},
	{"boundary that never comes", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Content-Type", "multipart/mixed; boundary=never"})
	}},
	{"no parts at all", func(o *odd) io.WriterTo {
		return o.multipart(o.one("mixed", "alternative", "report; report-type=delivery-status"), o.one("--edge--\n", "", "--edge\n--edge--\n"))
	}},
	{"unknown charset", func(o *odd) io.WriterTo {
		return o.mail(o.say()+"Gr\xfc\xdfe\n", field{"Content-Type", "text/plain; charset=" + o.one("x-foo", "ansi", "utf-7", "cp-850", `"iso-8859-1`, "cp932", "=?utf-8?q?utf-8?=")})
	}},
	{"unknown transfer encoding", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Content-Type", "text/plain; charset=utf-8"}, field{"Content-Transfer-Encoding", o.one("8-bit", "utf-8", "7bit; x", "none", "quoted-printable base64", "x-uuencode")})
	}},
	{"junk header line", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"", o.one("this is no header", ": x", "\x01\x02", "X Y Z: spaces", "=====", "no colon\n\tand folded")}, field{"Content-Type", "text/plain"})
	}},
	{"junk as first line", func(o *odd) io.WriterTo {
		return strings.NewReader(o.one("From ana Mon Mar  2 10:00:00 2026\n", ">From ana\n", "junk\n", "\tfolded from nowhere\n", " \n") + o.head() + "\n" + o.say())
	}},
	{"junk in parameters", func(o *odd) io.WriterTo {
		return o.mail("--edge\n"+o.part("Content-Type: text/plain; ; =; charset=utf-8;;")+"\n--edge--\n", field{"Content-Type", "multipart/mixed; ; =; boundary=edge; x"})
	}},
	{"bad addresses", (*odd).addresses},
	{"no Message-ID", func(o *odd) io.WriterTo { return o.mail(o.say(), field{"Message-ID", ""}) }},
	{"the Message-ID of another", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Message-ID", "<the-same@harbor.example>"})
	}},
	{"two Message-IDs", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Message-Id", fmt.Sprintf("<second-%d@harbor.example>", o.n)})
	}},
	{"odd Message-ID", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Message-ID", fmt.Sprintf(o.one("<no at %d>", "bare-%d", "<\"quoted %d\"@x>", "<<%d@x>>", "<%d@x", "<>%.0d"), o.n)})
	}},
	{"nested multipart", func(o *odd) io.WriterTo { return o.nested(20 + o.r.IntN(80)) }},
	{"nested message/rfc822", (*odd).matryoshka},
	{"NUL bytes", (*odd).nul},
	{"bare CR", func(o *odd) io.WriterTo {
		switch o.n % 3 {
		case 0:
			return strings.NewReader(strings.ReplaceAll(o.head()+"\n"+o.say(), "\n", "\r\n") + "a\rb\r\rc\r")
		case 1:
			return strings.NewReader(strings.ReplaceAll(o.head()+"\n"+o.say(), "\n", "\r"))
		}
		return o.mail("a\rb\n"+o.say(), field{"X-CR", "a\rb"})
	}},
	{"long lines", func(o *odd) io.WriterTo {
		return o.mail(o.say()+strings.Repeat(o.one("x", "x ", "https://x.example/c/", "<"), 40_000), field{"X-Long", strings.Repeat("y", 20_000)})
	}},
	{"winmail.dat", func(o *odd) io.WriterTo {
		return o.multipart("mixed", "--edge--\n", o.part("Content-Type: text/plain"),
			"Content-Type: application/ms-tnef; name=\"winmail.dat\"\nContent-Disposition: attachment; filename=winmail.dat\nContent-Transfer-Encoding: base64\n\n"+wrapped([]byte("\x78\x9f\x3e\x22"+o.link)))
	}},
	{"opaque S/MIME", func(o *odd) io.WriterTo {
		return o.mail(wrapped([]byte("\x30\x80\x06\x09"+o.say())), field{"Content-Type", "application/pkcs7-mime; smime-type=" + o.one("enveloped-data", "signed-data") + "; name=smime.p7m"},
			field{"Content-Transfer-Encoding", "base64"}, field{"Content-Disposition", "attachment; filename=smime.p7m"})
	}},
	{"odd file name", (*odd).fileName},
	{"empty mail", func(o *odd) io.WriterTo {
		return strings.NewReader(o.one("", "\n", "\n\n\n", o.head(), "\r\n", o.head()+"\n"))
	}},
	{"odd date", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Date", o.one("", "yesterday", "Mon, 02 Mar 2099 10:00:00 +0000", "32 Foo 2026 99:99:99", "Thu, 01 Jan 1970 00:00:00 +0000", "Mon, 02 Mar 0026 10:00:00 GMT", "\"", "Mon, 2 Mar 2026 10:00:00 +9999")})
	}},
	{"UTF-16 text", (*odd).utf16},
	{"broken base64", func(o *odd) io.WriterTo {
		whole := wrapped([]byte(o.say()))
		trimmed := strings.TrimRight(whole, "=\n")
		body := o.one(whole+"-- \njunk after the end!\n", trimmed+"\n", trimmed[:8]+"==\n"+trimmed[8:]+"\n", "####"+whole, whole+whole, trimmed+"=====\n", trimmed[:len(trimmed)-1])
		return o.mail(body, field{"Content-Type", "text/plain; charset=utf-8"}, field{"Content-Transfer-Encoding", "base64"})
	}},
	{"broken quoted-printable", func(o *odd) io.WriterTo {
		return o.mail(strings.ReplaceAll(o.say(), "c/", "c=2F")+"=ZZ = =\n=", field{"Content-Type", "text/plain; charset=utf-8"}, field{"Content-Transfer-Encoding", "quoted-printable"})
	}},
	{"odd sender", func(o *odd) io.WriterTo {
		change := field{"From", o.one("", "<>", "undisclosed:;", "Ana", "a@b, c@d", "<"+o.rep+">, <"+o.outside()+">", "@", "\"")}
		return o.mail(o.say(), change)
	}},
	{"headers twice", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"", "Subject: again\nContent-Type: text/plain\nContent-Type: multipart/mixed; boundary=never\nTo: <" + o.outside() + ">\nDate: never"})
	}},
	{"broken report", func(o *odd) io.WriterTo {
		return o.multipart("report; report-type="+o.one("delivery-status", "disposition-notification", "feedback-report", ""), "--edge--\n",
			o.part("Content-Type: text/plain"), "Content-Type: message/"+o.one("delivery-status", "disposition-notification")+"\n\nFinal-Recipient: rfc822; \x00\nAction\n: failed\nStatus: 5.x\n", "Content-Type: text/rfc822-headers\n\nMessage-ID:")
	}},
	{"broken encoded words", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Subject", o.one("=?utf-8?B?%%%?=", "=?x-foo?Q?a=ZZ?=", "=?utf-8?X?abc?=", "=?utf-8?Q?", "=?==?=?", strings.Repeat("=?utf-8?Q?a?= ", 3000))})
	}},
	{"header ended by blanks", func(o *odd) io.WriterTo {
		return strings.NewReader(o.head() + o.one(" \t\n", " \n \n", "\t\n") + "Content-Type: text/plain\n\n" + o.say())
	}},
	{"odd disposition", func(o *odd) io.WriterTo {
		return o.multipart("mixed", "--edge--\n", o.part("Content-Type: text/plain", "Content-Disposition: "+o.one("inline; =", "\"attachment", ";", "form-data; name", "inline; filename=\"a\nb\"")),
			"Content-Type: application/pdf; name=\"a\\\"b.pdf\nContent-Disposition: attachment; filename=\"..\\..\\x.pdf\n\nx")
	}},
	{"8-bit header", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Subject", "Gr\xfc\xdfe \xff\xfe"}, field{"X-Name", "\xe9\x80 \u202e \x7f"}, field{"Content-Type", "text/plain; charset=iso-8859-1; name=\"\xfc.txt\""})
	}},
	{"odd media type", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Content-Type", o.one("text", "text/", "/plain", "multipart", "text/plain;;;", ";", "text/plain charset=utf-8", "TEXT/PLAIN; CHARSET=\"", "*/*", "multipart/")})
	}},
	{"broken HTML", func(o *odd) io.WriterTo {
		return o.mail(o.page()+o.one("<!-- ", "<a href='", strings.Repeat("<div class=gmail_quote>", 5000), "<script>", "<style><a href=\"", "</", strings.Repeat("<table><tr><td>", 3000)), field{"Content-Type", "text/html; charset=utf-8"})
	}},
	{"mixed line ends", func(o *odd) io.WriterTo {
		return strings.NewReader(strings.Replace(o.head(), "\n", "\r\n", 3) + "\r\n" + o.say() + "a\r\nb\n\rc\r\r\n")
	}},
	{"endless references", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"References", strings.Repeat("<a@b>\n\t", 5000) + "<" + answeredByOdd + ">"}, field{"In-Reply-To", o.one("junk", "<", "<a b@c>, <"+answeredByOdd+">", "<"+answeredByOdd+"><"+answeredByOdd+">")})
	}},
	{"partial or outside body", func(o *odd) io.WriterTo {
		return o.mail(o.say(), field{"Content-Type", o.one("message/partial; id=x; number=1; total=2", "message/external-body; access-type=URL; URL=\"https://x.example\"", "message/rfc822", "message/global", "message/delivery-status")})
	}},
	{"digest", func(o *odd) io.WriterTo {
		return o.multipart("digest", "--edge--\n", "\nSubject: inner\n\n"+o.say(), "Content-Type: text/plain\n\n"+o.say())
	}},
	{"boundary like text", func(o *odd) io.WriterTo {
		return o.mail("preamble --edge\n--edged\n--edge \t\n"+o.part("Content-Type: text/plain")+"--edge-\n--edge--x\n--edge--\nepilogue\n--edge\nlate\n", field{"Content-Type", "multipart/mixed; boundary=edge"})
	}},
	{"space before colon", func(o *odd) io.WriterTo {
		return strings.NewReader(strings.ReplaceAll(o.head(), ": ", o.one(" : ", ":", "\t: ", ":\n ")) + "\n" + o.say())
	}},
}

func (o *odd) addresses() io.WriterTo {
	bad := fmt.Sprintf(o.one("a@b.c; b%d@northwind.example", "a..b@docomo.ne.jp, b%d@northwind.example", "Bar [Ext] <b%d@northwind.example>", "Lindqvist, Bo <b%d@northwind.example>",
		"\"unclosed <b%d@northwind.example>", "undisclosed-recipients:;, b%d@northwind.example", "<b%d@northwind.example", "=?utf-8?q?b?= b%d@northwind.example (comment", "b%d@", "Group: b%d@northwind.example;"), o.n)
	if o.inbox {
		return o.mail(o.say(), field{"From", bad})
	}
	return o.mail(o.say(), field{"To", bad})
}

// crowd is a mail to 10,000 people.
func (o *odd) crowd() io.WriterTo {
	var to strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&to, "P%d <b%d.%d@northwind.example>,\n\t", i, o.n, i)
	}
	return o.mail(o.say(), field{"From", "<" + o.rep + ">"}, field{"To", strings.TrimSuffix(to.String(), ",\n\t")})
}

func (o *odd) nested(depth int) io.WriterTo {
	var b strings.Builder
	for i := 1; i < depth; i++ {
		fmt.Fprintf(&b, "--edge%d\nContent-Type: multipart/mixed; boundary=edge%d\n\n", i-1, i)
		if i == 2 { // what a person wrote stands outside
			fmt.Fprintf(&b, "--edge2\nContent-Type: text/plain\n\n%s\n", o.say())
		}
	}
	return o.mail(b.String(), field{"Content-Type", "multipart/mixed; boundary=edge0"})
}

func (o *odd) matryoshka() io.WriterTo {
	inner := "Content-Type: text/plain\n\n" + o.say()
	for i := range 10 + o.r.IntN(60) {
		inner = fmt.Sprintf("Content-Type: message/rfc822\n\nFrom: <a%d@b.example>\nTo: <%s>\nMessage-ID: <inner-%d-%d@b.example>\n%s", i, o.rep, o.n, i, inner)
	}
	return strings.NewReader(o.head() + inner)
}

func (o *odd) nul() io.WriterTo {
	switch o.n % 3 {
	case 0:
		return o.mail(o.say(), field{"X-Nul", "a\x00b"}, field{"Subject", "x\x00y"})
	case 1:
		return o.mail("\x00\x00" + o.say() + "\x00")
	}
	return o.mail(strings.Replace(wrapped([]byte(o.say())), "\n", "\x00\n", 1), field{"Content-Type", "text/plain"}, field{"Content-Transfer-Encoding", "base64"})
}

func (o *odd) fileName() io.WriterTo {
	name := o.one("filename*=x-foo'de'%FC%DF.pdf", "filename*0*=cp932''%83%41; filename*2=gap.pdf", "filename*=utf-8''%ZZ.pdf", "filename=a.pdf; filename=b.pdf", "filename*1=only-the-second.pdf",
		"filename*=iso-8859-1'"+"%", "filename=\"=?iso-2022-jp?B?GyRC?=\"", "filename="+strings.Repeat("x", 5000), "filename=\"a\x00b.pdf\"")
	return o.multipart("mixed", "--edge--\n", o.part("Content-Type: text/plain"), "Content-Type: application/pdf\nContent-Disposition: attachment; "+name+"\n\nx")
}

func (o *odd) utf16() io.WriterTo {
	text := o.say()
	mark := o.one("\ufeff", "", "\ufeff")
	var b []byte
	for _, c := range utf16.Encode([]rune(mark + text)) {
		if o.n%2 == 0 {
			b = append(b, byte(c), byte(c>>8))
		} else {
			b = append(b, byte(c>>8), byte(c))
		}
	}
	charset := field{"Content-Type", "text/plain; charset=" + o.one("utf-16", "utf-16le", "utf-16be")}
	if o.n%5 == 0 {
		return o.mail(string(b), charset)
	}
	return o.mail(wrapped(b), charset, field{"Content-Transfer-Encoding", "base64"})
}

// huge is a mail whose attachment nobody should hold in memory.
func (o *odd) huge() io.WriterTo {
	size := o.large
	if size == 0 {
		size = 100 << 20
	}
	head := o.head(field{"Content-Type", `multipart/mixed; boundary="edge"`}) + "\n--edge\n" + o.part("Content-Type: text/plain") +
		"\n--edge\nContent-Type: video/mp4; name=tour.mp4\nContent-Disposition: attachment; filename=tour.mp4\nContent-Transfer-Encoding: base64\n\n"
	return &stretched{head: head, line: strings.Repeat("QUJD", 19) + "\n", times: size / 57, tail: "--edge--\n"}
}

// stretched is a text whose middle is one line many times.
type stretched struct {
	head, line, tail string
	times            int
}

func (s *stretched) WriteTo(w io.Writer) (n int64, err error) {
	write := func(text string) {
		if err == nil {
			var m int
			m, err = io.WriteString(w, text)
			n += int64(m)
		}
	}
	write(s.head)
	const many = 512
	block := strings.Repeat(s.line, many)
	for left := s.times; left > 0 && err == nil; left -= many {
		write(block[:min(left, many)*len(s.line)])
	}
	write(s.tail)
	return n, err
}
