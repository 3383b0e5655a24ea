package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"dealtrail/trail"
)

// processing is the record of processing, from the configuration that is in force.
func (p *program) processing() (trail.Processing, error) {
	c := p.config
	key, err := trail.ContactKey(p.secrets.ContactKey).ReportKey()
	if err != nil {
		return trail.Processing{}, err
	}
	mailboxes := len(p.poller.Status())
	r := trail.Processing{
		At: p.clock().UTC(), Version: version, ReportKey: key,
		Purpose:    "To learn which marketing content moves which deals, and to follow up with people who asked for it.",
		Collected:  c.collected(mailboxes),
		Recipients: c.recipients(),
		Stored:     c.stored(),
		Reps: []trail.Collected{
			{What: fmt.Sprintf("Of %d connected mailboxes: which mails with content a rep sent, and who answered; never subject, text or attachments.", mailboxes), Setting: "mailboxes"},
			{What: "Numbers of single reps are shown " + map[string]string{"names": "by name", "teams": "to that rep alone, and by team to others"}[c.Company.RepNames] + ".", Setting: "company.rep_names = " + c.Company.RepNames},
			{What: "Requests, notes, votes, decisions and corrections, with the address of who made them."},
		},
		Kept: []trail.Collected{
			{What: months(c.Retention.PersonMonths, "Names and addresses of people of whom nothing was heard, whom the CRM does not have and who are on no open deal"), Setting: fmt.Sprint("retention.person_months = ", c.Retention.PersonMonths)},
			{What: months(c.Retention.FileMonths, "Files of weekly reviews"), Setting: fmt.Sprint("retention.file_months = ", c.Retention.FileMonths)},
			{What: months(c.Retention.AccessMonths, "Who saw which people, in the access log"), Setting: fmt.Sprint("retention.access_months = ", c.Retention.AccessMonths)},
			{What: months(c.Retention.BadMonths, "What could not become an event, with its bytes"), Setting: fmt.Sprint("retention.bad_months = ", c.Retention.BadMonths)},
			{What: "What a CRM delivered that was not understood: 30 days."},
			{What: "The key under which network addresses are hashed: 48 hours; hashes of before tell nobody apart afterwards."},
			{What: "Facts without a name, counts and credits: as long as the installation has them."},
			{What: fmt.Sprintf("Loaded events in Redis, for repair: %d MB, then they go, oldest first.", c.Redis.ReserveMB), Setting: fmt.Sprint("redis.reserve_mb = ", c.Redis.ReserveMB)},
		},
		Seen: []trail.Collected{{What: "Whoever can sign in, and whoever has an API key; docs/access.md has the roles."}, {What: "Whoever can read the data directory, the Redis and the ClickHouse, and backups."}},
		Measures: []string{
			"The log names people by a keyed hash; addresses, names and titles are in one table.",
			"Raw network addresses and browser texts are judged and never stored.",
			"Passwords of mailboxes are sealed with AES-256-GCM; API keys, sessions and links are kept as hashes.",
			"Every accepted event is on the disk before it is answered; backups can be encrypted and are checked when they are taken.",
			"Erasing rewrites tables, streams, logs of Redis and files, sets a tombstone so that nothing comes back, and signs a report.",
		},
		Never: []string{"Subject, text and attachments of mails.", "Mail between colleagues, with excluded people, and in excluded folders.", "Cookies or scripts on the side of prospects.", "Anything sent to others but what is listed under recipients: no call to the outside is made."},
	}
	return r, nil
}

func months(n int, what string) string {
	if n <= 0 {
		return what + ": never removed."
	}
	return fmt.Sprintf("%s: %d months.", what, n)
}

func (c *Config) collected(mailboxes int) (all []trail.Collected) {
	t := c.Tracking
	all = append(all, trail.Collected{Setting: "tracking.links = " + t.Links, What: map[string]string{
		"on":      "Clicks on tracked links, by whoever's link it is, with time, content, and class of network and browser.",
		"consent": "Clicks on tracked links: by name only of people who agreed, else only that somebody clicked.",
		"account": "Clicks on tracked links: which company and deal, no person.",
		"off":     "No clicks: links lead on and nothing is kept.",
	}[t.Links]})
	all = append(all, trail.Collected{Setting: "tracking.pixel = " + t.Pixel, What: map[string]string{
		"on":      "Opens of mails, by a pixel.",
		"consent": "Opens of mails by a pixel, only of people who agreed.",
		"off":     "No opens: mails have no pixel.",
	}[t.Pixel]})
	if t.HonourSignals {
		all = append(all, trail.Collected{Setting: "tracking.honour_signals = true", What: "A browser that sends Global Privacy Control or Do Not Track is taken at its word."})
	}
	if mailboxes > 0 {
		all = append(all, trail.Collected{Setting: "mailboxes", What: "That a rep mailed content to a person or a person answered, bounced or was absent; of people whom the CRM has, also mail without content: time and addresses, never what was written."})
	}
	return append(all,
		trail.Collected{What: "From the CRM or its exports: address, name, title, role, company, status, source, owner, what they agreed to, and the deals that they are on."},
		trail.Collected{What: "What our own people write of them: requests, notes, decisions of reviews, lists of leads."})
}

func (c *Config) recipients() (all []trail.Collected) {
	if to := c.Review.MailTo; len(to) > 0 {
		what := "The weekly review is mailed to " + strings.Join(to, ", ") + ": counts and a link"
		if c.Review.MailAttach {
			what += ", and a workbook that names people"
		}
		all = append(all, trail.Collected{What: what + ".", Setting: "review.mail_to"})
	}
	if c.Digest.On {
		all = append(all, trail.Collected{What: "Reps get a mail on working days that names who clicked or answered on what they sent.", Setting: "digest.on = true"})
	}
	for _, chat := range c.Chats {
		who := "no names"
		if chat.Names {
			who = "names of people"
		}
		all = append(all, trail.Collected{What: fmt.Sprintf("The chat %s (%s) is told of %s, with %s.", chat.Name, chat.Kind, strings.Join(chat.Events, ", "), who), Setting: "[[chat]]"})
	}
	if len(all) == 0 {
		all = append(all, trail.Collected{What: "Nobody: nothing is sent by itself."})
	}
	return all
}

func (c *Config) stored() []trail.Collected {
	where := func(url, own, other string) string {
		if url == "" {
			return own
		}
		return other
	}
	return []trail.Collected{
		{What: where(c.ClickHouse.URL, "Events and people: in data.dir on this machine, by the embedded engine.", "Events and people: in the ClickHouse that clickhouse.url names."), Setting: "clickhouse.url"},
		{What: where(c.Redis.URL, "State and what waits: in data.dir on this machine, by a private Redis.", "State and what waits: in the Redis that redis.url names."), Setting: "redis.url"},
		{What: where(c.Review.Dir, "No files of reviews are written.", "Files of reviews, which name people: in the folder "+c.Review.Dir+"."), Setting: "review.dir"},
	}
}

type privacyReportCmd struct {
	Format string `default:"markdown" enum:"markdown,json" help:"markdown or json."`
}

// Run prints the record of processing.
func (cmd privacyReportCmd) Run(e *env) error {
	r, err := get[trail.Processing](e, "/v1/privacy", nil)
	if err != nil {
		return err
	}
	if cmd.Format == "json" {
		return (format{"json"}).print(e, r, nil, nil)
	}
	return writeProcessing(e.out, r)
}

func writeProcessing(w io.Writer, r trail.Processing) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Record of processing: dealtrail\n\nAs of %s, dealtrail %s, from the configuration that is in force.\n\n**Purpose.** %s\n", r.At.Format(time.RFC3339), r.Version, r.Purpose)
	for _, part := range []struct {
		title string
		all   []trail.Collected
	}{{"What is collected of prospects", r.Collected}, {"What is collected of our own people", r.Reps}, {"For how long", r.Kept}, {"Who can see it", r.Seen}, {"Who gets something by itself", r.Recipients}, {"Where it is", r.Stored}} {
		fmt.Fprintf(&b, "\n## %s\n\n", part.title)
		for _, x := range part.all {
			b.WriteString("- " + x.What)
			if x.Setting != "" {
				fmt.Fprintf(&b, " (`%s`)", x.Setting)
			}
			b.WriteString("\n")
		}
	}
	for _, part := range []struct {
		title string
		all   []string
	}{{"Technical measures", r.Measures}, {"What is never collected", r.Never}} {
		fmt.Fprintf(&b, "\n## %s\n\n- %s\n", part.title, strings.Join(part.all, "\n- "))
	}
	fmt.Fprintf(&b, "\nReports on erasings are signed with Ed25519 under the public key `%s`.\n", r.ReportKey)
	_, err := io.WriteString(w, b.String())
	return err
}
