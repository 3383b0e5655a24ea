package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/net/idna"

	"dealtrail/trail"
)

// Config is dealtrail.toml. The doc and default tags are what `dealtrail init`
// writes, so the sample cannot go stale.
type Config struct {
	Server struct {
		Listen         string   `toml:"listen" default:"127.0.0.1:8080" doc:"Address and port of dashboards, API and, unless tracking_listen says otherwise, tracked links. Sign-in works on this machine or behind a TLS proxy on it."`
		PublicURL      string   `toml:"public_url" default:"http://127.0.0.1:8080" doc:"How a prospect's browser reaches tracked links: the beginning of every link. It must be https and reachable from the internet; keep the host short."`
		TrackingListen string   `toml:"tracking_listen" default:"" doc:"A second address that serves nothing but tracked links and pixels; point public_url at it. Empty: same as listen."`
		PagesURL       string   `toml:"pages_url" default:"" doc:"How your own people reach the pages, for links in mails and chats, where public_url leads to tracked links alone. Empty: public_url."`
		TrustedProxies []string `toml:"trusted_proxies" default:"[]" doc:"Addresses or networks of the proxies in front of this server, such as 127.0.0.1 or 10.0.0.0/8. Only they are believed about who asks (X-Forwarded-For)."`

		ACMEDomains   []string `toml:"acme_domains" default:"[]" doc:"Hosts for which dealtrail gets certificates itself (ACME), such as go.example.com and deals.example.com: those of public_url and pages_url. Their names must lead to this machine. Empty: a proxy does TLS."`
		ACMEEmail     string   `toml:"acme_email" default:"" doc:"Whom the authority writes to about certificates. May be empty."`
		ACMEDirectory string   `toml:"acme_directory" default:"" doc:"The address of another authority's ACME directory. Empty: Let's Encrypt. Naming domains above accepts the authority's terms."`
		TLSListen     string   `toml:"tls_listen" default:":443" doc:"With acme_domains: address and port of pages and links over TLS, each by its host."`
		HTTPListen    string   `toml:"http_listen" default:":80" doc:"With acme_domains: address and port that answers the authority and sends everybody else to TLS. Empty: none."`
	} `toml:"server"`
	Data struct {
		Dir     string `toml:"dir" default:"data" doc:"Folder of everything that is stored here: events, files, state. Relative to this file. Each process has its own."`
		SpoolMB int    `toml:"spool_mb" default:"1024" doc:"Megabytes of disk that events may take while Redis is away or full. Beyond that imports are refused and clicks are counted as lost."`
	} `toml:"data"`
	Redis struct {
		URL       string `toml:"url" default:"" doc:"A Redis of your own, as redis://user:password@host:6379/0 or unix:///path. Empty: a private redis-server is started, which syncs every write to disk."`
		MemoryMB  int    `toml:"memory_mb" default:"1024" doc:"Megabytes of memory that the private redis-server may take; events beyond that wait on the disk."`
		ReserveMB int    `toml:"reserve_mb" default:"64" doc:"Megabytes of loaded events that Redis keeps, 256 at most, so that a ClickHouse that lost its newest can get them again."`
	} `toml:"redis"`
	ClickHouse struct {
		URL     string `toml:"url" default:"" doc:"A ClickHouse server of your own, as clickhouse://user:password@host:9000/database. Empty: the embedded engine."`
		Cluster string `toml:"cluster" default:"" doc:"The name of a ClickHouse cluster, as its system.clusters has it: events are then spread over its shards, and everything is kept by each replica. Set it before the first start. Empty: url is one server."`
		ReadURL string `toml:"read_url" default:"" doc:"The same ClickHouse for a user who may only read (readonly = 2 in the user's profile): reports that people and programs ask for go through it, each for a minute at most. Empty: as url."`
		Library string `toml:"library" default:"" doc:"Path of libchdb.so, the embedded engine. Empty: looked for where make deps and the packages put it."`
	} `toml:"clickhouse"`
	Tracking struct {
		Links         string   `toml:"links" default:"on" doc:"What clicks tell: on (who clicked), consent (who clicked only of contacts who agreed, of others that somebody did), account (only which company and deal, no person) or off (nothing is kept). Links always work."`
		Pixel         string   `toml:"pixel" default:"consent" doc:"Whether mails carry a pixel that tells of opens: off, consent (only those to contacts who agreed) or on. Opens are weak evidence and in the EU need consent."`
		FallbackURL   string   `toml:"fallback_url" default:"" doc:"Where a damaged or unknown link leads, and one to content that has expired and has no successor; such as your home page. Empty: a friendly page."`
		HonourSignals bool     `toml:"honour_signals" default:"true" doc:"Whether a browser that sends Global Privacy Control or Do Not Track is taken at its word: its clicks name no person, its opens are not kept."`
		Trap          bool     `toml:"trap" default:"false" doc:"Whether HTML snippets carry a second link that no person sees: who follows it is a machine. Some spam filters dislike hidden links."`
		Networks      []string `toml:"networks" default:"[]" doc:"Files of your own that say what kind of network an address is in, in addition to the list that comes with dealtrail: a line each, such as 203.0.113.0/24 corporate. Kinds: residential mobile corporate sase vpn apple_relay google yahoo microsoft datacenter security_vendor."`
		AllowLocal    bool     `toml:"allow_local" default:"false" doc:"Whether links may be made while public_url is local or plain http. Only for trying: such links are dead in a prospect's hands."`
	} `toml:"tracking"`
	Company struct {
		Domains  []string          `toml:"domains" default:"[]" doc:"Your own mail domains. Mail within them leaves no trace; recipients outside them are contacts."`
		Zone     string            `toml:"zone" default:"UTC" doc:"Time zone of weeks, dates and pages, such as Europe/Berlin."`
		Currency string            `toml:"currency" default:"EUR" doc:"Reporting currency: all values on pages are in it."`
		Rates    map[string]string `toml:"rates" example:"{ USD = \"0.92\" }" doc:"What one unit of another currency is worth in the reporting currency, such as USD = \"0.92\". Deals in a currency without a rate are left out of money and listed."`

		CRMURL string `toml:"crm_url" default:"" doc:"Where the CRM shows a deal, with {id} for its ID, such as https://app.hubspot.com/contacts/1234/record/0-3/{id}. The review links there. Empty: no link."`

		RepNames string `toml:"rep_names" default:"teams" doc:"How people see the numbers of reps other than their own: teams (of five or more, as deals name their owner's team) or names. Since when it is so is shown to everybody. API keys see names."`

		RatesSource string `toml:"rates_source" default:"" doc:"Where the rates are from and of which day, such as ECB, 2 November 2026. It is kept with every run."`
	} `toml:"company"`
	Attribution struct {
		WindowDays int      `toml:"window_days" default:"365" doc:"How many days before the close a touch may lie to earn credit. 0: no limit."`
		Every      Duration `toml:"every" default:"1h" doc:"How often new events lead to a new run, as 10m or 1h. The pages can ask for one at any time."`

		Kinds            []string `toml:"kinds" default:"clicked, viewed, replied" doc:"What earns credit: clicked, viewed, replied, and if you want them opened (weak) and sent (the rep's own doing)."`
		HalfLifeDays     int      `toml:"half_life_days" default:"7" doc:"After how many days a touch counts half under the model decay, counted back from the last touch. Many use 30 for long sales."`
		Stages           []string `toml:"stages" default:"[]" doc:"The stages of a deal in order, without won and lost. Empty: the order in which most deals enter them."`
		LeadStage        string   `toml:"lead_stage" default:"" doc:"The stage whose entry makes a lead, for the models w and full. Empty: the first contact on the deal being created."`
		OpportunityStage string   `toml:"opportunity_stage" default:"" doc:"The stage whose entry makes an opportunity. Empty: the deal being created."`
		LandmarkWeeks    int      `toml:"landmark_weeks" default:"1" doc:"Lift: how many weeks after a stage began it is looked who has seen a content."`
		HorizonWeeks     int      `toml:"horizon_weeks" default:"6" doc:"Lift: how many weeks after that count for advancing to a later stage."`
		WonWeeks         int      `toml:"won_weeks" default:"12" doc:"Lift: how many weeks after that count for being won."`
	} `toml:"attribution"`
	Review struct {
		At         string `toml:"at" default:"Monday 07:00" doc:"When the lead review of a week is due in the week after it, in company.zone: from then on it tells what was known then, and its files are written. A day in English and a time."`
		Dir        string `toml:"dir" default:"exports" doc:"Folder for review-2026-W47.xlsx and .html of every week. They name people. Relative to this file. Empty: no files are written."`
		AnswerDays int    `toml:"answer_days" default:"14" doc:"After how many days a rep's request for content that nobody answered is marked late."`

		MailTo     []string `toml:"mail_to" default:"[]" doc:"Addresses to which the review of a week is mailed once it is due: a summary and a link. Needs [smtp]."`
		MailAttach bool     `toml:"mail_attach" default:"false" doc:"Whether the XLSX is attached to that mail. It names people, and nobody can take it back."`
	} `toml:"review"`
	Digest struct {
		On bool   `toml:"on" default:"false" doc:"Whether reps whose mailboxes are connected get a mail on working days: who clicked or answered, and what to send next. None on days without news; each rep can end theirs. Needs [smtp]."`
		At string `toml:"at" default:"09:00" doc:"When, in company.zone."`
	} `toml:"digest"`
	SMTP struct {
		Host         string `toml:"host" default:"" doc:"The mail server that takes mails from dealtrail, such as smtp.example.com. Empty: no mail is sent."`
		Port         int    `toml:"port" default:"587" doc:"587 with starttls, 465 with tls."`
		TLS          string `toml:"tls" default:"starttls" doc:"starttls, tls, or none (without sign-in only)."`
		Username     string `toml:"username" default:"" doc:"The sign-in name. Empty: the server wants none."`
		PasswordFile string `toml:"password_file" default:"" doc:"A file that holds the password, readable by dealtrail only."`
		From         string `toml:"from" default:"" doc:"Who the mails are from, such as dealtrail <dealtrail@example.com>. The server must be allowed to send for its domain (SPF, DKIM)."`
	} `toml:"smtp"`
	OIDC    OIDC `toml:"oidc"`
	Service struct {
		AnswerHours int    `toml:"answer_hours" default:"24" doc:"Within how many hours of its creation in the CRM a rep should write to a lead."`
		Hours       string `toml:"hours" default:"" doc:"Working hours in company.zone that count towards answer_hours, such as \"Mon-Fri 09:00-17:00\". Empty: around the clock."`
	} `toml:"service"`
	Retention struct {
		PersonMonths int `toml:"person_months" default:"13" doc:"After how many months without a word of a person, whom the CRM does not have and who is on no open deal, their name and address go: facts name a random contact then, and counts and credits stay. 0: never."`
		FileMonths   int `toml:"file_months" default:"13" doc:"After how many months the files of a weekly review are removed from review.dir; they name people. 0: never."`
		AccessMonths int `toml:"access_months" default:"13" doc:"After how many months an entry of the access log goes, which says who saw whom. 0: when a million came after it."`
		BadMonths    int `toml:"bad_months" default:"13" doc:"After how many months what could not become an event loses its bytes, which may name people; until then it can be handed in again. 0: never."`
	} `toml:"retention"`
	Mailboxes struct {
		Every          Duration `toml:"every" default:"1m" doc:"How often each mailbox is looked at. Where the server can tell of new mail by itself (IDLE), sent mail is seen at once."`
		Since          Past     `toml:"since" default:"12 months" doc:"How far back a mailbox is read when it is first connected, as \"30 days\", \"12 months\" or a date such as \"2026-01-01\". A year tells on the first day what is sent, never sent and part of won deals."`
		Exclude        []string `toml:"exclude" default:"[]" doc:"Addresses and domains whose mail leaves no trace, such as doctor@clinic.example or family.example: a mail with one of them as sender or recipient is not kept."`
		ExcludeFolders []string `toml:"exclude_folders" default:"[]" doc:"Folders, or Gmail labels, whose mail leaves no trace wherever else it lies, such as Private."`
		AllowPrivate   bool     `toml:"allow_private" default:"false" doc:"true: mailboxes that are added by file, API or page may be on servers of a private network or this machine. Those in [[mailbox]] and [[provider]] always may."`
		DailyMB        int      `toml:"daily_mb" default:"2000" doc:"Megabytes that are read from one mailbox a day at most: Gmail locks a mailbox for a day at 2500. The rest is read the next day."`
	} `toml:"mailboxes"`
	Log struct {
		Format string `toml:"format" default:"text" doc:"How lines of the log are written: text, or json for programs that collect logs."`
		Level  string `toml:"level" default:"info" doc:"What is logged: error, warn, info, or debug."`
	} `toml:"log"`
	Models    []CreditModel `toml:"model"`
	Providers []Provider    `toml:"provider"`
	Boxes     []Mailbox     `toml:"mailbox"`
	Chats     []Chat        `toml:"chat"`

	CRMs map[string]CRM `toml:"crm"`

	path string // of the file
}

// CreditModel is one [[model]]: weights of the company's own. Parts go to places of a
// deal's path in proportion to their weights; they need not add up to 100.
type CreditModel struct {
	Name        string  `toml:"name" doc:"What it is called in reports and commands: lower case letters, digits and dashes."`
	Title       string  `toml:"title" doc:"As a heading. Empty: the name."`
	First       float64 `toml:"first" doc:"Weight of the first touch, 0 to 1000."`
	Lead        float64 `toml:"lead" doc:"Weight of the last touch before the lead, see attribution.lead_stage."`
	Opportunity float64 `toml:"opportunity" doc:"Weight of the last touch before the opportunity, see attribution.opportunity_stage."`
	Last        float64 `toml:"last" doc:"Weight of the last touch before the close."`
	Others      float64 `toml:"others" doc:"Weight that all other touches share."`

	Kinds    map[string]float64 `toml:"kinds" doc:"How many times as much a touch of a kind weighs."`
	Contents map[string]float64 `toml:"contents" doc:"The same for single contents, by ID."`
}

// Mailbox is one [[mailbox]]: it is only ever read.
type Mailbox struct {
	Rep          string `toml:"rep" doc:"The rep's address."`
	Host         string `toml:"host" doc:"The IMAP server, such as imap.gmail.com. Empty: the provider's."`
	Port         int    `toml:"port" default:"993" doc:"993 with tls, 143 with starttls."`
	Security     string `toml:"security" default:"tls" doc:"tls, starttls, or none (this machine only)."`
	Username     string `toml:"username" doc:"The sign-in name. Empty: the rep's address."`
	PasswordFile string `toml:"password_file" doc:"A file that holds the password, readable by dealtrail only. Gmail wants an app password. Exactly one of password_file, password_env and provider."`
	PasswordEnv  string `toml:"password_env" doc:"The name of an environment variable that holds the password."`
	Provider     string `toml:"provider" doc:"The name of a [[provider]], to sign in by OAuth2."`
	SentFolder   string `toml:"sent_folder" doc:"The folder of sent mail, when the server does not mark it."`

	RefreshTokenFile string `toml:"refresh_token_file" doc:"With provider: a file that holds the rep's refresh token, which dealtrail must be able to write too, because Microsoft renews it. Empty: the provider's service account or the app's own credentials."`

	Aliases []string `toml:"aliases" doc:"Other addresses that the rep writes from. What a mailbox holds of another rep's address is that rep's."`
}

// Duration is a time.Duration written as 10m or 1h30m.
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v <= 0 {
		err = errors.New("want a duration over zero, such as 10m")
	}
	*d = Duration(v)
	return err
}

// defaults returns the configuration of an empty file.
func defaults() *Config {
	c := &Config{}
	eachKey(c, func(section, key string, field reflect.Value, tag reflect.StructTag) {
		if text, ok := tag.Lookup("default"); ok && text != "[]" {
			if err := setText(field, text); err != nil {
				panic("default of " + section + "." + key + ": " + err.Error())
			}
		}
	})
	return c
}

// check refuses values that cannot work, each with its key.
func (c *Config) check() error {
	oneOf := func(key, value string, allowed ...string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		return fmt.Errorf("%s: %s is %q; expected one of %s", c.path, key, value, strings.Join(allowed, ", "))
	}
	public, err := url.Parse(c.Server.PublicURL)
	if err != nil || (public.Scheme != "http" && public.Scheme != "https") || public.Host == "" || strings.Trim(public.Path, "/") != "" || public.RawQuery != "" {
		return fmt.Errorf("%s: server.public_url is %q; expected https://host without a path", c.path, c.Server.PublicURL)
	}
	c.Server.PublicURL = public.Scheme + "://" + public.Host
	// The longest thing after the address is /c/ and a token: 30 characters.
	if n := len(c.Server.PublicURL) + 30; n > 70 && public.Scheme == "https" {
		return fmt.Errorf("%s: server.public_url makes links of %d characters, and mail programs break links over 70; use a shorter host", c.path, n)
	}
	for _, at := range [][2]string{{"server.listen", c.Server.Listen}, {"server.tracking_listen", c.Server.TrackingListen}} {
		key, value := at[0], at[1]
		if _, _, err := net.SplitHostPort(value); err != nil && value != "" {
			return fmt.Errorf("%s: %s is %q; expected host:port, such as 127.0.0.1:8080", c.path, key, value)
		}
	}
	for _, p := range c.Server.TrustedProxies {
		if _, err := network(p); err != nil {
			return fmt.Errorf("%s: server.trusted_proxies has %q; expected an address or a network, such as 127.0.0.1 or 10.0.0.0/8", c.path, p)
		}
	}
	if _, err := time.LoadLocation(c.Company.Zone); err != nil {
		return fmt.Errorf("%s: company.zone is %q; expected a zone of the tz database, such as Europe/Berlin", c.path, c.Company.Zone)
	}
	if len(c.Company.Currency) != 3 || strings.ToUpper(c.Company.Currency) != c.Company.Currency {
		return fmt.Errorf("%s: company.currency is %q; expected three capital letters, such as EUR", c.path, c.Company.Currency)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Company.Rates)) {
		rate := c.Company.Rates[name]
		if d, err := decimal.NewFromString(rate); err != nil || !d.IsPositive() {
			return fmt.Errorf("%s: company.rates.%s is %q; expected a number over zero in quotes, such as \"0.92\"", c.path, name, rate)
		}
	}
	if d := c.Review.AnswerDays; d < 1 || d > 365 {
		return fmt.Errorf("%s: review.answer_days is %d; expected 1 to 365", c.path, d)
	}
	if r := c.Redis.ReserveMB; r < 0 || r > 256 {
		return fmt.Errorf("%s: redis.reserve_mb is %d; expected 0 to 256", c.path, r)
	}
	if c.Redis.MemoryMB < 64+2*c.Redis.ReserveMB || c.Data.SpoolMB < 1 {
		return fmt.Errorf("%s: redis.memory_mb is %d and data.spool_mb %d; expected at least 64 more than twice redis.reserve_mb, and 1", c.path, c.Redis.MemoryMB, c.Data.SpoolMB)
	}
	if _, err := c.attribution().Definition(); err != nil {
		return fmt.Errorf("%s: company.currency, company.rates, attribution.window_days and its neighbours, or [[model]]: %w", c.path, err)
	}
	if f := c.Tracking.FallbackURL; f != "" {
		if c.Tracking.FallbackURL, err = trail.CleanTarget(f, idna.Lookup.ToASCII); err != nil {
			return fmt.Errorf("%s: tracking.fallback_url: %w", c.path, err)
		}
	}
	if c.ClickHouse.ReadURL != "" && c.ClickHouse.URL == "" {
		return fmt.Errorf("%s: clickhouse.read_url is set and clickhouse.url is not; expected both, or neither for the embedded engine, whose reports have their limits by themselves", c.path)
	}
	if err := cmp.Or(c.checkDomains(), c.checkExclude(), c.checkReview(), c.checkOutbox(), c.checkCRMs()); err != nil {
		return err
	}
	if err := errors.Join(oneOf("tracking.links", c.Tracking.Links, "off", "consent", "account", "on"), oneOf("tracking.pixel", c.Tracking.Pixel, "off", "consent", "on"),
		oneOf("company.rep_names", c.Company.RepNames, "teams", "names"),
		oneOf("log.format", c.Log.Format, "text", "json"), oneOf("log.level", c.Log.Level, "error", "warn", "info", "debug")); err != nil {
		return err
	}
	return errors.Join(c.checkCertificates(), c.checkCluster(), c.checkService(), c.checkMailboxes(), c.checkOIDC())
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// network reads an address, or several as 10.0.0.0/8.
func network(s string) (*net.IPNet, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, err
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	p = p.Masked()
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, nil
}

// beside returns a path of the configuration relative to its file.
func (c *Config) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.path), path)
}
