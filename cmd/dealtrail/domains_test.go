package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// TestOwnDomainsAreReadHoweverPeopleWriteThem answers init as people do: with commas,
// an @, capitals and umlauts. A domain that is taken as it was typed would match nothing.
func TestOwnDomainsAreReadHoweverPeopleWriteThem(t *testing.T) {
	c := defaults()
	if err := ask(c, strings.NewReader("\nexample.com, @Größe.example;\texample.org,\n\n\n\n\n\n"), &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"example.com", "größe.example", "xn--gre-6ka8i.example", "example.org"}; !slices.Equal(c.Company.Domains, want) {
		t.Errorf("got %q, want %q", c.Company.Domains, want)
	}
	again := slices.Clone(c.Company.Domains)
	if err := c.check(); err != nil || !slices.Equal(c.Company.Domains, again) {
		t.Errorf("checked once more: %q, %v", c.Company.Domains, err)
	}
}

func TestADomainThatIsNoneIsRefused(t *testing.T) {
	for _, domain := range []string{"a.com, b.com", "a.com b.com", "ana@a.com", "https://a.com", "*.a.com", "", "a..com", "größe,example"} {
		_, err := loadConfig(writeConfig(t, "[company]\ndomains = [\""+domain+"\"]"), nil)
		if err == nil || !strings.Contains(err.Error(), "company.domains") {
			t.Errorf("%q: %v", domain, err)
		}
	}
	c, err := loadConfig(writeConfig(t, "[company]\ndomains = [\"localhost\", \"mail_2.Example.com.\"]"), nil)
	if err != nil || !slices.Equal(c.Company.Domains, []string{"localhost", "mail_2.example.com"}) {
		t.Errorf("%q, %v", c.Company.Domains, err)
	}
}

func TestAnExclusionThatExcludesNobodyIsRefused(t *testing.T) {
	for _, who := range []string{"doctor@clinic.example, family.example", "doctor@clinic.example family.example", "clinic", "a@b@clinic.example", ""} {
		_, err := loadConfig(writeConfig(t, "[mailboxes]\nexclude = [\""+who+"\"]"), nil)
		if err == nil || !strings.Contains(err.Error(), "mailboxes.exclude") {
			t.Errorf("%q: %v", who, err)
		}
	}
	c, err := loadConfig(writeConfig(t, "[mailboxes]\nexclude = [\" Doctor@Clinic.example\", \"@Family.example\"]"), nil)
	if err != nil || !slices.Equal(c.Mailboxes.Exclude, []string{"doctor@clinic.example", "family.example"}) {
		t.Errorf("%q, %v", c.Mailboxes.Exclude, err)
	}
}
