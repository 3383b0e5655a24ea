package mailbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/oauth2"

	"dealtrail/trail"
)

var (
	errPassword   = errors.New("password cannot be read")
	errToken      = errors.New("no token can be had")
	errNoTLS      = errors.New("server refuses STARTTLS")
	errIncomplete = errors.New("a message does not arrive whole")
	errStore      = errors.New("events or cursors cannot be stored")
)

// refusal is a sign-in that the server refused.
type refusal struct {
	code   imap.ResponseCode
	text   string // the server's, without secrets and control characters
	status string // why a token is refused, as the server has it, such as 400
}

func (r *refusal) Error() string { return "sign-in refused " + string(r.code) }

// final reports whether the server said that the name or the password is wrong,
// rather than that it has some trouble of its own.
func (r *refusal) final() bool { return r.code == imap.ResponseCodeAuthenticationFailed }

// passing reports whether the server only asks for patience.
func (r *refusal) passing() bool {
	switch r.code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeLimit, imap.ResponseCodeServerBug:
		return true
	}
	return false
}

// explain returns what a mailbox's owner should know and do about an error, in
// words without secrets, and one word for the log.
func explain(b *Box, err error) (reason, cause string) {
	var (
		problem *trail.Problem
		refused *refusal
		no      *imap.Error
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		left    *goodbye
	)
	at := b.address()
	switch {
	case errors.As(err, &problem):
		return problem.Text, string(problem.Code)
	case errors.Is(err, errStore):
		return "What was read cannot be looked up or stored right now. The mail is read again until it can.", "store"
	case errors.As(err, &refused):
		return refusedReason(b, refused), "refused"
	case errors.Is(err, errPassword):
		return fmt.Sprintf("The password of mailbox %q cannot be read; check its password, password_file or password_env.", b.Name), "password"
	case errors.Is(err, errToken):
		return fmt.Sprintf("No OAuth2 token can be had for mailbox %q; connect it again, or check its provider.", b.Name), "token"
	case errors.Is(err, errIncomplete):
		return fmt.Sprintf("The mail server %s does not deliver one of the messages whole; it is tried again.", at), "incomplete"
	case errors.Is(err, errNoTLS):
		return fmt.Sprintf("The mail server %s refuses STARTTLS; set security to tls, with the port for it (usually 993).", at), "tls"
	case errors.Is(err, errSilent):
		return fmt.Sprintf("The mail server %s did not answer in time; check host, port and security.", at), "silent"
	case errors.As(err, &cert):
		return fmt.Sprintf("The certificate of %s is not valid for that name or not signed by an authority this machine trusts; check host.", at), "certificate"
	case errors.As(err, &record):
		return fmt.Sprintf("The mail server %s does not speak TLS on this port; check port and security.", at), "tls"
	case errors.As(err, &dns):
		return fmt.Sprintf("No server named %s is known; check host.", b.Host), "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Nothing answers at %s; check host and port.", at), "unreachable"
	case errors.As(err, &no) && notConnected(no.Text):
		return notConnectedReason(b), "no"
	case errors.As(err, &no):
		return fmt.Sprintf("The mail server %s answered %s: %s", at, no.Type, displayName(no.Text)), "no"
	case errors.As(err, &left):
		return fmt.Sprintf("The mail server %s closed the connection and says: %s", at, left.text), "closed"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Sprintf("The mail server %s closed the connection.", at), "closed"
	case errors.As(err, new(net.Error)):
		return fmt.Sprintf("The mail server %s cannot be reached; check host and port, and this machine's network.", at), "network"
	}
	return fmt.Sprintf("The mail server %s answered in a way that cannot be understood; check host, port and security.", at), "protocol"
}

// refusedReason names the setting to change, by the server's name.
func refusedReason(b *Box, r *refusal) string {
	who := b.Username
	said := ""
	if r.text != "" {
		said = fmt.Sprintf(" The server says: %s", r.text)
	}
	if r.status != "" {
		said += fmt.Sprintf(" (status %s)", r.status)
	}
	host := strings.ToLower(strings.TrimSuffix(b.Host, "."))
	at := func(domains ...string) bool {
		return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
	}
	google := at("gmail.com", "googlemail.com", "google.com")
	microsoft := at("office365.com", "outlook.com", "office.com", "office365.us", "outlook.cn")
	const imapAtGoogle = "IMAP must be on, in Gmail's settings under Forwarding and POP/IMAP and in the Admin console under Apps > Google Workspace > Gmail > End User Access"
	switch {
	case r.passing():
		return fmt.Sprintf("The server does not let %s in right now.%s", who, said)
	case notConnected(r.text):
		return notConnectedReason(b)
	case google && b.Token != nil:
		return fmt.Sprintf("Google refused the sign-in for %s: the consent must be this account's own and for the scope %s; %s.%s", who, mailScope, imapAtGoogle, said)
	case google:
		return fmt.Sprintf("The server refused the password for %s: Gmail wants an app password, which the account's 2-Step Verification must be on for (myaccount.google.com/apppasswords), or a [[provider]] of kind google; %s.%s", who, imapAtGoogle, said)
	case microsoft && b.Token != nil:
		return fmt.Sprintf("Microsoft refused the sign-in for %[1]s: IMAP must be on for the mailbox (Set-CASMailbox -Identity %[1]s -ImapEnabled $true), the consent must be this account's own, "+
			"and an app's own credentials need FullAccess (Add-MailboxPermission -Identity %[1]s -User SERVICE-PRINCIPAL -AccessRights FullAccess) and IMAP.AccessAsApp with admin consent.%[2]s", who, said)
	case microsoft:
		return fmt.Sprintf("The server refused the password for %[1]s: Microsoft 365 takes no passwords over IMAP since 2022; use a [[provider]] of kind microsoft, and turn IMAP on for the mailbox (Set-CASMailbox -Identity %[1]s -ImapEnabled $true).%[2]s", who, said)
	case b.Token != nil:
		return fmt.Sprintf("The server refused the OAuth2 sign-in for %s: check that the consent was this account's own, the provider's scope, and that IMAP is turned on for the mailbox.%s", who, said)
	}
	return fmt.Sprintf("The server refused the password for %s: check username and password, and that IMAP is turned on for the mailbox.%s", who, said)
}

// notConnected reports what Exchange says to a good token for a mailbox that it
// does not open.
func notConnected(text string) bool {
	return strings.Contains(strings.ToLower(text), "authenticated but not connected")
}

func notConnectedReason(b *Box) string {
	return fmt.Sprintf("Microsoft accepts the sign-in for %[1]s but does not open the mailbox: turn IMAP on for it (Set-CASMailbox -Identity %[1]s -ImapEnabled $true); "+
		"when an app signs in with credentials of its own, give its service principal access (Add-MailboxPermission -Identity %[1]s -User SERVICE-PRINCIPAL -AccessRights FullAccess).", b.Username)
}

// redact takes secrets out of what a server said, and pieces of them that are
// long enough to be worth something.
func redact(text string, secrets ...string) string {
	const enough, mark = 12, "[redacted]"
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		text = strings.ReplaceAll(text, secret, mark)
		for i := 0; i+enough <= len(text); i++ {
			n := enough
			for i+n <= len(text) && strings.Contains(secret, text[i:i+n]) {
				n++
			}
			if n > enough { // the longest piece of the secret that begins here is n-1 long
				text = text[:i] + mark + text[i+n-1:]
				i += len(mark) - 1
			}
		}
	}
	return text
}

// way is how a token is asked for.
type way string

const (
	consenting way = "exchange"
	refreshing way = "refresh"
	asApp      way = "app"
	delegated  way = "service account"
)

// tokenRequest is what a token endpoint was asked, for words about its answer.
type tokenRequest struct {
	way      way
	address  string // the mailbox, if known
	redirect string
	service  string   // the service account, as the Admin console names it
	secrets  []string // that were sent
}

// answers says what to do about an answer of a token endpoint, by kind and way
// ("": any). sign is OAuth2's error code (RFC 6749 section 5.2), or one of
// Microsoft's numbers, which stand in the description and go first. The first
// that fits counts.
var answers = []struct {
	kind, sign string
	way        way
	code       trail.Code
	text       string
}{
	{Microsoft, "AADSTS7000215", "", trail.Forbidden, "The client secret of provider NAME is wrong: client_secret_file must hold the secret's value, not its ID, from the Entra admin center under App registrations > Certificates & secrets."},
	{Microsoft, "AADSTS7000222", "", trail.Forbidden, "The client secret of provider NAME has expired: make a new one in the Entra admin center under App registrations > Certificates & secrets, and put its value into client_secret_file."},
	{Microsoft, "AADSTS7000218", "", trail.Forbidden, "Microsoft wants a client secret: set client_secret_file of provider NAME."},
	{Microsoft, "AADSTS700016", "", trail.Forbidden, "There is no app CLIENT in the directory TENANT: check client_id and tenant of provider NAME; an administrator of that directory has to consent to the app."},
	{Microsoft, "AADSTS7000229", "", trail.Forbidden, "The app CLIENT has no service principal in the directory TENANT: an administrator of that directory has to consent to the app."},
	{Microsoft, "AADSTS65001", asApp, trail.Forbidden, "Consent is missing: in the Entra admin center under App registrations > API permissions add Office 365 Exchange Online > Application permissions > IMAP.AccessAsApp to the app CLIENT, and grant admin consent."},
	{Microsoft, "AADSTS65001", "", trail.Forbidden, "Consent is missing: in the Entra admin center under App registrations > API permissions grant admin consent for IMAP.AccessAsUser.All to the app CLIENT (IMAP.AccessAsApp when it signs in by itself), or connect the mailbox again."},
	{Microsoft, "AADSTS90094", "", trail.Forbidden, "An administrator has to consent: in the Entra admin center under App registrations > API permissions grant admin consent for IMAP.AccessAsUser.All to the app CLIENT."},
	{Microsoft, "AADSTS90002", "", trail.Forbidden, "There is no directory TENANT: tenant of provider NAME must be the directory's ID or domain."},
	{Microsoft, "AADSTS900023", "", trail.Forbidden, "There is no directory TENANT: tenant of provider NAME must be the directory's ID or domain."},
	{Microsoft, "AADSTS50011", "", trail.Forbidden, "In the Entra admin center under App registrations > Authentication add REDIRECT to the web redirect URIs of the app CLIENT."},
	{Microsoft, "AADSTS53003", "", trail.Forbidden, "A Conditional Access policy keeps the app out: exempt the app CLIENT in the Entra admin center under Conditional Access."},
	{Microsoft, "AADSTS50105", "", trail.Forbidden, "The rep is not assigned to the app: assign people in the Entra admin center under Enterprise applications > CLIENT > Users and groups."},
	{Microsoft, "AADSTS1002012", "", trail.Forbidden, "The scope of provider NAME is not an app's; expected https://outlook.office365.com/.default."},
	{Microsoft, "invalid_client", "", trail.Forbidden, "Microsoft does not accept the client: check client_id and client_secret_file of provider NAME against App registrations in the Entra admin center."},
	{Microsoft, "invalid_grant", refreshing, trail.Unauthorized, "The rep has to connect this mailbox again: Microsoft no longer accepts the consent. It ends when the password changes, when access is withdrawn, and after 90 days without use."},

	{Google, "unauthorized_client", delegated, trail.Forbidden, "Google does not let the service account read ADDRESS: in the Admin console under Security > Access and data control > API controls > Domain-wide delegation add the client ID SERVICE with the scope https://mail.google.com/."},
	{Google, "access_denied", delegated, trail.Forbidden, "Google does not let the service account read ADDRESS: in the Admin console under Security > Access and data control > API controls > Domain-wide delegation add the client ID SERVICE with the scope https://mail.google.com/."},
	{Google, "invalid_grant", delegated, trail.Forbidden, "Google does not accept the service account for ADDRESS: check that this is an active user of your domain, that the key in service_account_file was not deleted, and this machine's clock."},
	{Google, "invalid_client", "", trail.Forbidden, "Google does not accept the client: check client_id and client_secret_file of provider NAME against the Google Cloud console under APIs & Services > Credentials."},
	{Google, "redirect_uri_mismatch", "", trail.Forbidden, "In the Google Cloud console under APIs & Services > Credentials add REDIRECT to the authorized redirect URIs of the client CLIENT."},
	{Google, "admin_policy_enforced", "", trail.Forbidden, "The domain's administrator has to trust the app: in the Admin console under Security > Access and data control > API controls > App access control, for the client ID CLIENT."},
	{Google, "invalid_grant", refreshing, trail.Unauthorized, "The rep has to connect this mailbox again: Google no longer accepts the consent. It ends when the password changes, when access is withdrawn, and after 7 days while the app's publishing status is Testing (Google Cloud console, OAuth consent screen)."},

	{"", "invalid_grant", consenting, trail.Invalid, "The consent took too long or was used already; connect the mailbox again."},
	{"", "invalid_grant", refreshing, trail.Unauthorized, "The rep has to connect this mailbox again: VENDOR no longer accepts the consent."},
	{"", "interaction_required", refreshing, trail.Unauthorized, "The rep has to connect this mailbox again: VENDOR wants to see the rep sign in."},
	{"", "unauthorized_client", refreshing, trail.Unauthorized, "The rep has to connect this mailbox again: the consent was to another client_id than the one of provider NAME now."},
	{"", "invalid_client", "", trail.Forbidden, "VENDOR does not accept the client: check client_id and client_secret_file of provider NAME."},
	{"", "invalid_scope", "", trail.Forbidden, "VENDOR does not know what is asked for: check scope of provider NAME."},
}

func (p *Provider) vendor() string {
	switch p.Kind {
	case Google:
		return "Google"
	case Microsoft:
		return "Microsoft"
	}
	return p.Name
}

// tokenHost is where tokens are handed out, without what an address may hide.
func (p *Provider) tokenHost() string {
	u, err := url.Parse(p.endpoint().TokenURL)
	if err != nil {
		return "the token_url"
	}
	return u.Host
}

// problem returns what to do about an error of a token endpoint, as a Problem
// without secrets, or the context's error.
func (p *Provider) problem(ctx context.Context, err error, r tokenRequest) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	answer := (*oauth2.RetrieveError)(nil)
	if !errors.As(err, &answer) {
		return trail.Problemf(trail.Unavailable, "No token can be had at %s right now; check this machine's network, and token_url of provider %q if it is set.", p.tokenHost(), p.Name)
	}
	sign, description := answer.ErrorCode, answer.ErrorDescription
	if sign == "" { // from a service account's request, which leaves that to us
		var said struct {
			Error       string
			Description string `json:"error_description"`
		}
		if json.Unmarshal(answer.Body, &said) == nil {
			sign, description = said.Error, said.Description
		}
	}
	description, _, _ = strings.Cut(description, " Trace ID:") // Microsoft's numbers for its own people
	said := ""
	if description = displayName(redact(description, r.secrets...)); description != "" {
		said = fmt.Sprintf(" %s says: %s", p.vendor(), description)
	}
	status := answer.Response.StatusCode
	words := strings.NewReplacer("NAME", strconv.Quote(p.Name), "CLIENT", p.ClientID, "TENANT", cmp.Or(p.Tenant, "organizations"), "REDIRECT", r.redirect,
		"ADDRESS", r.address, "SERVICE", r.service, "VENDOR", p.vendor())
	for _, a := range answers {
		fits := a.sign == sign || strings.HasPrefix(a.sign, "AADSTS") && strings.Contains(description, a.sign+":")
		if fits && (a.kind == "" || a.kind == p.Kind) && (a.way == "" || a.way == r.way) {
			return trail.Problemf(a.code, "%s%s", words.Replace(a.text), said)
		}
	}
	if status >= 500 || status == http.StatusTooManyRequests || sign == "temporarily_unavailable" || sign == "server_error" {
		return trail.Problemf(trail.Unavailable, "%s hands out no tokens right now (status %d); it is tried again.%s", p.vendor(), status, said)
	}
	if sign == "" {
		return trail.Problemf(trail.Forbidden, "%s does not answer as a token endpoint does (status %d); check token_url and tenant of provider %q.", p.tokenHost(), status, p.Name)
	}
	return trail.Problemf(trail.Forbidden, "%s refuses provider %q a token (%s); check its client_id, client_secret_file and scope.%s", p.vendor(), p.Name, displayName(redact(sign, r.secrets...)), said)
}

// notKept says that a renewed refresh token was not stored. Where it is stored only
// keep knows, so its own words say what to do.
func notKept(vendor string, err error) error {
	if problem := (*trail.Problem)(nil); errors.As(err, &problem) {
		return trail.Problemf(problem.Code, "%s has renewed the sign-in, and that cannot be kept. %s", vendor, problem.Text)
	}
	return trail.Problemf(trail.Unavailable, "%s has renewed the sign-in, and that cannot be kept right now; it is tried again.", vendor)
}
