package ingest

import (
	"embed"
	"net"
	"strings"
	"sync"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"dealtrail/trail"
)

// Account returns the company that a domain stands for, as its registrable
// domain in lower case: "mail.acme.co.uk" is acme.co.uk. It takes the web
// address that a CRM keeps as well. It returns "" for free-mail domains, whose
// users are not one company, and for what is not a domain.
func Account(domain string) string {
	host := strings.ToLower(strings.TrimSpace(domain))
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, ".")
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii // one company, whether its name is written with umlauts or not
	}
	if host == "" || strings.ContainsAny(host, "[]@: \t") || net.ParseIP(host) != nil {
		return ""
	}
	account, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil || freeMail()[host] || freeMail()[account] {
		return ""
	}
	return account
}

// accountOf returns the account of an event: what its source set, else the
// domain that a deal or contact was registered with, else that of the person.
func accountOf(e *trail.Event) string {
	if e.Account != "" {
		return e.Account
	}
	if e.Kind == trail.DealKind || e.Kind == trail.ContactKind {
		if account := Account(e.Attrs["domain"]); account != "" {
			return account
		}
	}
	if e.Person != nil {
		return Account(trail.Domain(e.Person.Address))
	}
	return ""
}

// lists holds freemail.txt once `make assets` has copied it.
//
//go:embed all:lists
var lists embed.FS

// freeMail returns the domains whose mailboxes anybody can have.
var freeMail = sync.OnceValue(func() map[string]bool {
	domains := map[string]bool{}
	for _, d := range strings.Fields(largeFreeMail) {
		domains[d] = true
	}
	text, err := lists.ReadFile("lists/freemail.txt")
	if err != nil {
		return domains // a build without `make assets`
	}
	for d := range strings.FieldsSeq(strings.ToLower(string(text))) {
		domains[d] = true
	}
	return domains
})

// largeFreeMail is there in every build.
const largeFreeMail = `
	gmail.com googlemail.com outlook.com hotmail.com live.com msn.com hotmail.co.uk hotmail.fr hotmail.de hotmail.it
	outlook.de outlook.fr yahoo.com yahoo.co.uk yahoo.co.jp yahoo.de yahoo.fr ymail.com rocketmail.com icloud.com me.com
	mac.com aol.com gmx.de gmx.net gmx.com gmx.at gmx.ch web.de t-online.de freenet.de mail.de posteo.de mailbox.org
	proton.me protonmail.com pm.me tutanota.com tuta.com fastmail.com zoho.com mail.com mail.ru yandex.ru yandex.com
	qq.com 163.com 126.com sina.com naver.com hanmail.net libero.it virgilio.it orange.fr wanadoo.fr free.fr laposte.net
	bluewin.ch seznam.cz wp.pl o2.pl rediffmail.com comcast.net verizon.net att.net btinternet.com`
