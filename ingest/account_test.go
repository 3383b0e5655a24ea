package ingest_test

import (
	"testing"

	"dealtrail/ingest"
)

func TestAccountIsTheRegistrableDomainOfACompany(t *testing.T) {
	for domain, want := range map[string]string{
		"acme.com":                    "acme.com",
		" Mail.ACME.co.uk ":           "acme.co.uk",
		"a.b.c.acme.de.":              "acme.de",
		"https://www.acme.com/a?b#c":  "acme.com",
		"www.acme.com:8443":           "acme.com",
		"münchen-bau.de":              "xn--mnchen-bau-9db.de",
		"xn--mnchen-bau-9db.de":       "xn--mnchen-bau-9db.de",
		"acme.internal":               "acme.internal",
		"gmail.com":                   "",
		"GoogleMail.com":              "",
		"yahoo.co.uk":                 "",
		"web.de":                      "",
		"proton.me":                   "",
		"":                            "",
		"com":                         "",
		"co.uk":                       "",
		"localhost":                   "",
		"[192.0.2.1]":                 "",
		"192.0.2.1":                   "",
		"ann@acme.com":                "",
		"a company without a website": "",
		"..":                          "",
	} {
		if got := ingest.Account(domain); got != want {
			t.Errorf("Account(%q) = %q, want %q", domain, got, want)
		}
	}
}
