package trail

import "time"

// Health is who made the requests of the last days, and what no report counts and why.
type Health struct {
	At       time.Time  `json:"at"` // when it was worked out
	Traffic  []Traffic  `json:"traffic"`
	Excluded []Excluded `json:"excluded"`
}

// Traffic is the clicks and opens of one verdict.
type Traffic struct {
	Verdict  Agent  `json:"verdict"` // empty: no request told of it, but a receipt or a file
	Clicks7  uint64 `json:"clicks_7_days"`
	Opens7   uint64 `json:"opens_7_days"`
	Clicks30 uint64 `json:"clicks_30_days"`
	Opens30  uint64 `json:"opens_30_days"`
}

// Share is the part of the clicks, or of the opens, of so many days that machines made,
// and of how many; what no request told of is left out.
func (h Health) Share(of func(Traffic) uint64) (machine, all uint64) {
	for _, t := range h.Traffic {
		if t.Verdict == Scanner {
			machine += of(t)
		}
		if t.Verdict != "" {
			all += of(t)
		}
	}
	return machine, all
}

// Excluded is one reason for which something is in no report, or not in all.
type Excluded struct {
	Code  string  `json:"code"`
	Title string  `json:"title"`
	Means string  `json:"means"`          // why, and what would change it
	Count *uint64 `json:"count"`          // null: it leaves no trace, so nobody can count it
	Page  string  `json:"page,omitempty"` // where to look
}

// Exclusions are all reasons, with the counts that are known by code.
func Exclusions(counts map[string]uint64) []Excluded {
	all := []Excluded{}
	for _, x := range excluded {
		e := Excluded{Code: x[0], Title: x[1], Means: x[2], Page: x[3]}
		if n, ok := counts[x[0]]; ok {
			e.Count = &n
		}
		all = append(all, e)
	}
	return all
}

// excluded are the codes with title, meaning and page.
var excluded = [][4]string{
	{"machine", "Requests of machines", "Mail scanners, previews and other programs. Kept and labelled; counted only for everyone.", "/?agents=all"},
	{"unknown", "Requests of which nobody can tell", "The evidence does not decide. Counted only for everyone.", "/?agents=all"},
	{"self", "Our own requests", "A rep looked at their own mail or tried the link. Never counted.", "/models#who-counts"},
	{"no_consent", "Named nobody: no consent, or one that has ended", "Counted, without a person. tracking.links is consent, and not everybody who may have clicked has agreed.", "/models#who-counts"},
	{"opted_out", "Named nobody: tracking was stopped", "Counted, without a person. A recipient stopped it.", "/models#who-counts"},
	{"browser", "Named nobody: the browser asked for that", "Counted, without a person. It sent Global Privacy Control or Do Not Track.", "/models#who-counts"},
	{"account_only", "Named nobody: only the company is kept", "Counted for deal and company. tracking.links is account.", "/models#who-counts"},
	{"retracted", "Retracted", "The CRM took it back, or it never was. In no report.", "/quality"},
	{"no_deal", "Touches that belong to no deal", "Counted for the content; they earn nothing.", "/quality"},
	{"out_of_window", "Touches of won deals too long before the close", "Counted as touches; they earn nothing. attribution.window_days says how long.", "/models"},
	{"bad", "Bad rows", "Could not become events. They are kept aside with the reason: dealtrail bad list.", "/dictionary#bad-events"},
	{"own_domains", "Mail within the company, and excluded addresses and folders", "Leaves no trace, so that nobody can count it. company.domains, mailboxes.exclude and exclude_folders say which.", ""},
}
