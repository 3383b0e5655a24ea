package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// Access knows people, keys and sessions. All fields are set by whoever wires the
// program. Secrets are kept as hashes, so that whoever reads Redis cannot use them.
type Access struct {
	Redis    redis.UniversalClient
	AdminKey trail.Secret // the key that the commands on this machine use, from the secrets file
	Sessions *scs.SessionManager
	Public   string           // address of the pages
	Contacts trail.ContactKey // names people in the access log
	OIDC     *OIDC            // nil: nobody signs in by another provider
	Now      func() time.Time
	Log      *slog.Logger

	LogMonths int // after how many months an entry of the access log goes; 0: when there are too many

	used lastUse
}

// Keys in Redis. Of people there are few, so that one hash holds them all.
const (
	peopleHash   = "dealtrail:people"
	subjectsHash = "dealtrail:people:subjects" // subject at the provider -> address
	formerUsers  = "dealtrail:users"           // addresses of before there were roles
	keysHash     = "dealtrail:keys"
	keyUseHash   = "dealtrail:keys:used"
	linkPrefix   = "dealtrail:signin:"
	sessionsOf   = "dealtrail:sessions:" // + address: sessions by ID
	throttleOf   = "dealtrail:throttle:"
	logStream    = "dealtrail:access"
)

// Asker is who asks: a person, or a program with a key.
type Asker struct {
	Who     string // address of the person, who may have made the key
	Key     string // name of the key; "" for a session
	Roles   Roles  // of the person, or scopes of the key
	View    View
	Session string // ID of the session

	owner Roles // of a key: what its owner may; the key may no more

	seen *sighting
}

type askerKey struct{}

// From returns who asks. Where no guard stood before, that is nobody, who sees nothing.
func From(ctx context.Context) Asker {
	a, _ := ctx.Value(askerKey{}).(Asker)
	return a
}

// With returns a context in which somebody asks.
func With(ctx context.Context, a Asker) context.Context { return context.WithValue(ctx, askerKey{}, a) }

// Name is how the access log calls who asks.
func (a Asker) Name() string {
	switch {
	case a.Key != "" && a.Who != "":
		return a.Who + " by key " + a.Key
	case a.Key != "":
		return "key " + a.Key
	}
	return a.Who
}

// OfMail reports whether who asks may see what is kept of a rep's mail, and change how
// it is read: the rep, and a key to everything.
func (a Asker) OfMail(rep string) bool {
	return a.Roles.Has(All) || a.Key == "" && a.Who != "" && a.Who == rep
}

// LinksFor reports whether who asks may make tracked links in a rep's name: reps in
// their own alone.
func (a Asker) LinksFor(rep string) bool {
	return a.Session == "" || a.Roles.Has(Manager|Marketer|Admin) || a.Who == trail.NormalAddress(rep)
}

// OwnLinks refuses a link in another's name.
func OwnLinks() error {
	return trail.Problemf(trail.Forbidden, "You make links in your own name; a manager, marketer or admin makes them for others.")
}

// LinksOn is a Problem if who asks may not make a link for a deal: people make them for
// deals that they see. deals has the one with the ID, if there is one.
func (a Asker) LinksOn(deals map[string]trail.DealRow, id string) error {
	if a.Session == "" || a.View.All {
		return nil
	}
	if d, ok := deals[id]; !ok || !a.View.Sees(d) {
		return notSeen("deal")
	}
	return nil
}

// May reports whether who asks may open a route, as the table has it.
func (a Asker) May(method, path string) bool {
	return policy[method+" "+path].Has(a.Roles | anyone)
}

// unavailable says that Redis did not answer; nobody is let in meanwhile.
func (a *Access) unavailable(what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if a.Log != nil {
		a.Log.Warn(what+" failed", "err", err)
	}
	return trail.Problemf(trail.Unavailable, "Who may do what cannot be looked up at the moment; try again.")
}

func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
