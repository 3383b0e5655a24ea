package trail

// Term is one number as pages show it: what it says and what it is made of.
type Term struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Means    string `json:"means"`             // in one sentence
	Formula  string `json:"formula"`           // how it is worked out
	Unit     string `json:"unit"`              //
	Excludes string `json:"excludes,omitzero"` // what is left out
	Page     string `json:"page"`              // where the events behind it are
	Docs     string `json:"docs"`              // the section that has it in full
}

// Terms is the dictionary, by subject.
func Terms() []Term { return terms }

// TermOf returns the entry of an ID.
func TermOf(id string) (Term, bool) {
	for _, t := range terms {
		if t.ID == id {
			return t, true
		}
	}
	return Term{}, false
}

// What is left out in many places.
const (
	noMachines = "Requests of machines, and of ourselves; of whom nobody can tell unless everyone counts"
	noMoney    = "Deals without an amount, or in a currency without a rate: they count as deals and are in no sum"
	noDates    = "Deals of which nobody says when they closed"
)

// terms are in the order of the page. Each is found by its ID from the heads of tables.
var terms = []Term{
	// What was sent, and what came of it.
	{"sent", "Sent", "How often a content went to somebody.", "Different pairs of mail and recipient with the content, by tracked link, plain link or file", "sends", "Mail within the company; addresses and folders that are excluded", "/deals", "docs/models.md#what-goes-in"},
	{"stale", "Older versions", "How often a content went out in a version that a newer one had replaced.", "Sends whose file or plain link is that of a version before the newest one of that time", "sends", "Tracked links, which lead to the newest version by themselves", "/content/found", "docs/models.md#what-goes-in"},
	{"mails", "Mails", "In how many mails a thing was seen.", "Different mails; several recipients of one are one mail", "mails", "Mail within the company", "/content/found", "docs/mailboxes.md#mailboxes"},
	{"people", "People", "To how many different people it went.", "Different recipients", "people", "", "/baseline", "docs/models.md#what-goes-in"},
	{"reps", "Reps", "How many different reps sent it.", "Different senders on our side", "reps", "Whose mailbox is not read", "/reps", "docs/mailboxes.md#mailboxes"},
	{"old-versions", "Old versions", "Sends of a file or a link that the content had before and has no longer.", "Sends whose file or link is not the current one", "sends", "", "/content/found", "docs/mailboxes.md#mailboxes"},
	{"clicks", "Clicks", "How often tracked links were followed by whoever counts.", "Clicks at the level that the page names", "clicks", noMachines, "/deals", "docs/tracking.md#tracking-links-who-asked-and-what-is-kept"},
	{"opens", "Opens", "How often a mail's pixel was fetched: a weak sign, because mail programs fetch pixels by themselves.", "Fetches of pixels, and receipts, at the level that the page names", "opens", noMachines, "/deals", "docs/tracking.md#tracking-links-who-asked-and-what-is-kept"},
	{"replies", "Replies", "How often somebody answered a mail.", "Different answers by mail; automatic ones are not answers", "replies", "Answers by telephone or by another way: nobody sees them", "/deals", "docs/mailboxes.md#what-is-not-seen"},
	{"clicked-links", "Clicked", "How many tracked links somebody followed, each once however often.", "Different links with a click at the level that the page names; people where there is no link of their own", "links", noMachines, "/deals", "docs/tracking.md#tracking-links-who-asked-and-what-is-kept"},
	{"open-rate", "Opened", "In what part of the sends where an open can be seen one was seen: a weak sign.", "Sends with an open over sends whose mail carried a pixel or asked for a receipt", "percent", "Sends without either, and imported ones", "/deals", "docs/tracking.md#tracking-links-who-asked-and-what-is-kept"},
	{"deals-touched", "Deals", "How many deals it touched.", "Different deals tied to a click, a view or an answer of it", "deals", noMachines, "/deals", "docs/association.md#which-deal-a-touch-belongs-to"},
	{"won-touched", "Won", "How many of the deals that it touched were won, whatever won them.", "Those of the deals touched with the status won", "deals", noMachines, "/deals", "docs/association.md#which-deal-a-touch-belongs-to"},
	{"moved-on", "Moved on in 30 days", "How many deals entered another stage, or were won, within 30 days after the first send to such a person in such a stage; not because of it.", "Deals with a stage entry or a win in that time, over deals whose 30 days are over", "deals", "Deals in no stage, and those whose time is not over", "/deals", "docs/models.md#what-goes-in"},
	{"lost-soon", "Lost in 30 days", "How many deals were lost within 30 days after that send.", "Deals lost in that time", "deals", "Those whose time is not over", "/deals", "docs/models.md#what-goes-in"},
	{"similar-won", "Of won deals", "How many won deals like this one had seen the content by this stage.", "Won deals of the same segment, else size, with a touch of it before they left the stage", "deals", "Nothing is said of fewer than five", "/deals", "docs/models.md#what-goes-in"},
	{"different-content", "Different content", "How many different contents a rep sent; of a team, the most that one of them did.", "Different contents with a send", "contents", "", "/reps", "docs/models.md#what-goes-in"},
	{"won-owned", "Deals won", "How many deals that were won in the period the rep owns.", "Won deals by their owner", "deals", noDates, "/deals", "docs/models.md#what-goes-in"},
	{"responded", "Responded", "What part of the leads on a list who were sent a content did something with it, with its interval.", "Leads who clicked, viewed or answered after the first send, over leads it was sent to; Wilson's interval", "percent", "What somebody else can have done; " + noMachines, "/lists", "docs/lists.md#lists-of-leads-and-how-they-respond"},
	{"rest", "The rest", "How others who were sent the same in the same weeks responded, and by how much the list differs.", "Difference of rates over strata of stage and segment (Mantel-Haenszel, or Newcombe with one)", "percentage points", "Strata with only one of both groups", "/lists", "docs/lists.md#lists-of-leads-and-how-they-respond"},
	{"touches", "Touches", "How often a deal's people did something with content.", "Clicks, views and replies with a content that are tied to the deal", "touches", noMachines, "/deals", "docs/association.md#which-deal-a-touch-belongs-to"},
	{"part-of-won", "Was part of won deals", "In how many won deals somebody was sent it or did something with it before the close; what is sent to everybody is part of most deals, won and lost.", "Won deals tied to a send, open, click, view, answer or forward of it until the close", "deals", noDates, "/baseline", "docs/association.md#which-deal-a-touch-belongs-to"},
	{"votes", "Votes", "How many people found a note useful.", "People whose last word on the note is a vote for it", "people", "", "/notes", "docs/requests.md#requests-notes-and-what-to-send"},
	// Credit.
	{"credit", "Credit", "What part of won deals a content gets by the chosen rule; a convention, not proof that it moved them.", "Sum over won deals of value × the content's share of the deal's eligible touches", "money, or deals", noMoney + "; touches outside the window", "/why", "docs/models.md#credit"},
	{"no-content", "No content seen", "What was won without any eligible touch.", "Value of won deals with an empty path, and what a model gives to none", "money, or deals", noMoney, "/why?content=(none)", "docs/models.md#what-goes-in"},
	{"rank", "Rank", "Its place by credit: pieces of one rank do not differ by more than chance would make them differ.", "Order by credit; neighbours whose intervals overlap are of one rank", "1 is the first", "", "/why", "docs/models.md#credit"},
	{"cost", "Cost", "What a content cost, as it was registered.", "The registered cost in its own currency", "money", "", "/", "docs/models.md#money"},
	{"amount", "Amount", "What a deal is worth, as the CRM says.", "The deal's amount in its own currency", "money", "", "/deals", "docs/models.md#money"},
	{"place", "Place", "Which touch of the deal it was.", "Position on the deal's path, by time", "1 is the first", "Repeats of one burst count once", "/why", "docs/models.md#what-goes-in"},
	{"part", "Part", "What share of a deal something gets.", "Weight of its touches by the model over the weight of all", "percent of the deal", "", "/why", "docs/models.md#the-rules"},
	{"before", "Before", "What the earlier of two runs said.", "Credit in that run", "money", "", "/runs", "docs/runs.md#runs-and-what-changed-between-two"},
	{"after", "After", "What the later of two runs says.", "Credit in that run", "money", "", "/runs", "docs/runs.md#runs-and-what-changed-between-two"},
	{"change", "Change", "By how much a number differs from before.", "After minus before; of a share, in percentage points", "as the number", "", "/runs", "docs/runs.md#runs-and-what-changed-between-two"},
	{"deals-changed", "Deals", "In how many deals a cause changed something; each deal has one cause.", "Deals whose credit differs between the runs", "deals", "", "/runs", "docs/runs.md#runs-and-what-changed-between-two"},
	{"inputs", "What went in", "How much of each thing a run saw.", "Counts at the run's as-of time", "as the line says", "", "/runs", "docs/models.md#runs"},
	{"won-deals", "Won deals", "How many deals were won in the period.", "Deals with the status won that closed in it", "deals", noDates, "/deals?status=won", "docs/models.md#what-goes-in"},
	{"left-out", "Left out", "How many won deals are in no sum of money.", "Won deals without an amount, a rate or a closing date", "deals", "", "/quality", "docs/models.md#money"},
	// Lift and holdouts.
	{"lift", "Lift", "By how many points more often similar deals went on with the content than without, with an interval; it is the number to ask whether content moves deals.", "Mantel-Haenszel difference of rates over strata of stage, segment, age and other contents seen", "percentage points", "Deals that had left the stage a week after entering it; entries whose weeks are not over", "/lift", "docs/models.md#lift"},
	{"had-seen", "Had seen it", "Entries of deals that had seen the content by the landmark, and how many of these went on.", "Stage entries with a touch of it before the landmark", "stage entries", "What was seen later", "/lift", "docs/models.md#how-it-is-counted"},
	{"had-not", "Had not", "Entries of similar deals that had not seen it by the landmark, and how many of these went on.", "Stage entries without a touch of it before the landmark", "stage entries", "Strata with only one of both groups", "/lift", "docs/models.md#how-it-is-counted"},
	{"went-on", "Went on", "How many of these reached a later stage, or were won, in time.", "Entries with the outcome within the horizon", "stage entries", "", "/lift", "docs/models.md#how-it-is-counted"},
	{"points", "Points", "By how many points the rates of one stratum differ.", "Rate with minus rate without", "percentage points", "", "/lift", "docs/models.md#formulas"},
	{"weight", "Weight", "How much a stratum says in the whole.", "n₁ n₀ / n over its sum", "percent", "", "/lift", "docs/models.md#formulas"},
	{"entries", "Seen in stage entries", "In how many stage entries a content was seen: the more, the smaller a lift can be found.", "Stage entries with a touch of it before the landmark", "stage entries", "", "/lift", "docs/models.md#how-it-is-counted"},
	{"recommended", "Recommended it", "Deals to which chance drew the recommendation.", "Deals drawn into that arm", "deals", "Deals whose people had it before", "/holdouts", "docs/holdout.md#holdouts-proof-by-chance"},
	{"held-back", "Held back", "Deals from which chance held the content back.", "Deals drawn into that arm", "deals", "Deals whose people had it before", "/holdouts", "docs/holdout.md#holdouts-proof-by-chance"},
	{"time-over", "Time over", "Deals of an arm whose time to go on is over.", "Deals drawn at least the horizon ago, or that ended", "deals", "", "/holdouts", "docs/holdout.md#holdouts-proof-by-chance"},
	{"reached", "Advanced or won", "How many of these reached the outcome in time.", "Deals with the outcome over those whose time is over", "deals", "", "/holdouts", "docs/holdout.md#holdouts-proof-by-chance"},
	{"got-it", "Got it", "How many of these got the content, whoever sent it.", "Deals one of whose people was sent it after the draw", "deals", "", "/holdouts", "docs/holdout.md#holdouts-proof-by-chance"},
	// Then and now.
	{"then", "Then", "The number on the day on which the baseline was kept.", "As measured then, over the period named", "as the line says", "", "/baseline", "docs/numbers.md#shared-numbers"},
	{"now", "Now", "The same number today, over a period of the same length.", "As measured now", "as the line says", "", "/baseline", "docs/numbers.md#shared-numbers"},
	{"movement", "Movement", "By how many points a share differs from the baseline's; it does not say why.", "Share in the month minus share in the baseline", "percentage points", "Shares of fewer than 20, then or now", "/month", "docs/numbers.md#shared-numbers"},
	// Goals.
	{"goal", "Goal", "What sales and marketing agreed to reach together in a month, a quarter or a year.", "As they wrote it down last; each earlier word stays in the history", "as the measure", "Goals that were given up", "/numbers", "docs/numbers.md#shared-numbers"},
	{"actual", "So far", "What there is of a goal by now.", "The measure over the part of the period that has passed, by the company's calendar", "as the measure", noDates, "/numbers", "docs/numbers.md#shared-numbers"},
	{"pace", "Pace", "What an even pace asks for by now.", "Target × working days passed / working days of the period, Monday to Friday; of a share, the target itself", "as the measure", "Holidays: nobody told us", "/numbers", "docs/numbers.md#shared-numbers"},
	{"projection", "Projection", "Where it ends if it goes on as until now: in four of five cases within the range.", "Counts: negative binomial; money: compound Poisson; shares: Wilson's interval", "as the measure", "Periods of which less than a tenth has passed; sums of fewer than five deals", "/numbers", "docs/numbers.md#shared-numbers"},
	{"new-customers", "New paying customers", "Companies whose first won deal closed in the period.", "Different companies, by domain, else by name, whose earliest won deal closed in it", "companies", noDates, "/deals?status=won", "docs/numbers.md#shared-numbers"},
	{"won-amount", "Won amount", "What the deals won in a period are worth together.", "Sum of amounts × rate, each deal rounded once", "the reporting currency", noMoney, "/deals?status=won", "docs/models.md#money"},
	{"leads-accepted", "Leads accepted", "Leads that a weekly review accepted for the first time in the period.", "Contacts whose first acceptance that stands was said in it", "leads", "Deals, and what a review took back", "/review", "docs/review.md#the-weekly-lead-review"},
	{"content-used", "Content used", "How many registered contents at least one rep sent in the period.", "Different contents with a send", "contents", "What is not registered", "/", "docs/numbers.md#shared-numbers"},
	// Service.
	{"leads", "Leads", "Contacts with a status in the CRM that were created in the period.", "Contacts by created_at of the CRM, else by when they became known here", "leads", "Those a rep had written to in the 90 days before", "/numbers#service", "docs/numbers.md#shared-numbers"},
	{"due", "Due", "Leads that were answered, or whose time is up.", "Leads with a first mail, or older than the hours agreed", "leads", "Leads that still have time", "/numbers#service", "docs/numbers.md#shared-numbers"},
	{"share-in-time", "Leads in time", "Of the leads that are due, how many a rep wrote to in time.", "First mail within the hours agreed / due", "percent", "Leads that still have time; calls, of which nobody knows here", "/numbers#service", "docs/numbers.md#shared-numbers"},
	{"time-to-answer", "Time to answer", "How long a lead waits for the first mail of a rep, from its creation in the CRM.", "Median, and the time within which nine of ten were answered, over the leads that are due; one that nobody answered is longer than any", "hours", "Time outside service.hours, if they are set", "/numbers#service", "docs/numbers.md#shared-numbers"},
	{"system-delay", "System delay", "How long a lead takes from the CRM to here.", "Median from creation in the CRM to when we learned of it, or to the first mail if that was earlier", "hours", "Leads of the first import, and those without a creation date", "/numbers#service", "docs/numbers.md#shared-numbers"},
	{"human-delay", "Human delay", "How long a rep takes once the lead is known here.", "Median from when we learned of it to the first mail", "hours", "Leads of the first import, those without a creation date, and those nobody answered", "/numbers#service", "docs/numbers.md#shared-numbers"},
	{"ignored", "Ignored leads", "Leads that are late and that no rep ever wrote to.", "Leads older than the hours agreed without a mail from us", "leads", "Calls, of which nobody knows here", "/numbers#ignored", "docs/numbers.md#shared-numbers"},
	{"team-reps", "Reps of a group", "How many reps a group has whose leads are counted; groups have five or more, so that nobody is told.", "Different reps who wrote first or own the lead", "reps", "Smaller groups, which are put together", "/numbers#service", "docs/numbers.md#shared-numbers"},
	// Requests.
	{"requests", "Requests", "What reps asked marketing for.", "Requests asked in the period", "requests", "", "/requests", "docs/requests.md#requests-notes-and-what-to-send"},
	{"open-requests", "Open requests", "Requests without an answer, and how many of them are later than agreed.", "Requests without an answer; late after review.answer_days", "requests", "", "/requests?state=open", "docs/requests.md#requests-notes-and-what-to-send"},
	{"requests-in-time", "Requests answered in time", "Of the requests that are due, how many got their first answer in time; declining with a reason is an answer.", "First answer within review.answer_days / requests answered or older than that", "percent", "Requests that still have time", "/requests", "docs/requests.md#requests-notes-and-what-to-send"},
	{"waiting", "Amount waiting", "What the open deals are worth that wait for content.", "Sum over open deals with an open request, each deal once, by currency", "money", "Requests for a stage and no deal; deals that are won or lost", "/requests?state=open", "docs/requests.md#requests-notes-and-what-to-send"},
	// The month.
	{"reps-connected", "Reps connected", "How many mailboxes are read, today.", "Mailboxes that are up to date", "mailboxes", "Paused and failing ones", "/status", "docs/mailboxes.md#mailboxes"},
	{"tracked-per-rep", "Tracked sends a rep", "What the rep in the middle sent with a tracked link.", "Median over the reps who sent content in the period", "sends", "Not shown with fewer than five reps, of whom one could be told", "/reps", "docs/numbers.md#shared-numbers"},
	{"won-seen", "Won with content seen", "What was won in deals whose people had seen content by the rules of credit; that does not say that it caused the win.", "Value of won deals with an eligible touch before the close", "money", noMoney, "/why", "docs/models.md#what-goes-in"},
	// Health.
	{"backlog", "Backlog", "Events that were accepted and are not yet in the reports.", "Entries in the stream and on the disks", "events", "", "/status", "docs/pipe.md#the-pipe-where-an-event-is-between-a-click-and-a-report"},
	{"events", "Events", "How many facts are known.", "Stored events, each once", "events", "", "/status", "docs/pipe.md#the-pipe-where-an-event-is-between-a-click-and-a-report"},
	{"lost-clicks", "Lost clicks", "Clicks that got their page but could not be written.", "Counted by the processes since their start", "clicks", "", "/status", "docs/pipe.md#the-pipe-where-an-event-is-between-a-click-and-a-report"},
	{"bad-events", "Bad events", "Entries that could not become events; they are kept aside with the reason.", "Entries not handed in again: dealtrail bad list", "entries", "", "/status", "docs/pipe.md#the-pipe-where-an-event-is-between-a-click-and-a-report"},
	{"last-run", "Last calculation", "When credits and lifts were calculated last.", "When the newest run finished", "time", "", "/runs", "docs/models.md#runs"},
	{"known", "Known", "How many contents, deals, contacts and links there are.", "Different subjects of events", "as it says", "", "/status", "docs/pipe.md#the-pipe-where-an-event-is-between-a-click-and-a-report"},
	{"mails-read", "Mails read", "How many mails of a mailbox were read.", "Since the process began", "mails", "", "/status", "docs/mailboxes.md#mailboxes"},
	{"mailbox-events", "Events of a mailbox", "How many events its mails became.", "Since the process began", "events", "Mail without a contact of ours to be", "/status", "docs/mailboxes.md#mailboxes"},
	{"facts", "Facts", "How many facts about a rep's mail are kept.", "Stored events about mail that the rep sent, or that followed from it; a mail of two contents is one", "facts", "Mail within the company; whom the rep excluded", "/mailbox", "docs/own-mail.md#what-is-kept-of-a-reps-mail-and-what-the-rep-says-about-it"},
	{"by-machines", "By machines", "How many of these a machine made.", "Facts with the verdict machine", "facts", "", "/mailbox", "docs/tracking.md#tracking-links-who-asked-and-what-is-kept"},
	{"corrected", "Corrected by you", "In how many the rep said who it was.", "Facts with a person's word", "facts", "Words that were taken back", "/mailbox", "docs/own-mail.md#what-is-kept-of-a-reps-mail-and-what-the-rep-says-about-it"},
	{"accepted", "Accepted", "What a process made durable.", "Events since its start", "events", "", "/status", "docs/pipe.md#the-pipe-where-an-event-is-between-a-click-and-a-report"},
	{"loaded", "Loaded", "What a process put into the reports.", "Events inserted since its start, copies included", "events", "", "/status", "docs/pipe.md#the-pipe-where-an-event-is-between-a-click-and-a-report"},
	{"on-disk", "On its disk", "What waits on a process's disk because Redis was away.", "Events in the spool", "events", "", "/status", "docs/pipe.md#the-pipe-where-an-event-is-between-a-click-and-a-report"},
	{"machine-share", "Share of machines", "What part of the requests machines made.", "Requests judged to be a machine's over all that were judged", "percent", "Opens by receipt and history from files: no request told of them", "/status#traffic", "docs/tracking.md#tracking-links-who-asked-and-what-is-kept"},
	{"excluded", "Excluded", "How much is in no report, or not in all, by reason.", "Events with the reason", "events", "What leaves no trace at all", "/status#excluded", "docs/tracking.md#tracking-links-who-asked-and-what-is-kept"},
	{"wrong", "How many", "How many events show what is wrong.", "Events with that mistake", "events", "", "/quality", "docs/association.md#which-deal-a-touch-belongs-to"},
}
