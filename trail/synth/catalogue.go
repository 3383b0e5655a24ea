package synth

// The planted contents. All others have no effect.
const (
	Popular  = "product-in-two-minutes" // most sent, most clicked, no effect
	LateNull = "security-faq"           // sent only in the last stage, no effect
	Best     = "roi-calculator"         // the strongest effect
)

// A piece is one row of the catalogue.
type piece struct {
	id, title, kind, persona string
	from, to                 int     // the first and last stage in which it is sent
	weight                   float64 // how often it is sent, relative to others
	appeal                   float64 // the chance that a recipient clicks
	effect                   float64 // on the weekly log-odds of advancing, once clicked
}

// pieces begins with the planted ones, so that a small catalogue has them too.
var pieces = []piece{
	{Popular, "The product in two minutes", "video", "everybody", 0, 3, 9, 0.62, 0},
	{Best, "ROI calculator", "calculator", "finance", 1, 3, 1.8, 0.48, 0.9},
	{"case-pump-maker", "Case study: a pump maker halves its downtime", "case study", "operations", 1, 3, 1.8, 0.45, 0.7},
	{"implementation-plan", "Implementation plan, week by week", "one-pager", "IT", 2, 3, 1.7, 0.42, 0.6},
	{LateNull, "Security and privacy FAQ", "security FAQ", "IT", 3, 3, 7, 0.5, 0},
	{"technical-reference", "Technical reference, 84 pages", "white paper", "IT", 0, 2, 1.6, 0.4, -0.5},
	{"brand-book", "Brand book", "deck", "marketing", 0, 0, 0, 0, 0},
	{"award-announcement", "We won an award", "news", "everybody", 0, 0, 0, 0, 0},
	{"old-price-list", "Price list (superseded)", "pricing", "purchasing", 0, 0, 0, 0, 0},

	{"company-overview", "Company overview", "deck", "everybody", 0, 1, 1.2, 0.35, 0},
	{"one-page-summary", "The whole idea on one page", "one-pager", "executive", 0, 1, 1.1, 0.4, 0},
	{"state-of-maintenance", "The state of maintenance, a survey of 400 plants", "white paper", "operations", 0, 1, 1, 0.33, 0},
	{"buyers-checklist", "Twelve questions to ask any vendor", "checklist", "purchasing", 0, 1, 0.9, 0.38, 0},
	{"webinar-downtime", "Webinar: where downtime really comes from", "webinar", "operations", 0, 1, 0.8, 0.25, 0},
	{"podcast-floor", "Podcast: voices from the shop floor", "podcast", "operations", 0, 1, 0.3, 0.2, 0},
	{"infographic-hours", "Infographic: the hours nobody counts", "infographic", "executive", 0, 1, 0.6, 0.42, 0},
	{"maturity-test", "How mature is your maintenance? A test", "quiz", "operations", 0, 1, 0.7, 0.44, 0},
	{"industry-food", "For food and drink", "one-pager", "operations", 0, 2, 0.7, 0.36, 0},
	{"industry-logistics", "For logistics", "one-pager", "operations", 0, 2, 0.7, 0.36, 0},
	{"industry-chemicals", "For chemicals", "one-pager", "operations", 0, 2, 0.5, 0.36, 0},
	{"demo-recording", "Recording of the live demo", "video", "everybody", 1, 2, 1, 0.47, 0},
	{"demo-agenda", "What we will show you", "one-pager", "everybody", 1, 1, 0.9, 0.3, 0},
	{"architecture", "Architecture in five pictures", "deck", "IT", 1, 2, 0.9, 0.37, 0},
	{"integrations", "Systems that it connects to", "web page", "IT", 1, 2, 0.9, 0.41, 0},
	{"case-dairy", "Case study: a dairy and its three lines", "case study", "operations", 1, 2, 0.9, 0.4, 0},
	{"case-port", "Case study: cranes that call for help", "case study", "operations", 1, 2, 0.7, 0.4, 0},
	{"case-brewery", "Case study: a brewery in nine weeks", "case study", "executive", 1, 3, 0.6, 0.38, 0},
	{"comparison", "How we compare", "comparison", "purchasing", 1, 2, 1, 0.46, 0},
	{"mobile-tour", "A tour of the mobile app", "video", "operations", 1, 2, 0.6, 0.35, 0},
	{"sandbox-guide", "Your own sandbox in an hour", "guide", "IT", 1, 2, 0.6, 0.32, 0},
	{"pricing-explained", "How pricing works", "pricing", "finance", 2, 3, 1.2, 0.52, 0},
	{"proposal-deck", "The proposal, in slides", "deck", "executive", 2, 3, 1.1, 0.45, 0},
	{"board-paper", "A page for your board", "one-pager", "executive", 2, 3, 0.8, 0.4, 0},
	{"change-guide", "Bringing your people along", "guide", "operations", 2, 3, 0.6, 0.33, 0},
	{"support-levels", "Support and service levels", "one-pager", "IT", 2, 3, 0.7, 0.31, 0},
	{"references", "Customers you may call", "list", "executive", 2, 3, 0.8, 0.43, 0},
	{"data-residency", "Where your data lives", "white paper", "IT", 2, 3, 0.5, 0.35, 0},
	{"contract-guide", "The contract in plain words", "guide", "legal", 3, 3, 0.9, 0.47, 0},
	{"onboarding-film", "Your first thirty days", "video", "operations", 3, 3, 0.7, 0.4, 0},
	{"sustainability", "Our sustainability report", "white paper", "purchasing", 0, 3, 0.3, 0.18, 0},
}

// stages are the pipeline; a deal that leaves the last one is won.
var stages = []string{"Qualified", "Demo", "Proposal", "Negotiation"}

var (
	advanceLogit = []float64{-1.25, -1.2, -1.15, -0.95} // per week and stage
	lossLogit    = []float64{-2.7, -2.9, -3.0, -3.1}
	segmentLogit = []float64{0.2, 0, -0.35} // small, middle and large companies
	segmentShare = []float64{0.5, 0.8, 1}   // cumulative
	mailsAWeek   = []float64{0.6, 0.7, 0.7, 0.6}
)
