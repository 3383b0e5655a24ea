package mailbox

import (
	"net/textproto"
	"regexp"
	"strings"

	"golang.org/x/net/html"

	"dealtrail/trail"
)

// bounce is what the mail system says of a mail that did not arrive.
type bounce struct {
	messages  []string   // Message-IDs that the mail may have, the surest first
	originals []*message // what came back of it: all of it, or only its headers
	failed    []failure  // never empty in a bounce
	late      bool       // of at least one recipient: it is still being tried
}

// failure is one recipient whom a mail did not reach.
type failure struct {
	address string // "" when the report names nobody
	status  string // the enhanced status code, such as 5.1.1, or ""
	hard    bool   // the address will not take mail later either
}

// Bounds on what is looked at in a bounce.
const (
	maxSaid      = 64 << 10 // bytes of the words for people, without the mail that came back
	maxMentions  = 1000     // addresses in them
	maxOriginals = 10
)

// bounced returns what a mail says of another that did not arrive. Parts that no
// mail program shows are read only here, where few mails get. The result is false
// for all other mail, and then only late may be set.
func (m *message) bounced() (bounce, bool) {
	var b bounce
	if !m.fromMailSystem() {
		return b, false
	}
	var reports []string
	err := walk(m.header, m.body, func(h textproto.MIMEHeader, kind string, part []byte) {
		switch kind {
		case "message/delivery-status", "message/global-delivery-status":
			reports = append(reports, text(h, part))
		case "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
			b.returned(undecorated(h, part))
		}
	})
	if err != nil {
		return bounce{}, false
	}
	said := m.said()
	human, original := cutOriginal(said)
	if original != "" && len(b.originals) == 0 {
		b.returned([]byte(original))
	}
	judged := false
	for _, report := range reports {
		for _, fields := range statusBlocks(report) {
			judged = b.report(fields) || judged
		}
	}
	if !judged {
		b.read(m, cut(human, maxSaid))
	}
	if len(b.failed) == 0 {
		return bounce{late: b.late}, false
	}
	if to := b.recipients(); len(to) == 1 && len(b.failed) == 1 && b.failed[0].address == "" {
		for address := range to { // whom else could it have missed
			b.failed[0].address = address
		}
	}
	b.name(m, said)
	return b, true
}

// returned keeps a mail that came back, or its headers.
func (b *bounce) returned(raw []byte) {
	if len(b.originals) == maxOriginals {
		return
	}
	if m, err := parse([]byte(strings.TrimLeft(string(raw), "\r\n"))); err == nil {
		b.originals = append(b.originals, m)
		b.add(messageID(m.header.Get("Message-Id")))
	}
}

func (b *bounce) add(id string) {
	for _, known := range b.messages {
		if known == id {
			return
		}
	}
	if id != "" && len(b.messages) < maxThread {
		b.messages = append(b.messages, id)
	}
}

// looseID finds a Message-ID among other words.
var looseID = regexp.MustCompile(`(?i)message[- ]id\b[^<\n]{0,20}<([^<>\s]+)>`)

// name adds the IDs that stand outside of what came back. In References only
// the last counts, and only when nothing else names the mail: what stands before
// it are older mails of the thread, which did arrive.
func (b *bounce) name(m *message, said string) {
	if len(m.thread) > 0 && (len(b.messages) == 0 || m.header.Get("In-Reply-To") != "") {
		b.add(m.thread[0])
	}
	if len(b.messages) > 0 {
		return
	}
	if found := looseID.FindStringSubmatch(said); found != nil {
		b.add(found[1])
	}
}

// undecorated returns the body of a part that holds a mail. It may not be
// encoded, and yet is at times.
func undecorated(h textproto.MIMEHeader, part []byte) []byte {
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))) {
	case "base64", "quoted-printable":
		return []byte(text(h, part))
	}
	return part
}

// report reads one block of a delivery-status part and tells whether it says
// what became of a recipient.
func (b *bounce) report(fields map[string]string) bool {
	b.add(messageID(fields["x-original-message-id"]))
	address := recipient(fields["original-recipient"]) // whom the rep wrote to; the final one may be where that forwards to
	if address == "" {
		address = recipient(fields["final-recipient"])
	}
	diagnostic := fields["diagnostic-code"]
	status := ""
	if found := statusField.FindStringSubmatch(fields["status"]); found != nil {
		status = found[1]
	}
	action, _, _ := strings.Cut(strings.ToLower(fields["action"]), " ")
	if action == "" { // it must be there, and is not always
		switch {
		case strings.HasPrefix(status, "5"):
			action = "failed"
		case strings.HasPrefix(status, "4"):
			action = "delayed"
		case strings.HasPrefix(status, "2"):
			action = "delivered"
		}
	}
	enhanced, smtp := codes(diagnostic)
	if status == "" || strings.HasSuffix(status, ".0.0") && enhanced != "" { // x.0.0 says no more than its class
		status = enhanced
	}
	switch {
	case strings.HasPrefix(action, "fail"):
		b.fail(address, status, smtp)
	case strings.HasPrefix(action, "delay"):
		b.late = true
	}
	return action != ""
}

func (b *bounce) fail(address, status, smtp string) {
	for _, f := range b.failed {
		if f.address == address {
			return
		}
	}
	if len(b.failed) < maxEvents {
		b.failed = append(b.failed, failure{address: address, status: status, hard: hard(status, smtp)})
	}
}

// read takes what failed from the words for people, for want of a report that
// machines read.
func (b *bounce) read(m *message, human string) {
	subject := decodeWords(m.header.Get("Subject"))
	refused := undelivered.MatchString(subject) && !answering.MatchString(subject)
	switch {
	case delivered.MatchString(subject):
		return
	case delayed.MatchString(subject) || !refused && stillTrying.MatchString(human):
		b.late = true
		return
	}
	human = looseID.ReplaceAllString(human, "") // looks like an address
	enhanced, smtp := codes(human)
	evident := refused || undelivered.MatchString(human) || enhanced != "" || smtp != ""
	daemon, person := m.daemon()
	marked := m.marked()
	switch {
	case daemon && !person: // no person answers from there
		evident = evident || marked
	case daemon: // a postmaster may be a person
		evident = evident && (marked || m.nullPath() || len(b.originals) > 0) && (marked || !answering.MatchString(subject))
	default:
		evident = evident && (marked || len(b.originals) > 0)
	}
	if !evident {
		return
	}
	for _, f := range b.blame(m, human) {
		b.fail(f.address, f.status, f.smtp)
	}
	if len(b.failed) == 0 {
		b.fail("", enhanced, smtp)
	}
}

// blamed is a recipient whom the words for people name, with the codes near it.
type blamed struct{ address, status, smtp string }

// heading is what may stand before an address in a line that is about it.
var heading = regexp.MustCompile(`(?i)^[\s>|"'<(*-]*(?:(?:to|recipient|an|empfänger|destinataire|à|para|destinatario|a|aan)\s?:[\s"'<(]*)?$|\b(?:rcpt to:|for|(?:mail|message|deliver|delivered|delivery) to|user|recipient|mailbox|account)[\s:"'<(]*$`)

// blame returns the recipients that a mail names as not reached. Addresses of
// help desks and servers stand there too, so an address counts if the mail that
// came back went to it, or a line begins with it, or the words before it say so.
// What came back may have one recipient, who it then was.
func (b *bounce) blame(m *message, human string) []blamed {
	spots := addrSpec.FindAllStringIndex(human, maxMentions)
	codesOf := map[string]blamed{}
	var sent, headed, all []string
	to := b.recipients()
	for i, at := range spots {
		address := mentioned(human[at[0]:at[1]])
		begin, end := strings.LastIndexByte(human[:at[0]], '\n')+1, len(human)
		before := human[max(begin, at[0]-200):at[0]]
		if i > 0 {
			begin = max(begin, spots[i-1][1])
		}
		if i+1 < len(spots) { // up to the line of the next address
			next := spots[i+1][0]
			end = max(at[1], strings.LastIndexByte(human[:next], '\n')+1)
		}
		if address == "" || m.ours(address) {
			continue
		}
		if near := codesOf[address]; near.status == "" && near.smtp == "" {
			near.status, near.smtp = codes(human[begin:end])
			codesOf[address] = near
		}
		all = append(all, address)
		if to[address] {
			sent = append(sent, address)
		}
		if heading.MatchString(before) {
			headed = append(headed, address)
		}
	}
	var named []string
	for _, p := range addresses(m.header["X-Failed-Recipients"]) {
		named = append(named, p.address)
	}
	for _, others := range [][]string{sent, headed} {
		if len(named) == 0 {
			named = unique(others)
		}
	}
	if len(named) == 0 && len(to) == 1 {
		for address := range to {
			named = []string{address}
		}
	}
	if all = unique(all); len(named) == 0 && len(all) == 1 && trail.Domain(all[0]) != trail.Domain(m.from.address) {
		named = all
	}
	var out []blamed
	for _, address := range named {
		near := codesOf[address]
		if len(named) == 1 && near.status == "" && near.smtp == "" {
			near.status, near.smtp = codes(human)
		}
		near.address = address
		out = append(out, near)
	}
	return out
}

// recipients returns who was to get what came back.
func (b *bounce) recipients() map[string]bool {
	to := map[string]bool{}
	for _, m := range b.originals {
		for _, p := range m.to {
			to[p.address] = true
		}
	}
	return to
}

// said returns the words of a mail for people.
func (m *message) said() string {
	said := strings.Join(m.text, "\n")
	if strings.TrimSpace(said) == "" {
		var all strings.Builder
		for _, part := range m.html {
			all.WriteString(plainText(part))
		}
		said = all.String()
	}
	return strings.ReplaceAll(said, "\r\n", "\n")
}

// plainText returns the text of HTML with the line breaks it has in the source
// and at its blocks: headers of a mail that came back stand in pre elements.
func plainText(src string) string {
	var out strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(src))
	mute := false
	for {
		kind := tokens.Next()
		switch kind {
		case html.ErrorToken:
			return out.String()
		case html.TextToken:
			if !mute {
				out.Write(tokens.Text())
			}
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			name, _ := tokens.TagName()
			if tag := string(name); tag == "style" || tag == "script" {
				mute = kind == html.StartTagToken
			} else if blocks[tag] {
				out.WriteByte('\n')
			}
		}
	}
}

var (
	quotedID   = regexp.MustCompile(`(?im)^([ \t>|]*)message-id:\s*[ \t>|]*<?[^<>\s]+@[^<>\s]+`)
	headerLine = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*:|^[ \t]+\S`)
)

// cutOriginal parts the words for people from the mail that some systems put
// below them, headers first. Without one, original is "".
func cutOriginal(said string) (human, original string) {
	at := quotedID.FindStringSubmatchIndex(said)
	if at == nil {
		return said, ""
	}
	mark := said[at[2]:at[3]]
	begin := at[0]
	for begin > 0 {
		above := strings.LastIndexByte(said[:begin-1], '\n') + 1
		if !headerLine.MatchString(strings.TrimPrefix(said[above:begin-1], mark)) {
			break
		}
		begin = above
	}
	if mark == "" {
		return said[:begin], said[begin:]
	}
	var out strings.Builder
	for text := range strings.SplitSeq(said[begin:], "\n") {
		if rest, ok := strings.CutPrefix(text, mark); ok {
			text = rest
		} else {
			text = strings.TrimPrefix(text, strings.TrimRight(mark, " \t"))
		}
		out.WriteString(text + "\n")
	}
	return said[:begin], out.String()
}

func unique(list []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
