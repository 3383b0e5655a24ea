package mailbox

import (
	"regexp"
	"strings"
)

var (
	statusField = regexp.MustCompile(`^\s*([245]\.\d{1,3}\.\d{1,3})(?:\D|$)`)
	// Versions and IP addresses look like enhanced codes, hence what has to stand before and after.
	enhancedCode = regexp.MustCompile(`(?im)(?:^[ \t>]*|\b[45][0-5]\d[- :]+#?|[#(\[<;'"] ?|\b(?:status|code|said|dsn|error|returned)[:= ]+['"]?)([45]\.\d{1,3}\.\d{1,3})\.?(?:[^.\d]|$)`)
	smtpCode     = regexp.MustCompile(`(?im)(?:^[ \t>]*|[:;'"(\[] *|\s--? ?|<<< |\b(?:error|code|reply|response|returned|said|smtp)[: ]+)([45][0-5]\d)(?:[-\s:;,.)'"\]]|$)`)
)

// codes returns the enhanced status code and the SMTP code in words of a
// server, each "" if there is none.
func codes(said string) (enhanced, smtp string) {
	if found := enhancedCode.FindStringSubmatch(said); found != nil {
		enhanced = found[1]
	}
	if found := smtpCode.FindStringSubmatch(said); found != nil {
		smtp = found[1]
	}
	return enhanced, smtp
}

// passing are the permanent errors that are not for ever, by the first digits
// of their codes. What they refuse is this mail or its sender, at this time; the
// next mail to the same address may well arrive.
var passing = []string{
	"5.1.7", "5.1.8", // the sender's address
	"5.2.2", "5.2.3", // a full mailbox is emptied, a large mail is only this one
	"5.3.",  // the receiving system: no space, not taking mail now, too large
	"5.4.7", // tried for too long, so nobody ever said no
	"5.6.",  // the content
	"5.7.",  // policy: filters, blocklists and signatures judge the sender's servers and words, and change their mind
}

// hard reports whether an address is gone for good. What is not known is soft:
// a contact must not be written off for a guess.
func hard(status, smtp string) bool {
	if status == "" {
		return strings.HasPrefix(smtp, "5") && smtp != "552" // 552 is a full mailbox too
	}
	for _, prefix := range passing {
		if strings.HasPrefix(status, prefix) && (strings.HasSuffix(prefix, ".") || status == prefix) {
			return false
		}
	}
	return strings.HasPrefix(status, "5")
}
