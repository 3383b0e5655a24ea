package trail

import "time"

// Quality is what is wrong with the data, and the touches of which nobody can tell
// the deal.
type Quality struct {
	At     time.Time      `json:"at"`
	Agents Level          `json:"agents"` // whose touches are looked at
	Groups []QualityGroup `json:"groups"` // in the order of what they do to the numbers; those without rows too
	Review []Doubt        `json:"review"` // what a person may decide
	Open   uint64         `json:"open"`   // how many doubts there are; review has the newest of each kind
}

// QualityGroup is one thing that can be wrong.
type QualityGroup struct {
	Code  string       `json:"code"`
	Title string       `json:"title"`
	Means string       `json:"means"` // what it does to the numbers, and what mends it
	Count uint64       `json:"count"` // how many there are; rows are the first
	Rows  []QualityRow `json:"rows"`
}

// QualityRow is one thing that is wrong. Fields that do not apply are empty.
type QualityRow struct {
	Deal    string    `json:"deal,omitzero"`
	Name    string    `json:"name,omitzero"`   // of the deal
	Status  string    `json:"status,omitzero"` // of the deal
	Content ContentID `json:"content,omitzero"`
	Contact string    `json:"contact,omitzero"` // the address, else the ContactID
	Detail  string    `json:"detail,omitzero"`
	Events  uint64    `json:"events,omitzero"` // how many there are of it
	At      time.Time `json:"at,omitzero"`     // of the last of these
}

// Doubt is touches that may be of several deals.
type Doubt struct {
	Why        string    `json:"why"`  // contact: on several open deals; company: on none, and the company has several; link: people of several companies
	Kind       string    `json:"kind"` // contact, account or link: what a decision is about
	Subject    string    `json:"subject"`
	People     []string  `json:"people"` // addresses, as far as they are known
	Account    string    `json:"account,omitzero"`
	Touches    uint64    `json:"touches"`
	LastTouch  time.Time `json:"last_touch"`
	Candidates []DealRow `json:"candidates"` // the deals that were open then
}

// Wrongs are all that can be wrong, without rows.
func Wrongs() []QualityGroup {
	var all []QualityGroup
	for _, g := range wrongs {
		all = append(all, QualityGroup{Code: g[0], Title: g[1], Means: g[2], Rows: []QualityRow{}})
	}
	return all
}

// wrongs are the codes with their titles and what they mean.
var wrongs = [][3]string{
	{"no_rate", "Deals in a currency without a rate", "Left out of all money and credit when won; still counted as won deals. Add the rate to company.rates in dealtrail.toml."},
	{"no_amount", "Deals without an amount", "Left out of all money and credit when won; still counted as won deals. Open ones may well have none yet."},
	{"no_closing_date", "Won or lost deals without a closing date", "Left out of all money and credit when won, and in no period; still counted as won or lost. Touches go on counting as if they were open."},
	{"negative_amount", "Deals with a negative amount", "Taken as they are: they lower the sums. That is right for a refund and wrong for anything else."},
	{"closed_in_future", "Deals that closed in the future", "Counted as won or lost today, in the period of that day; touches until then can earn credit."},
	{"closed_before_created", "Deals that closed before they were created", "Taken as they are. Touches after the closing date earn nothing, so most of such a deal goes to nobody."},
	{"won_untouched", "Won deals without any touch", "Counted in full; the whole amount is under “No content seen”. Often the deal has no contacts in the CRM, or the mailbox of its rep is not read."},
	{"unknown_deal", "Events of deals that are not known", "They count for the content and earn nothing. Import the deal, or mend its ID."},
	{"unknown_content", "Events of content that is not registered", "They are tied to deals and earn credit under the bare ID. Register the content under that ID."},
	{"contact_without_deal", "People who touched content and are on no deal", "They count for the content and earn nothing. Put them on a deal in the CRM, or give the deal its company's domain. Many are no buyers yet."},
	{"broken_address", "Contacts whose address is missing or none", "Their touches count; who they are cannot be shown, and no company is known by them."},
	{"touch_in_future", "Touches in the future", "Counted today. They earn credit of a deal that closes after them. A clock or an import was wrong."},
	{"stage_unknown", "Stages that are not in the list", "Left out of what depends on the order of stages. Add them to attribution.stages in dealtrail.toml, or rename them in the CRM."},
	{"stage_backwards", "Deals that went back to an earlier stage", "Taken as they are, each entry at its time. A deal that is opened again looks like this; a wrong date of an import does too."},
}
