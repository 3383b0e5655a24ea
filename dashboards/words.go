package dashboards

import (
	"fmt"
	"html/template"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"dealtrail/ingest/track"
	"dealtrail/trail"
)

// kindWords say what happened, as a rep would.
var kindWords = map[trail.Kind]string{
	trail.Shared: "Link made", trail.Sent: "Mail sent", trail.Opened: "Mail opened", trail.Clicked: "Link clicked",
	trail.Viewed: "Content viewed", trail.Replied: "Replied", trail.Bounced: "Mail bounced", trail.Autoreplied: "Automatic reply",
	trail.Trapped: "Hidden link followed", trail.Forwarded: "Forwarded", trail.OptedOut: "Tracking stopped", trail.Consented: "Tracking allowed", trail.Staged: "Entered",
	trail.Assigned: "Assigned", trail.Noted: "Note", trail.Requested: "Content requested", trail.Answered: "Answered", trail.Decided: "Said in the review", trail.Listed: "Put on a list",
	trail.Sighted: "Seen in mails", trail.Rescanned: "Folder read again", trail.Measured: "Numbers kept", trail.Agreed: "Agreed on a goal", trail.Budgeted: "Budget page made", trail.HoldoutKind: "Holdout started or ended",
	trail.ContentKind: "Content registered", trail.ContactKind: "Contact noted in the CRM", trail.DealKind: "Deal noted in the CRM",
}

func kindWord(k trail.Kind) string {
	if w := kindWords[k]; w != "" {
		return w
	}
	return string(k)
}

// what says what happened in one event: more than its kind where a mail had no
// content or where it is known otherwise than by our links.
func what(e trail.TrailRow) string {
	switch {
	case e.Kind == trail.Sent && e.Content == "":
		return "Wrote to"
	case e.Kind == trail.Replied && e.Content == "":
		return "Answered"
	case e.Kind == trail.Opened && slices.Contains(e.Rules, trail.RuleReadReceipt):
		return "Mail shown, as their mail program says"
	case e.Kind == trail.Forwarded:
		return "Forwarded: has it now"
	}
	return kindWord(e.Kind)
}

// carried says how a mail carried its content, as far as that limits what can be
// seen of it, as a sentence; "" for a tracked link to what is current.
func carried(e trail.TrailRow) string {
	how := ""
	switch {
	case slices.Contains(e.Rules, trail.RuleFile):
		how = "As a file: whether it was read cannot be seen"
	case slices.Contains(e.Rules, trail.RulePlainLink):
		how = "As a plain link: whether it was followed cannot be seen"
	}
	switch stale := slices.Contains(e.Rules, trail.RuleStale); {
	case stale && how != "":
		return "An older version. " + how + "."
	case stale:
		return "An older version."
	case how != "":
		return how + "."
	}
	return ""
}

// verdict says in words who caused an event. Events that no request caused
// have none.
func verdict(e trail.TrailRow) string {
	switch e.Verdict {
	case trail.Human:
		if e.Probability >= 0.9 {
			return "surely a person"
		}
		return "probably a person"
	case trail.Proxy:
		return "the mail provider, for a person"
	case trail.Scanner:
		return "a machine"
	case trail.Self:
		return "our own rep"
	case trail.Unknown:
		return "cannot be told"
	}
	return ""
}

// why says what the rules found, as the end of a sentence.
func why(rules []string) string {
	words := make([]string, len(rules))
	for i, rule := range rules {
		if words[i] = track.Explain(rule); rule == trail.RuleReadReceipt {
			words[i] = "their mail program sent a receipt when it showed the mail"
		}
	}
	return strings.Join(words, "; ")
}

// besides says in sentences what else an event tells.
func besides(e trail.TrailRow) (all []string) {
	if how := carried(e); how != "" && e.Kind == trail.Sent {
		all = append(all, how)
	}
	switch e.Signal {
	case trail.SharedSignal:
		all = append(all, "Somebody pasted the link into a chat: it was passed on.")
	case trail.PassedOnSignal:
		all = append(all, "From another device and place than before: perhaps it was passed on to somebody else.")
	}
	switch e.LedTo {
	case "":
	case trail.Fallback:
		all = append(all, "Led to the page for content that has expired.")
	default:
		title := e.LedToTitle
		if title == "" {
			title = e.LedTo
		}
		all = append(all, "Led to "+title+", which took its place.")
	}
	if reason := withheld[e.Withheld]; reason != "" {
		all = append(all, "Without a person: "+reason+".")
	}
	return all
}

// withheld says why an event names nobody, as the end of a sentence.
var withheld = map[trail.Withheld]string{
	trail.NoConsent:   "not everybody who may have clicked has agreed to that",
	trail.OptOut:      "a recipient stopped tracking",
	trail.BrowserSays: "the browser asks not to be tracked",
	trail.AccountOnly: "only company and deal are kept",
}

// discounted reports whether the level leaves an event out of the counts.
func discounted(e trail.TrailRow, level trail.Level) bool {
	switch {
	case e.Verdict == "" || level == trail.All:
		return false
	case level == trail.Strict:
		return e.Verdict != trail.Human || e.Probability < 0.9
	}
	return e.Verdict != trail.Human && e.Verdict != trail.Proxy
}

// number writes a count with thousands separated; nothing is shown weakly.
func number(n uint64) template.HTML {
	if n == 0 {
		return `<span class="zero">0</span>`
	}
	return template.HTML(group(strconv.FormatUint(n, 10)))
}

// credit writes a credit in deals with two decimals.
func credit(f float64) template.HTML {
	if f == 0 {
		return `<span class="zero">0</span>`
	}
	whole, cents, _ := strings.Cut(strconv.FormatFloat(f, 'f', 2, 64), ".")
	return template.HTML(group(whole) + "." + cents)
}

// percent writes a share between 0 and 1.
func percent(f float64) string {
	return strconv.FormatFloat(100*f, 'f', 1, 64) + "%"
}

// group puts a comma between each three digits of a decimal number's whole part.
func group(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

var symbols = map[string]string{"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}

// money writes an amount exactly, the cents weaker than the rest.
func money(m trail.Money) template.HTML {
	if m.Amount == "" {
		return `<span class="zero">no amount</span>`
	}
	before, after := symbols[m.Currency], ""
	if before == "" && m.Currency != "" {
		after = " " + m.Currency
	}
	whole, cents, _ := strings.Cut(m.Amount, ".")
	html := before + template.HTMLEscapeString(group(whole))
	if len(cents) > 0 {
		html += `<span class="cents">.` + template.HTMLEscapeString(cents) + `</span>`
	}
	class := "money"
	if strings.Trim(m.Amount, "0.") == "" {
		class = "money zero"
	}
	return template.HTML(`<span class="` + class + `">` + html + template.HTMLEscapeString(after) + `</span>`)
}

// moneyText is money for titles and charts, without markup.
func moneyText(m trail.Money) string {
	whole, cents, found := strings.Cut(m.Amount, ".")
	text := group(whole)
	if found {
		text += "." + cents
	}
	if symbol := symbols[m.Currency]; symbol != "" {
		return symbol + text
	}
	return strings.TrimSpace(text + " " + m.Currency)
}

// moneyShort is money with three digits, for labels in drawings: €12.3k.
func moneyShort(m trail.Money) string {
	f := approx(m)
	suffix := ""
	for _, s := range []string{"k", "M", "bn"} {
		if f < 1000 && f > -1000 {
			break
		}
		f, suffix = f/1000, s
	}
	digits := 0
	if suffix != "" && f < 100 {
		digits = 1
	}
	text := strings.TrimSuffix(strconv.FormatFloat(f, 'f', digits, 64), ".0") + suffix
	if symbol := symbols[m.Currency]; symbol != "" {
		return symbol + text
	}
	return text
}

// amount reads money for comparing and adding; what cannot be read counts as 0.
func amount(m trail.Money) *big.Rat {
	if r, ok := new(big.Rat).SetString(m.Amount); ok {
		return r
	}
	return new(big.Rat)
}

// approx reads money for drawing, where a floating point number is exact enough.
func approx(m trail.Money) float64 {
	f, _ := amount(m).Float64()
	return f
}

// ratio returns a/b for drawing, 0 when b is not positive.
func ratio(a, b trail.Money) float64 {
	d := amount(b)
	if d.Sign() <= 0 {
		return 0
	}
	f, _ := d.Quo(amount(a), d).Float64()
	return f
}

// plural writes "1 deal" and "2 deals".
func plural[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return group(fmt.Sprint(n)) + " " + many
}

// fileSize writes what a mail took up for a file, roughly: mailed files are a third
// larger than they are on disk.
func fileSize(mailed uint64) string {
	size := float64(mailed) * 0.73 // base64, with its line breaks
	switch {
	case mailed == 0:
		return ""
	case size < 1e6:
		return strconv.FormatFloat(max(1, size/1e3), 'f', 0, 64) + " KB"
	}
	return strconv.FormatFloat(size/1e6, 'f', 1, 64) + " MB"
}

// ago says how long before now a moment was, roughly.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return plural(int(d.Minutes()), "minute", "minutes") + " ago"
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour", "hours") + " ago"
	}
	return plural(int(d.Hours()/24), "day", "days") + " ago"
}
