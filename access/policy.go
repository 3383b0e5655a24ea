package access

import (
	"slices"
	"strings"
)

// Area is a part of what dealtrail does, and who may.
type Area struct {
	What   string
	Who    Roles
	Sees   string // what of it, where that differs by role
	Routes string // as the router has them, one in a line; several methods of one path stand together
}

const (
	// working are the people who work with deals.
	working = Everybody &^ Auditor
	reading = Read | All
)

// Areas is the policy: every route that is mounted stands here once, and what does not
// stand here is refused. How much of a list or page one sees is decided by [View].
var Areas = []Area{
	{"Tracked links and pixels", anyone, "", `
		GET,HEAD /c/:token
		GET,HEAD /c/:token/*
		GET,HEAD /c
		GET,HEAD /c/
		GET,HEAD /C/:token
		GET,HEAD /C/:token/*
		GET,HEAD /o/:name
		GET,HEAD /o/:name/*
		GET,HEAD /o
		GET,HEAD /o/
		GET,HEAD /O/:name
		GET,HEAD,POST /stop/:token
		GET,HEAD,POST /stop/:token/*`},
	{"Health, metrics, the API's description", anyone, "", `
		GET /healthz
		GET /readyz
		GET /metrics
		GET /openapi.yaml
		GET /opensearch.xml
		GET /static/:hash/*`},
	{"Signing in and out", anyone, "", `
		GET,POST /signin
		POST /signin/oidc
		GET /signin/oidc/callback
		POST /signout`},
	{"What a link alone opens: connecting a mailbox, ending a digest, a shared budget page", anyone, "", `
		GET,POST /connect
		GET,POST /connect/:provider
		GET /connect/:provider/callback
		GET,POST /digest/:rep
		GET /shared/:token
		GET /shared/:token/budget.pdf`},
	{"One's own account, sessions and keys", Everybody, "one's own", `
		GET /me
		POST /me/password
		POST /me/sessions
		POST /me/keys
		POST /me/oidc`},
	{"Sums of the company: content, credit, lift, holdouts, goals, service, the month, budgets, what the numbers mean", Everybody | reading, "all; of reps as company.rep_names says", `
		GET /
		GET /content/compare
		GET /content/:id
		GET /baseline
		GET /reps
		GET /models
		GET /dictionary
		GET /lift
		GET /lift/:content
		GET /holdouts
		GET /numbers
		GET /month
		GET /budget
		GET /budget/:id
		GET /start
		GET /v1/content
		GET /v1/content/:id
		GET /v1/baseline
		GET /v1/reps
		GET /v1/attribution
		GET /v1/spend
		GET /v1/budgets
		GET /v1/budgets/:id
		GET /v1/lift
		GET /v1/lift/:content
		GET /v1/holdouts
		GET /v1/goals
		GET /v1/service
		GET /v1/month
		GET /v1/dictionary`},
	{"Calculations and what changed between them", Everybody | reading, "all", `
		GET /runs
		GET /runs/:a/diff/:b
		GET /v1/runs
		GET /v1/runs/:id
		GET /v1/runs/:a/diff/:b`},
	{"Deals with their trails, and why a credit is what it is", working | reading, "own deals; a manager the team's; others all, with people as job role and account", `
		GET /deals
		GET /deals/:id
		GET /why
		GET /v1/deals
		GET /v1/deals/:id
		GET /v1/attribution/why
		GET /accounts/:domain
		GET /v1/accounts/:domain`},
	{"Which deals a holdout drew, and which a number changed by", Marketer | Facilitator | Admin | reading, "all deals", `
		GET /holdouts/:id
		GET /v1/runs/:a/diff/:b/deals
		GET /v1/holdouts/:id
		GET /v1/holdouts/:id/deals`},
	{"One contact", working | reading, "those that one sees by name", `
		GET /contacts/:email
		GET /v1/contacts/:email`},
	{"The weekly lead review", working | reading, "as with deals", `
		GET /review
		GET /v1/review`},
	{"Deciding in the review", working | All, "", `
		POST /review/:week/decisions
		POST /v1/review/:week/decisions`},
	{"Taking a filled-in workbook of the review", Manager | Marketer | Facilitator | Admin | All, "", `
		POST /review/:week/xlsx
		POST /v1/review/:week/xlsx`},
	{"What reps send, requests, notes, recommendations", working | reading, "all requests and notes", `
		GET /content/found
		GET /requests
		GET /notes
		GET /send
		GET /share
		GET /v1/sighted
		GET /v1/requests
		GET /v1/notes
		GET /v1/recommendations`},
	{"Asking, noting, voting", working | All, "", `
		POST /requests
		POST /notes/:id/vote
		POST /content/:id/notes
		POST /v1/requests
		POST /v1/notes
		POST /v1/notes/:id/vote`},
	{"Answering requests", Marketer | Admin | All, "", `
		POST /requests/:id/answer
		POST /v1/requests/:id/answer`},
	{"Making tracked links", Rep | Manager | Marketer | Admin | Ingest | All, "", `
		POST /content/:id/share
		POST /share
		POST /v1/shares`},
	{"A rep's tracked links", Rep | Manager | Marketer | Admin | All, "one's own; a key any", `
		GET /v1/shares`},
	{"Registering and changing content", Marketer | Admin | Ingest | All, "", `
		GET,POST /content/new
		POST /content/found/register
		POST /content/found/dismiss
		POST /content/:id/change
		POST /v1/content`},
	{"Imports", Admin | Ingest | All, "", `
		POST /v1/imports/:table`},
	{"What people or companies say of being tracked", Rep | Manager | Marketer | Admin | Ingest | All, "", `
		POST /contacts/:email/tracking
		POST /accounts/:domain/tracking
		POST /v1/consents`},
	{"Lists of leads", Manager | Marketer | Facilitator | Admin | reading, "how many, not who", `
		GET /lists
		GET /lists/:id
		GET /v1/lists
		GET /v1/lists/:id`},
	{"Making lists of leads", Manager | Marketer | Admin | All, "", `
		POST /lists
		POST /v1/lists`},
	{"Data quality", Marketer | Facilitator | Admin | reading, "people as with deals", `
		GET /quality
		GET /v1/quality`},
	{"Deciding what a touch belongs to", Marketer | Admin | All, "", `
		POST /quality/decide
		POST /v1/assignments`},
	{"Starting calculations", working | All, "", `
		POST /calculate
		POST /v1/runs`},
	{"Stopping calculations, goals, holdouts, budgets and links to them, the first baseline", Manager | Marketer | Admin | All, "", `
		POST /runs/:id/stop
		POST /v1/runs/:id/stop
		POST /numbers/goals
		POST /v1/goals
		POST /holdouts
		POST /holdouts/:id/end
		POST /v1/holdouts
		POST /v1/holdouts/:id/end
		POST /budget
		POST /budget/:id/links
		POST /budget/:id/links/:link/revoke
		GET,POST /v1/budgets/:id/links
		POST /v1/budgets
		DELETE /v1/budgets/:id/links/:link
		POST /baseline/keep`},
	{"What is kept of one's own mail, and what one says about it", working | All, "one's own; a key any", `
		GET /mailbox
		POST /mailbox/reading
		POST /mailbox/exclusions
		POST /mailbox/verdict
		POST /mailbox/digest
		GET /v1/reps/:email/facts
		GET,POST /v1/reps/:email/exclusions
		DELETE /v1/reps/:email/exclusions/:who
		POST /v1/events/:id/verdict
		PUT /v1/outbox/digests/:rep`},
	{"State of the installation", Manager | Marketer | Facilitator | Auditor | Admin | reading, "", `
		GET /status
		GET /v1/status`},
	{"What CRMs deliver, proven by their own secret", anyone, "", `
		POST /v1/webhooks/:source`},
	{"CRMs: what their stages mean, which deals differ", Marketer | Facilitator | Admin | reading, "all deals, nobody on them", `
		GET /crm
		GET /v1/crm
		GET /v1/crm/:name
		GET /v1/crm/:name/reconciliation`},
	{"Setting what a CRM's stages mean, asking it", Marketer | Admin | All, "", `
		POST /crm/:name/stages
		POST /crm/:name/pull
		POST /v1/crm/:name/check
		POST /v1/crm/:name/pull
		POST /v1/crm/:name/stages`},
	{"What a CRM delivered that was not understood", Admin | All, "as it came, with people", `
		GET,POST /v1/crm/:name/aside`},
	{"Settings: mailboxes, what is sent by itself", Auditor | Admin | All, "", `
		GET /outbox
		GET /v1/outbox
		GET /v1/mailboxes`},
	{"Changing settings, and what could not be understood", Admin | All, "", `
		POST /outbox/test
		POST /v1/outbox/test
		POST /v1/mailboxes
		DELETE /v1/mailboxes/:rep
		POST /v1/mailboxes/:rep/pause
		POST /v1/mailboxes/:rep/resume
		POST /v1/mailboxes/:rep/check
		GET /v1/bad
		POST /v1/bad/replay`},
	{"People and keys", Auditor | Admin | All, "", `
		GET /people
		GET /v1/users
		GET /v1/keys`},
	{"Changing people and keys", Admin | All, "", `
		POST /people
		POST /people/:email
		POST /people/keys
		POST /v1/users
		PUT /v1/users/:email
		POST /v1/keys
		DELETE /v1/keys/:name`},
	{"Erasing a person, and all that is stored of one", Admin | All, "", `
		GET,POST /contacts/:email/erase
		DELETE /v1/contacts/:email
		GET /v1/contacts/:email/data`},
	{"Who was erased, and the record of processing", Auditor | Admin | All, "nobody by name", `
		GET /v1/erasures
		GET /v1/erasures/:tombstone
		GET /v1/privacy`},
	{"Backups, which hold all keys", Admin | All, "", `
		POST /v1/backup`},
	{"The access log", Auditor | Admin | All, "", `
		GET /access
		GET /v1/access`},
	{"The demo's tour", Everybody, "", `
		GET /demo
		POST /demo/send
		POST /demo/scan
		POST /demo/guess
		GET /own-data`},
	{"The demo's made-up company", anyone, "", `
		GET /site/*`},
}

// policy is Areas by method and path.
var policy = func() map[string]Roles {
	all := map[string]Roles{}
	for _, area := range Areas {
		for _, route := range area.routes() {
			if _, twice := all[route]; twice {
				panic("access: " + route + " stands in two areas")
			}
			all[route] = area.Who
		}
	}
	return all
}()

// routes are the area's routes as "METHOD /path".
func (a Area) routes() (all []string) {
	for line := range strings.Lines(a.Routes) {
		methods, path, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		for method := range strings.SplitSeq(methods, ",") {
			all = append(all, method+" "+path)
		}
	}
	return all
}

// Routes are all routes of the policy as "METHOD /path", sorted.
func Routes() (all []string) {
	for route := range policy {
		all = append(all, route)
	}
	slices.Sort(all)
	return all
}

// Allowed returns who may ask for a route, given as "METHOD /path": roles and scopes,
// and whether nobody needs to be known; false for a route that does not stand in the
// policy.
func Allowed(route string) (who Roles, open, known bool) {
	who, known = policy[route]
	return who &^ anyone, who.Has(anyone), known
}

// Table is the policy for people to read, in Markdown: a row is an area, a column a role
// or scope.
func Table() string {
	var b strings.Builder
	columns := roleNames
	b.WriteString("| area |")
	for _, c := range columns {
		b.WriteString(" " + c.name + " |")
	}
	b.WriteString(" sees |\n|---|" + strings.Repeat("---|", len(columns)+1) + "\n")
	for _, a := range Areas {
		b.WriteString("| " + a.What + " |")
		for _, c := range columns {
			switch {
			case a.Who.Has(anyone), a.Who.Has(c.role):
				b.WriteString(" ✓ |")
			default:
				b.WriteString(" |")
			}
		}
		b.WriteString(" " + a.Sees + " |\n")
	}
	return b.String()
}
