package crm

import (
	"slices"
	"strings"
	"unicode"

	"dealtrail/trail"
)

// table is what a file must hold to be imported under a name.
type table struct {
	name     string
	kind     trail.Kind   // of the registrations; "" for tables of facts
	facts    []trail.Kind // what a table of facts tells
	columns  []column
	required []string
}

// column is one column of a table: its name in the contract, how its cells are
// read, and the headers that the exports of HubSpot (as shown on screen) and
// Salesforce (labels and API names) have for it, folded, best first.
type column struct {
	name string
	read reading
	also []string
}

type reading int

const (
	asText    reading = iota
	asProse           // text that must not hold a contact's address
	asKey             // an ID: short, one line
	asDeal            // a deal's ID, Salesforce's in 18 characters
	asTime            // RFC 3339 in UTC
	asMoney           // plain decimal
	asCode            // currency, three letters
	asURL             //
	asURLs            // separated by spaces
	asWords           // tags
	asDomain          //
	asAddress         // of a contact
	asPeople          // addresses of contacts, separated by semicolons
	asOwner           // a rep, by address if the CRM has it, else by name
	asRep             // a rep, by address
	asStatus          // open, won or lost
	asYesNo           //
	asTouch           // a kind of touch
	asAgent           //
)

var tables = []table{
	{name: "content", kind: trail.ContentKind, required: []string{"id"}, columns: []column{
		{"id", asKey, []string{"contentid"}},
		{"title", asText, []string{"name", "contenttitle", "contentname"}},
		{"kind", asText, []string{"type", "contenttype"}},
		{"url", asURL, []string{"link", "contenturl"}},
		{"other_urls", asURLs, []string{"otherlinks"}},
		{"stage", asText, []string{"funnelstage", "buyingstage"}},
		{"persona", asText, nil},
		{"version", asText, nil},
		{"tags", asWords, []string{"tag"}},
		{"owner", asOwner, []string{"owneremail", "contentowner"}},
		{"cost", asMoney, nil},
		{"currency", asCode, []string{"costcurrency", "currencycode"}},
		{"published_at", asTime, []string{"published", "publishdate", "publisheddate"}},
		{"expires_at", asTime, []string{"expires", "expirydate", "expirationdate"}},
	}},
	{name: "contacts", kind: trail.ContactKind, required: []string{"email"}, columns: []column{
		{"email", asAddress, []string{"emailaddress", "workemail", "contactemail"}},
		{"name", asText, []string{"fullname", "contactname"}},
		{"first_name", asText, nil},
		{"last_name", asText, nil},
		{"account", asProse, []string{"accountname", "companyname", "company", "associatedcompany", "primaryassociatedcompany", "accountaccountname"}},
		{"domain", asDomain, []string{"companydomainname", "companydomain", "emaildomain", "website", "websiteurl"}},
		{"title", asText, []string{"jobtitle"}},
		{"role", asProse, []string{"buyingrole", "contactrole"}},
		{"owner", asOwner, []string{"owneremail", "contactowneremail", "contactowner", "ownername", "ownerid"}},
		{"status", asProse, []string{"leadstatus", "contactstatus", "lifecyclestage"}},
		{"source", asProse, []string{"leadsource", "originalsource", "originaltrafficsource"}},
		{"created_at", asTime, []string{"createdate", "createddate", "datecreated", "created"}},
		{"consent", asYesNo, nil},
		{"consent_basis", asProse, []string{"legalbasis", "legalbasisforprocessingcontactsdata"}},
		{"consent_at", asTime, []string{"consentdate"}},
	}},
	{name: "deals", kind: trail.DealKind, required: []string{"id"}, columns: []column{
		{"id", asDeal, []string{"recordid", "recordiddeal", "dealid", "opportunityid"}},
		{"name", asProse, []string{"dealname", "opportunityname"}},
		{"account", asProse, []string{"accountname", "associatedcompany", "associatedcompanyprimary", "companyname", "company", "accountaccountname"}},
		{"domain", asDomain, []string{"companydomainname", "companydomain", "accountwebsite", "website"}},
		{"amount", asMoney, []string{"dealamount", "dealvalue"}},
		{"currency", asCode, []string{"currencyisocode", "dealcurrency", "dealcurrencycode", "amountcurrency", "opportunitycurrency", "currencycode"}},
		{"stage", asProse, []string{"dealstage", "stagename"}},
		{"status", asStatus, []string{"dealstatus", "opportunitystatus"}},
		{"is_won", asYesNo, []string{"isclosedwon", "won"}},
		{"is_lost", asYesNo, []string{"isclosedlost", "lost"}},
		{"is_closed", asYesNo, []string{"isdealclosed", "closed"}},
		{"owner", asOwner, []string{"owneremail", "dealowneremail", "opportunityowneremail", "dealowner", "opportunityowner", "ownername", "ownerid"}},
		{"created_at", asTime, []string{"createdate", "createddate", "datecreated", "created"}},
		{"closed_at", asTime, []string{"closedate", "closeddate", "dateclosed"}},
		{"loss_reason", asProse, []string{"closedlostreason", "lostreason", "lossreasonc"}},
		{"contacts", asPeople, []string{"associatedcontact", "associatedcontacts", "contactemails", "contactemail", "primarycontact"}},
		{"segment", asProse, []string{"marketsegment", "customersegment"}},
		{"team", asProse, []string{"ownerteam", "hubspotteam", "salesteam"}},
		{"merged_into", asDeal, []string{"mergedintoid", "mergedintodeal", "mergedintodealid"}},
	}},
	{name: "stages", facts: []trail.Kind{trail.Staged}, required: []string{"deal", "stage", "at"}, columns: []column{
		{"deal", asDeal, []string{"dealid", "opportunityid", "recordid", "recordiddeal"}},
		{"stage", asProse, []string{"dealstage", "stagename", "tostage"}},
		{"at", asTime, []string{"date", "time", "timestamp", "enteredat", "changedat", "createddate", "lastmodifieddate", "lastmodified", "editdate"}},
	}},
	{name: "touches", facts: []trail.Kind{trail.Opened, trail.Clicked, trail.Viewed, trail.Replied, trail.Sent}, required: []string{"at", "kind"}, columns: []column{
		{"at", asTime, []string{"date", "time", "timestamp", "occurredat"}},
		{"kind", asTouch, []string{"type", "event", "eventtype", "activity"}},
		{"content", asKey, []string{"contentid"}},
		{"contact", asAddress, []string{"email", "contactemail", "emailaddress", "recipient"}},
		{"deal", asDeal, []string{"dealid", "opportunityid"}},
		{"rep", asRep, []string{"repemail", "owner", "owneremail", "sender"}},
		{"agent", asAgent, []string{"verdict"}},
	}},
}

func tableNamed(name string) (*table, error) {
	for i := range tables {
		if tables[i].name == name {
			return &tables[i], nil
		}
	}
	return nil, trail.Problemf(trail.Invalid, "%q cannot be imported; the tables are content, contacts, deals, stages and touches.", name)
}

// used is a column of the table that the file has.
type used struct {
	*column
	header string // as the file has it
	index  int    // in the file's rows
	native bool   // the header is the contract's own name
	dates  dateOrder
	marks  marks
}

// fold is the form under which headers are compared: letters and digits in
// lower case, so that "Close Date", close_date and CloseDate are one.
func fold(header string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, header)
}

// match returns the columns that a row of headers names, in the table's order,
// and the headers that it has no use for. Of several headers for one column the
// contract's own name wins, then the best known.
func (t *table) match(headers []string) (found []*used, unused []string, err error) {
	taken := make([]bool, len(headers))
	for c := range t.columns {
		col := &t.columns[c]
		names := append([]string{fold(col.name)}, col.also...)
		best, rank, twice := -1, len(names), false
		for i, h := range headers {
			switch r := slices.Index(names, fold(h)); {
			case r < 0 || r > rank:
			case r == rank:
				twice = true
			default:
				best, rank, twice = i, r, false
			}
		}
		if twice && err == nil {
			err = trail.Problemf(trail.Invalid, "The column %q is there twice; remove one.", short(trimmed(headers[best])))
		}
		if best >= 0 {
			taken[best] = true
			found = append(found, &used{column: col, header: short(trimmed(headers[best])), index: best, native: rank == 0})
		}
	}
	for i, h := range headers {
		if !taken[i] && trimmed(h) != "" {
			unused = append(unused, short(trimmed(h)))
		}
	}
	return found, unused, err
}

// missing returns the required columns that are not among the found.
func (t *table) missing(found []*used) (names []string) {
	for _, name := range t.required {
		if !slices.ContainsFunc(found, func(u *used) bool { return u.name == name }) {
			names = append(names, name)
		}
	}
	return names
}

// wanted lists the columns of the table for a person.
func (t *table) wanted() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}
