package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/textproto"
	"regexp"
	"strings"
	"time"
)

// message is what we look at in one mail.
type message struct {
	header textproto.MIMEHeader
	id     string    // Message-ID without brackets; without one, a hash of what makes the mail itself
	date   time.Time // from the Date header, in UTC; zero if there is none that can be
	from   person
	to     []person // To, Cc and Bcc, each address once
	thread []string // IDs of mail this one answers, the nearest first
	report string   // report-type of a multipart/report, "unknown" without one, "" for all other mail
	text   []string // decoded text/plain parts
	html   []string // decoded text/html parts
}

// maxReferences is how many bytes of References are looked at, from the end.
const maxReferences = 64 << 10

// parse reads a mail leniently: what is broken in it is skipped.
func parse(raw []byte) (m *message, err error) {
	defer func() {
		if v := recover(); v != nil { // a bug in the parser must not take the other mailboxes down
			m, err = nil, errors.New("the parser gave up on it")
		}
	}()
	// Some old gateways leave the first line of a mailbox file in front.
	if bytes.HasPrefix(raw, []byte("From ")) {
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			raw = raw[i+1:]
		}
	}
	h, _ := split(raw)
	m = &message{header: h, date: dateOf(h.Get("Date")), report: reportType(h), thread: threadOf(h)}
	if from := addresses(h["From"]); len(from) > 0 {
		m.from = from[0]
	}
	m.to = addresses(h["To"], h["Cc"], h["Bcc"])
	if err := walk(raw, m.leaf); err != nil {
		return nil, err
	}
	m.id = messageID(h.Get("Message-Id"))
	if m.id == "" {
		m.id = m.fallbackID()
	}
	return m, nil
}

// leaf keeps the text of a part that a mail program shows.
func (m *message) leaf(h textproto.MIMEHeader, kind string, raw []byte) {
	disposition, _, _ := strings.Cut(h.Get("Content-Disposition"), ";")
	if strings.EqualFold(strings.TrimSpace(disposition), "attachment") {
		return
	}
	switch kind {
	case "text/plain":
		m.text = append(m.text, text(raw))
	case "text/html":
		m.html = append(m.html, text(raw))
	}
}

// fallbackID names a mail that has no Message-ID by what makes it itself.
func (m *message) fallbackID() string {
	hash := sha256.New()
	parts := []string{m.header.Get("From"), m.header.Get("Date"), m.header.Get("Subject"), m.header.Get("To")}
	for _, part := range append(append(parts, m.text...), m.html...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		hash.Write(n[:])
		hash.Write([]byte(part))
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}

var angled = regexp.MustCompile(`<\s*([^<>\s]+)\s*>`)

// messageID returns the ID in a Message-ID header without its brackets, or ""
// if there is none that another mail could refer to.
func messageID(header string) string {
	if found := angled.FindStringSubmatch(header); found != nil {
		return found[1]
	}
	id := strings.Trim(strings.TrimSpace(header), "<>")
	if id == "" || len(strings.Fields(id)) != 1 {
		return ""
	}
	return id
}

// threadOf returns the IDs of the mail that this one answers: In-Reply-To, then
// References from the last, which is the nearest.
func threadOf(h textproto.MIMEHeader) []string {
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		if id != "" && !seen[id] && len(ids) < maxThread {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	list := func(values []string) []string {
		header := strings.Join(values, " ")
		header = header[max(0, len(header)-maxReferences):]
		var out []string
		for _, found := range angled.FindAllStringSubmatch(header, -1) {
			out = append(out, found[1])
		}
		if len(out) == 0 {
			out = append(out, messageID(header))
		}
		return out
	}
	for _, id := range list(h["In-Reply-To"]) {
		add(id)
	}
	references := list(h["References"])
	for i := len(references) - 1; i >= 0; i-- {
		add(references[i])
	}
	return ids
}

func reportType(h textproto.MIMEHeader) string {
	kind, params := mediaType(h.Get("Content-Type"))
	if kind != "multipart/report" {
		return ""
	}
	if t := strings.ToLower(params["report-type"]); t != "" {
		return t
	}
	return "unknown"
}

// bounce reports whether the mail system tells of a mail that did not arrive.
func (m *message) bounce() bool {
	if m.report == "delivery-status" || m.report == "unknown" {
		return true
	}
	if _, ndr := m.header["X-Ms-Exchange-Message-Is-Ndr"]; ndr || m.header.Get("X-Failed-Recipients") != "" {
		return true
	}
	local, _, _ := strings.Cut(m.from.address, "@")
	return local == "mailer-daemon" || local == "postmaster"
}

// outOfOffice are the beginnings of subjects that mail servers give to automatic
// replies. Some old ones mark them in no other way.
var outOfOffice = regexp.MustCompile(`(?i)^(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|out of (?:the )?office|automatische antwort|abwesenheits(?:notiz|nachricht)|réponse automatique|respuesta automática|risposta automatica|automatisch antwoord|resposta automática|automatiskt svar|autosvar|odpowiedź automatyczna) ?(?::|$)`)

// automatic reports whether a machine wrote the mail for its sender. The header
// X-Auto-Response-Suppress is no sign of it: normal mail has it too.
func (m *message) automatic() bool {
	h := m.header
	submitted, _, _ := strings.Cut(h.Get("Auto-Submitted"), ";")
	if s := strings.ToLower(strings.TrimSpace(submitted)); s != "" && s != "no" {
		return true
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply-From", "X-Vacation"} {
		if v := strings.ToLower(strings.TrimSpace(h.Get(name))); v != "" && v != "no" && v != "false" {
			return true
		}
	}
	path := strings.Join(strings.Fields(h.Get("Return-Path")), "")
	return path == "<>" ||
		strings.EqualFold(strings.TrimSpace(h.Get("X-Autogenerated")), "reply") ||
		strings.EqualFold(strings.TrimSpace(h.Get("X-Apple-Action")), "vacation") ||
		strings.EqualFold(strings.TrimSpace(h.Get("Precedence")), "auto_reply") ||
		outOfOffice.MatchString(decodeWords(h.Get("Subject")))
}
