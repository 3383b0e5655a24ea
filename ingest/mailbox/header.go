package mailbox

import (
	"mime"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-message/charset"

	"dealtrail/trail"
)

// person is one address of a mail, the address in the form that is compared.
type person struct {
	address, name string
}

// decoder returns a decoder of encoded words in any charset that mail has.
func decoder() *mime.WordDecoder { return &mime.WordDecoder{CharsetReader: charset.Reader} }

func decodeWords(s string) string {
	if decoded, err := decoder().DecodeHeader(s); err == nil {
		return decoded
	}
	return s
}

// addresses returns the people in address headers, each address once, in order.
// One bad address in a list must not hide the others: a list that is not by the
// book is taken apart piece by piece, and a bad piece is searched for what looks
// like an address.
func addresses(headers ...[]string) []person {
	var out []person
	seen := map[string]bool{}
	add := func(address, name string) {
		address = trail.NormalAddress(address)
		if !plausible(address) || seen[address] {
			return
		}
		seen[address] = true
		name = displayName(name)
		if trail.NormalAddress(name) == address {
			name = ""
		}
		out = append(out, person{address: address, name: name})
	}
	parser := mail.AddressParser{WordDecoder: decoder()}
	for _, values := range headers {
		for _, list := range values {
			if parsed, err := parser.ParseList(list); err == nil {
				for _, a := range parsed {
					add(a.Address, a.Name)
				}
				continue
			}
			for _, piece := range pieces(list) {
				if a, err := parser.Parse(piece); err == nil {
					add(a.Address, a.Name)
					continue
				}
				for _, at := range addrSpec.FindAllStringIndex(piece, -1) {
					name, _, _ := strings.Cut(piece[:at[0]], "<")
					add(strings.Trim(piece[at[0]:at[1]], ".'"), decodeWords(strings.Trim(name, ` "'`)))
				}
			}
		}
	}
	return out
}

var addrSpec = regexp.MustCompile(`[^\s<>()\[\]:;,"\\]+@[^\s<>()\[\]:;,"\\@]+`)

// pieces splits an address list at commas and semicolons outside of quotes.
func pieces(list string) []string {
	quoted := false
	balanced := strings.Count(list, `"`)%2 == 0
	return strings.FieldsFunc(list, func(c rune) bool {
		if c == '"' {
			quoted = !quoted && balanced
		}
		return !quoted && (c == ',' || c == ';' || c == '\n')
	})
}

// plausible reports whether mail could go to an address.
func plausible(address string) bool {
	local, domain := address, trail.Domain(address)
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		local = address[:i]
	}
	return local != "" && domain != "" && len(address) <= 320 && !strings.ContainsFunc(address, func(c rune) bool {
		return unicode.IsSpace(c) || !unicode.IsPrint(c) || c == unicode.ReplacementChar
	})
}

// displayName returns a name as it may be shown: one line without control
// characters and without those that turn the direction of text.
func displayName(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return ' '
		}
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return -1
		}
		return c
	}, name)
	return cut(strings.Join(strings.Fields(name), " "), 200)
}

// zones are the names of zones that mail may use (RFC 5322 section 4.3). Go
// would look other names up in the machine's own zone, and dates must not
// depend on where they are read; those count as UTC.
var zones = map[string]string{
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500",
	"MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700",
	"CET": "+0100", "CEST": "+0200", "MET": "+0100", "BST": "+0100", "JST": "+0900",
}

var (
	comment     = regexp.MustCompile(`\([^()]*\)`)
	namedZone   = regexp.MustCompile(`\s([A-Za-z]{1,5})$`)
	numericZone = regexp.MustCompile(`[+-]\d{4}$`)
	weekday     = regexp.MustCompile(`^[^\s\d,]+,?\s+`)
)

// dateLayouts are read without a leading weekday, which says nothing new and is
// often in the sender's language.
var dateLayouts = []string{
	"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04 -0700", "2 Jan 06 15:04:05 -0700", "2-Jan-2006 15:04:05 -0700",
	"2 January 2006 15:04:05 -0700", "Jan 2 15:04:05 2006 -0700", "Jan 2 15:04:05 -0700 2006", "Jan 2, 2006 15:04:05 -0700",
	"2006-01-02 15:04:05 -0700", time.RFC3339, "2006-01-02T15:04:05-0700",
}

// dateOf returns the time in a Date header in UTC, or the zero time if it has
// none or one that no mail can have.
func dateOf(header string) time.Time {
	s := strings.Join(strings.Fields(comment.ReplaceAllString(cut(header, 200), " ")), " ")
	if s == "" {
		return time.Time{}
	}
	if zone := namedZone.FindStringSubmatch(s); zone != nil {
		s = strings.TrimSpace(strings.TrimSuffix(s, zone[1]))
		if offset := zones[strings.ToUpper(zone[1])]; !numericZone.MatchString(s) && offset != "" {
			s += " " + offset
		}
	}
	bare := weekday.ReplaceAllString(s, "")
	for _, candidate := range []string{bare, s, bare + " +0000", s + " +0000"} {
		for _, layout := range dateLayouts {
			at, err := time.Parse(layout, candidate)
			if err == nil && at.Year() >= 1990 && at.Year() < 2200 {
				return at.UTC()
			}
		}
	}
	return time.Time{}
}

// nullPath reports whether a mail must not be answered, as those of machines.
func (m *message) nullPath() bool {
	return strings.Join(strings.Fields(m.header.Get("Return-Path")), "") == "<>"
}

// daemon reports whether the mail system is the sender; person, whether somebody
// may sit behind its address all the same.
func (m *message) daemon() (daemon, person bool) {
	local, _, _ := strings.Cut(m.from.address, "@")
	from := strings.ToLower(m.header.Get("From")) // may have no domain, and then is no address
	switch {
	case strings.Contains(from, "mailer-daemon") || strings.Contains(from, "mailerdaemon") || strings.HasPrefix(local, "microsoftexchange"):
		return true, false
	case local == "postmaster" || strings.HasPrefix(strings.TrimSpace(from), "postmaster"):
		return true, true
	}
	return false, false
}

// marked reports whether headers that only bounces have say that it is one.
func (m *message) marked() bool {
	_, ndr := m.header["X-Ms-Exchange-Message-Is-Ndr"]
	return ndr || m.header.Get("X-Failed-Recipients") != ""
}

// ours reports whether an address is that of a mail's sender or recipients.
func (m *message) ours(address string) bool {
	return address == m.from.address || slices.ContainsFunc(m.to, func(p person) bool { return p.address == address })
}

// fromMailSystem reports whether a mail may tell of the delivery of another.
// People and their automatic replies quote bounces; what they write has a
// sender to answer to, or a subject that says so.
func (m *message) fromMailSystem() bool {
	switch m.report {
	case "delivery-status":
		return true
	case "", "unknown":
	default:
		return false
	}
	subject := decodeWords(m.header.Get("Subject"))
	if m.away() {
		return false
	}
	path := m.header.Get("Return-Path")
	switch daemon, person := m.daemon(); {
	case m.report == "unknown" || m.marked():
		return true
	case daemon && person:
		return path == "" || m.nullPath()
	case daemon:
		return true
	}
	return m.nullPath() && undelivered.MatchString(subject) && !answering.MatchString(subject)
}

// Words of mail systems. They decide nothing alone: who says them, and what came
// back, does.
var (
	answering   = regexp.MustCompile(`(?i)^\s*(?:re|res|rép|r|rif|aw|antw|antwort|sv|vs|odp|fwd?|wg|tr|rv|enc|i|doorst|vb|pd|vl)\s?(?:\[\d+\])?:`)
	delivered   = regexp.MustCompile(`(?i)^(?:success|delivered:|relayed:|delivery status notification ?\((?:success|relay))`)
	delayed     = regexp.MustCompile(`(?i)^(?:(?:mail |message )?(?:delivery )?delay|delivery (?:is |has been )?delayed|delivery incomplete|delivery status notification ?\(delay|warning:|(?:e-?mail|message|mail) .{0,80}\bdelayed|zustellung verzögert|verzögerte zustellung|verzögert:|remise (?:retardée|différée)|retard de remise|entrega (?:retrasada|atrasada)|consegna (?:ritardata|in ritardo)|vertraagde|leverans(?:en)? (?:är )?försenad)`)
	stillTrying = regexp.MustCompile(`(?i)(?:warning message only|(?:no|not) need to (?:re)?send|(?:will|to) (?:continue|keep|be retried|retry|try again)|still (?:trying|being tried)|not yet been delivered|noch nicht zugestellt|weiterhin versucht|wird erneut versucht|pas encore été (?:remis|distribué)|se seguirá intentando|ancora consegnat)`)
	undelivered = regexp.MustCompile(`(?i)(?:undeliver|non-?deliver|not delivered|un(?:able|successful)[^.\n]{0,40} deliver|deliver[^.\n]{0,60}\bfail|fail[^.\n]{0,60}\bdeliver|(?:n't|not|never) (?:(?:be |been )?(?:deliver|accept)|reach (?:some|any|all|the|one|its))|delivery status notification ?\(failure|returned mail|returned to (?:the )?sender|returning message|failure notice|mail(?: system)? failure|(?:user|recipient|address|mailbox|account)[^.\n]{0,80} (?:unknown|not (?:found|exist)|disabled|full|rejected|inactive)|(?:no such|unknown) (?:user|recipient|mailbox|address)|does(?:n't| not) exist|over quota|giving up|permanent (?:fatal )?error|qmail-send program|` +
		`unzustellbar|nicht zugestellt|zustellung[^.\n]{0,40} (?:fehlgeschlagen|gescheitert|nicht möglich)|nicht zustellbar|unbekannter empfänger|postfach[^.\n]{0,30} voll|non remis|non distribu|pas (?:pu )?(?:être |été )?(?:remis|distribu|livr)|échec de (?:la )?(?:remise|distribution|livraison)|n'existe pas|no (?:se (?:puede|pudo|ha podido) )?entrega|no entregad|correo devuelto|error (?:de|en la) entrega|no existe|non (?:recapitabil|consegnat)|mancat[oa] (?:recapito|consegna)|recapito[^.\n]{0,20} non riuscit|impossibile (?:recapitare|consegnare)|não (?:foi )?(?:entregue|possível entregar|existe)|falha na entrega|onbestelbaar|niet (?:worden )?(?:bezorgd|afgeleverd)|olevererbar|(?:inte|ikke) (?:kunde |kunne |kan )?lever|går inte att leverera|niedostarcz|nie (?:został[ao]? )?dostarczon|nedoručiteln|kézbesíthetetlen|teslim edileme|toimittaminen epäonnistui|недоставлен|не (?:было )?доставлен|не удалось доставить|配信不能|配信でき|配達でき|退信|无法(?:送达|传递|投递)|無法(?:送達|傳遞)|未送达|반송|배달되지)`)
)

// awayWords begin the subjects of automatic replies of older servers and in more
// languages than those that mark them otherwise; some put a no-break space
// before the colon.
var awayWords = regexp.MustCompile(`(?i)^\s*(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|out of (?:the )?office(?: auto-?reply)?|automatische (?:antwort|rückantwort)|abwesend|abwesenheits(?:notiz|nachricht|meldung)?|réponse automatique|absent\(?e?\)? du bureau|absence du bureau|message d'absence|respuesta automática|fuera de (?:la )?oficina|risposta automatica|fuori (?:sede|ufficio)|automatisch antwoord|afwezigheidsbericht|niet aanwezig|resposta automática|fora do escritório|ausência temporária|automatiskt? svar|autosvar|frånvaro|frånvarande|fravær|fraværende|ikke til stede|odpowiedź automatyczna|autoodpowiedź|automatická odpověď|automatikus válasz|automaattinen vastaus|răspuns automat|otomatik yanıt|automatinis atsakymas|αυτόματη απάντηση|автоматический ответ|автоответ|自動応答|自動返信|自动(?:答复|回复)|自動(?:回覆|答覆)|자동 회신)([\s\x{a0}\x{202f}]*[:：]|\s*$)?`)

// away reports whether the subject is that of an automatic reply. A colon has
// to end the words, unless a header says that a rule of the server sent it.
func (m *message) away() bool {
	found := awayWords.FindStringSubmatchIndex(decodeWords(m.header.Get("Subject")))
	_, rule := m.header["X-Ms-Exchange-Inbox-Rules-Loop"]
	return found != nil && (rule || found[2] >= 0)
}

// statusBlocks returns the fields of a delivery-status part (RFC 3464 section
// 2), one map per block, names in lower case. A field that comes again begins a
// block too: some systems forget the empty line.
func statusBlocks(text string) []map[string]string {
	var blocks []map[string]string
	block, last := map[string]string{}, ""
	flush := func() {
		if len(block) > 0 && len(blocks) < maxEvents {
			blocks = append(blocks, block)
		}
		block, last = map[string]string{}, ""
	}
	for text := range strings.SplitSeq(text, "\n") {
		text = cut(strings.TrimRight(text, " \t\r"), 2000)
		name, value, ok := strings.Cut(text, ":")
		switch {
		case text == "":
			flush()
		case (text[0] == ' ' || text[0] == '\t') && last != "":
			if len(block[last]) < 2000 {
				block[last] += " " + strings.TrimSpace(text)
			}
		case ok:
			name = strings.ToLower(strings.TrimSpace(name))
			if _, again := block[name]; again {
				flush()
			}
			block[name], last = strings.TrimSpace(value), name
		}
	}
	flush()
	return blocks
}

var escaped = regexp.MustCompile(`\\x\{([0-9A-Fa-f]{2,6})\}`)

// recipient returns the address in a recipient field, in the form that is
// compared, or "". RFC 6533 escapes what is not ASCII.
func recipient(field string) string {
	kind, address, typed := strings.Cut(field, ";")
	if !typed {
		address = kind
	} else if kind = strings.ToLower(strings.TrimSpace(kind)); kind != "rfc822" && kind != "utf-8" {
		return ""
	}
	address = escaped.ReplaceAllStringFunc(address, func(s string) string {
		c, err := strconv.ParseInt(escaped.FindStringSubmatch(s)[1], 16, 32)
		if err != nil {
			return s
		}
		return string(rune(c))
	})
	return mentioned(addrSpec.FindString(address))
}

func mentioned(s string) string {
	address := trail.NormalAddress(strings.Trim(s, ".'`*"))
	if !plausible(address) {
		return ""
	}
	return address
}
