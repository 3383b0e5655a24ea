package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/ingest/crm/feed"
	"dealtrail/outbox/guard"
)

// CRM is one [crm.NAME]: a CRM that speaks by itself, is asked, or both.
type CRM struct {
	Type             string   `toml:"type" doc:"hubspot, pipedrive, salesforce, close, attio, or standard for any tool that signs after Standard Webhooks. Empty: the block's name."`
	TokenFile        string   `toml:"token_file" doc:"A file that holds what the CRM is asked with: HubSpot the token of a private app, Pipedrive an API token, Close an API key, Attio an access token. Empty: it is never asked; HubSpot and Attio need it."`
	SecretFile       string   `toml:"secret_file" doc:"A file that holds what its deliveries are proven by, one secret a line, any of which is enough. Close: the signature key in hex; Attio: the webhook's secret; standard: whsec_ and base64; Salesforce: what ?key= in the address says."`
	ClientSecretFile string   `toml:"client_secret_file" doc:"HubSpot: a file that holds the app's client secret, by which deliveries are signed. Salesforce: that of the app in client_id."`
	ClientID         string   `toml:"client_id" doc:"Salesforce: the consumer key of an app with the client credentials flow. Empty: it is never asked."`
	Portal           string   `toml:"portal" doc:"HubSpot: the account's number; deliveries of others are set aside. Empty: any that signs."`
	OrganizationID   string   `toml:"organization_id" doc:"Salesforce: the organization's ID. Deliveries of others are refused."`
	User             string   `toml:"user" doc:"Pipedrive: the user that was set with its webhooks (HTTP auth)."`
	PasswordFile     string   `toml:"password_file" doc:"Pipedrive: a file that holds that user's password."`
	URL              string   `toml:"url" doc:"Where the CRM is asked: https://COMPANY.pipedrive.com, https://COMPANY.my.salesforce.com. HubSpot, Close and Attio have one for all."`
	Currency         string   `toml:"currency" doc:"Of amounts that name none. Empty: company.currency."`
	Every            Duration `toml:"every" doc:"How often it is asked what changed, at least one minute. What it delivers is taken at once."`
	Months           int      `toml:"months" doc:"How many months of closed deals are taken at first; open ones are taken all."`
	AllowPrivate     bool     `toml:"allow_private" doc:"Whether url may be of this machine or a private network, and plain http."`
}

var crmName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// kind is what the CRM is.
func (c CRM) kind(name string) string { return cmp.Or(c.Type, name) }

// check refuses values that cannot work, each with its key.
func (c CRM) check(name string) error {
	kind := c.kind(name)
	switch {
	case !crmName.MatchString(name):
		return fmt.Errorf("its name is no name; expected small letters, digits and dashes, such as hubspot-emea")
	case !slices.Contains(feed.Kinds, kind):
		return fmt.Errorf("type is %q; expected one of %s", kind, strings.Join(feed.Kinds, ", "))
	case (kind == feed.HubSpot || kind == feed.Attio) && c.TokenFile == "":
		return errors.New("token_file is missing; deliveries name deals by their IDs alone, and the token is what they are asked for with")
	case kind == feed.Pipedrive && c.TokenFile == "" && c.PasswordFile == "":
		return errors.New("token_file and password_file are missing; expected one of them or both")
	case kind == feed.Pipedrive && (c.User == "") != (c.PasswordFile == ""):
		return errors.New("expected both user and password_file, or neither")
	case kind == feed.Salesforce && c.ClientID == "" && c.SecretFile == "":
		return errors.New("client_id and secret_file are missing; expected one of them or both")
	case kind == feed.Salesforce && (c.ClientID == "") != (c.ClientSecretFile == ""):
		return errors.New("expected both client_id and client_secret_file, or neither")
	case kind == feed.Salesforce && c.SecretFile != "" && len(c.OrganizationID) < 15:
		return fmt.Errorf("organization_id is %q; expected the 15 or 18 characters of the organization's ID", c.OrganizationID)
	case kind == feed.Close && c.TokenFile == "" && c.SecretFile == "":
		return errors.New("token_file and secret_file are missing; expected one of them or both")
	case kind == feed.Standard && c.SecretFile == "":
		return errors.New("secret_file is missing: echo whsec_$(openssl rand -base64 32) makes a secret")
	case c.Every != 0 && time.Duration(c.Every) < time.Minute:
		return fmt.Errorf("every is %s; expected a minute or more", time.Duration(c.Every))
	case c.Months < 0 || c.Months > 240:
		return fmt.Errorf("months is %d; expected 1 to 240", c.Months)
	case c.Currency != "" && (len(c.Currency) != 3 || strings.ToUpper(c.Currency) != c.Currency):
		return fmt.Errorf("currency is %q; expected three capital letters, such as EUR", c.Currency)
	}
	return c.checkURL(kind)
}

func (c CRM) checkURL(kind string) error {
	if c.URL == "" {
		asks := kind == feed.Pipedrive && c.TokenFile != "" || kind == feed.Salesforce && c.ClientID != ""
		if asks {
			return fmt.Errorf("url is missing; expected where it is asked, such as https://acme.%s", map[string]string{feed.Pipedrive: "pipedrive.com", feed.Salesforce: "my.salesforce.com"}[kind])
		}
		return nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Scheme != "https" && !(u.Scheme == "http" && c.AllowPrivate) {
		return fmt.Errorf("url is %q; expected https://host without a path", c.URL)
	}
	return nil
}

// checkCRMs refuses blocks that cannot work.
func (c *Config) checkCRMs() error {
	for _, name := range slices.Sorted(maps.Keys(c.CRMs)) {
		if err := c.CRMs[name].check(name); err != nil {
			return fmt.Errorf("%s: crm.%s: %w", c.path, name, err)
		}
	}
	return nil
}

// sources are the [crm.NAME] blocks as they are fed from.
func (c *Config) sources() (all []*feed.Source) {
	for _, name := range slices.Sorted(maps.Keys(c.CRMs)) {
		b := c.CRMs[name]
		kind := b.kind(name)
		s := &feed.Source{
			Name: name, Kind: kind, User: b.User, Portal: b.Portal, Organization: b.OrganizationID, ClientID: b.ClientID,
			URL: cmp.Or(b.URL, feed.Hosts[kind]), Currency: cmp.Or(b.Currency, c.Company.Currency), Every: time.Duration(b.Every), Months: b.Months,
			HTTP: askingClient(b.AllowPrivate),
		}
		proof, token := b.SecretFile, b.TokenFile
		switch kind {
		case feed.HubSpot:
			proof = b.ClientSecretFile
		case feed.Pipedrive:
			proof = b.PasswordFile
		case feed.Salesforce:
			token = b.ClientSecretFile
		}
		if proof != "" {
			s.Secrets = func() ([]string, error) { return c.secretLines(proof) }
		}
		if token != "" {
			s.Token = func() (string, error) {
				lines, err := c.secretLines(token)
				if err != nil {
					return "", err
				}
				return lines[0], nil
			}
		}
		all = append(all, s)
	}
	return all
}

// secretLines reads a file with a secret on each line, at each use: it may be replaced
// while we run. No error holds any of it.
func (c *Config) secretLines(path string) ([]string, error) {
	text, err := os.ReadFile(c.beside(path))
	if err != nil {
		return nil, err
	}
	lines := strings.Fields(string(text))
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return lines, nil
}

// askingClient asks CRMs: public addresses only unless somebody allowed more, no redirects,
// no proxy, connections kept for the next question.
func askingClient(private bool) *http.Client {
	client := guard.Client(private, time.Minute)
	if t, ok := client.Transport.(*http.Transport); ok {
		t.DisableKeepAlives = false
		t.IdleConnTimeout, t.MaxIdleConnsPerHost = 30*time.Second, 2
	}
	return client
}

// openFeeds wires the CRMs that speak by themselves.
func (p *program) openFeeds() {
	p.feeds = &feed.Feeds{
		Redis: p.redis, Sources: p.config.sources(), Importer: p.importer, Public: p.config.pages(), Now: time.Now, Log: p.log,
		Share: func(ctx context.Context, names []string, work func(context.Context, string)) error {
			leases := &ingest.Leases{Redis: p.redis, Node: p.node, Group: "crm", Log: p.log}
			for _, name := range names {
				leases.Names = append(leases.Names, ingest.CRMLease+name)
			}
			return leases.Each(ctx, func(ctx context.Context, lease string) { work(ctx, strings.TrimPrefix(lease, ingest.CRMLease)) })
		},
	}
}

// crmPage is what the page about CRMs shows and does; nil if there is none.
func (p *program) crmPage() *dashboards.CRM {
	if len(p.feeds.Sources) == 0 {
		return nil
	}
	return &dashboards.CRM{Sources: p.feeds.Status, Reconcile: p.feeds.Reconcile, SetStages: p.feeds.SetStages, Ask: p.feeds.Ask}
}

// tellCRMs says which CRMs need a person. That Redis does not answer was told.
func (p *program) tellCRMs(ctx context.Context, trouble func(string, ...any)) {
	all, err := p.feeds.Status(ctx)
	if err != nil {
		return
	}
	for _, s := range all {
		if s.Trouble != "" {
			trouble("CRM %s: %s It is tried again by itself; look at it with: dealtrail crm check %s", s.Name, s.Trouble, s.Name)
		}
		if s.Aside > 0 {
			trouble("%d deliveries of the CRM %s were not understood; see them and their reasons with: dealtrail crm aside %s", s.Aside, s.Name, s.Name)
		}
	}
}
