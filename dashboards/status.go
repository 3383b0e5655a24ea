package dashboards

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

type statusPage struct {
	frame
	Status trail.Status
	Links  string // what tracked links begin with
	Unseen []string
	Health *trail.Health // nil while the database does not answer
}

func (s *Site) status(c echo.Context) error {
	st, err := s.Status(c.Request().Context())
	if err != nil {
		return err
	}
	page := statusPage{frame: s.frame(c, "Is everything working?", "status", lens{}), Status: st, Links: strings.TrimRight(s.PublicURL, "/") + "/c/", Unseen: unseenLinks(st.Mailboxes)}
	if page.Health, err = s.DB.Health(c.Request().Context(), s.terms(), st.Bad, s.Now()); err != nil {
		page.Health = nil // the status tells the store's trouble, and is needed most then
	}
	return s.render(c, http.StatusOK, "status", page)
}

// unseenLinks says whose hands the links of sent mails pass through so that their
// content is not seen, in how many mails, what that means and what to do about it.
func unseenLinks(boxes []trail.MailboxStatus) (sentences []string) {
	wrapped, trackers := map[string]uint64{}, map[string]uint64{}
	for _, b := range boxes {
		for name, n := range b.Wrapped {
			wrapped[name] += n
		}
		for name, n := range b.Trackers {
			trackers[name] += n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(trackers)) {
		sentences = append(sentences, fmt.Sprintf("%s rewrites the links of %s, so their content is not seen: turn off link tracking for one-to-one mail in %s, or send dealtrail's links as they are.",
			name, plural(trackers[name], "mail", "mails"), name))
	}
	for _, name := range slices.Sorted(maps.Keys(wrapped)) {
		sentences = append(sentences, fmt.Sprintf("%s wraps the links of %s in a form that nobody else can read, so their content is not seen: let %s leave the links of mail that goes out as they are, at least those that begin with your address for links.",
			name, plural(wrapped[name], "sent mail", "sent mails"), name))
	}
	return sentences
}

// balanceLine is one term of the balance of the pipe in words.
type balanceLine struct {
	Name, What string
	N          uint64
	Class      string // alarm, or sum for what the others add up to
}

// balanceLines leave out what is not there, but for the terms that every
// installation has.
func balanceLines(b trail.Balance) (lines []balanceLine) {
	add := func(always bool, name, what string, n uint64, class string) {
		if always || n > 0 {
			lines = append(lines, balanceLine{name, what, n, class})
		}
	}
	add(true, "Stored events", "each counted once, however often it came", b.Stored, "")
	add(false, "Corrections", "later versions of events that are stored", b.Revisions, "")
	add(true, "Duplicates", "further copies of the same event, which no report counts", b.Duplicates, "")
	add(true, "Bad", "could not become events and are kept aside with the reason", b.Bad, "")
	add(false, "Erased", "removed because a person asked", b.Erased, "")
	add(false, "Expired", "removed because they were old", b.Expired, "")
	add(true, "On their way", "accepted and not yet in the reports", b.InFlight(), "")
	add(false, "Missing", "accepted, said to be stored, and not there: no report has them", b.Missing, "alarm")
	add(true, "Accepted", "everything that was ever made durable", b.Accepted, "sum")
	add(false, "Never accepted", "stored, but not from these streams", b.Surplus, "alarm")
	return lines
}

// startStep is one line of the checklist of a new installation. It ticks itself
// from what the installation has seen.
type startStep struct {
	Done           bool
	Title, Text    string
	Link, LinkText string
	Command        string
}

type startPage struct {
	frame
	Steps []startStep
	Done  int
}

func (s *Site) start(c echo.Context) error {
	st, err := s.Status(c.Request().Context())
	if err != nil {
		return err
	}
	page := startPage{frame: s.frame(c, "What is left to set up?", "start", lens{}), Steps: startSteps(st)}
	if s.ReviewList != nil {
		page.Steps = append(page.Steps, startStep{s.ReviewList() > 0, "The review has its list", "The people who get the lead review each week, from sales and from marketing: review.mail_to in dealtrail.toml.", "/review", "See the review", ""})
	}
	for _, step := range page.Steps {
		if step.Done {
			page.Done++
		}
	}
	return s.render(c, http.StatusOK, "start", page)
}

// startSteps are what a new installation has to do, in the order in which it makes sense.
func startSteps(st trail.Status) []startStep {
	connected := false
	for _, m := range st.Mailboxes {
		connected = connected || m.State == "ok"
	}
	return []startStep{
		{connected, "A mailbox is connected", "dealtrail reads the Sent folder and the Inbox of your reps. It only ever reads. [[mailbox]] blocks in dealtrail.toml connect some too.", "/connect", "The page on which reps connect their own", "dealtrail mailbox add FILE"},
		{st.Contents > 0, "Content is registered", "A piece of content is anything a rep sends: a page, a deck, a PDF.", "/content/new", "Register content", "dealtrail import content FILE"},
		{st.Deals > 0, "Deals are imported", "A CSV export of your CRM is enough; the same file twice changes nothing.", "/deals", "See deals", "dealtrail import deals FILE"},
		{st.CRMContacts > 0, "Contacts are imported", "They say who is on which deal, and who is a lead: without them most touches belong to no deal.", "/quality", "What is missing", "dealtrail import contacts FILE"},
		{st.Shares > 0, "The first tracked link is made", "Open a piece of content and make a link, or let reps make theirs; paste it into a mail.", "/share", "Find content and copy a link", "dealtrail share --content ID --rep EMAIL"},
		{st.Clicks > 0, "The first click has come", "Open the mail and click, as a prospect would. It appears here within seconds.", "", "", ""},
		{st.LastRun != nil && st.LastRun.Deals > 0, "Credit is calculated", "It happens by itself once there are won deals.", "/runs", "The calculations", "dealtrail attribute"},
		{st.BaselineKept, "The numbers of a day are kept", "A month later nobody remembers where you stood. It happens by itself a day after the last mailbox was added.", "/baseline", "Keep today's numbers", ""},
	}
}

type modelsPage struct {
	frame
	Models      []model
	Definitions string // their version
	Few         int    // with fewer won deals intervals come first
}

func (s *Site) models(c echo.Context) error {
	page := modelsPage{frame: s.frame(c, "What do the numbers mean?", "models", lens{}), Models: s.modelList(), Definitions: attribution.Version, Few: trail.FewDeals}
	run, err := s.source.Run(c.Request().Context(), store.Filter{})
	if err = ignore(err, trail.NoRun); err != nil {
		return err
	}
	if run != nil {
		for i := range page.Models {
			page.Models[i].Reason = run.Reasons[page.Models[i].Name]
		}
	}
	return s.render(c, http.StatusOK, "models", page)
}
