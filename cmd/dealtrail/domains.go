package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"dealtrail/trail"
)

var mailDomain = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// checkDomains refuses a mail domain that is none, since mail among colleagues would
// then count as mail to prospects, and nothing would say so. A domain with umlauts is
// one's own as mails spell it too, in punycode.
func (c *Config) checkDomains() error {
	var domains []string
	for _, given := range c.Company.Domains {
		domain := strings.Trim(strings.ToLower(strings.TrimSpace(given)), ".@")
		ascii, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			ascii = domain // such as one with an underscore, or no domain at all
		}
		if !mailDomain.MatchString(ascii) {
			return fmt.Errorf("%s: company.domains has %q; expected what stands behind the @ of your addresses, such as example.com, each by itself", c.path, given)
		}
		for _, spelling := range []string{domain, ascii} {
			if !slices.Contains(domains, spelling) {
				domains = append(domains, spelling)
			}
		}
	}
	c.Company.Domains = domains
	return nil
}

// checkExclude refuses what excludes nobody, since that mail would be read.
func (c *Config) checkExclude() error {
	for i, given := range c.Mailboxes.Exclude {
		who, err := trail.ParseExclusion(given)
		if err != nil {
			return fmt.Errorf("%s: mailboxes.exclude has %q; expected an address or a domain, such as doctor@clinic.example or family.example, each by itself", c.path, given)
		}
		c.Mailboxes.Exclude[i] = who
	}
	return nil
}

// splitNames splits an answer or a variable into names, however people separate them.
func splitNames(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; \t", r) })
}
