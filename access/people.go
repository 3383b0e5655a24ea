package access

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// Person is somebody of ours who may sign in.
type Person struct {
	Email      string    `json:"email"`
	Name       string    `json:"name"`
	Roles      Roles     `json:"roles"`
	Teams      []Member  `json:"teams"`  // the last is the team of today; "" for none
	Named      bool      `json:"people"` // sees people by name, whatever the role
	Disabled   bool      `json:"disabled"`
	Password   bool      `json:"password"` // has one
	OIDC       bool      `json:"oidc"`     // is linked to the provider
	CreatedAt  time.Time `json:"created_at"`
	SignedInAt time.Time `json:"signed_in_at,omitzero"`
	KeptAdmin  time.Time `json:"kept_admin,omitzero"` // when the provider gave the only admin another role, and they stayed one
}

// Member is a membership in a team, until the next one begins.
type Member struct {
	Team  string    `json:"team"`
	Since time.Time `json:"since"` // zero: as long as anything is known
}

// account is a person as Redis keeps them.
type account struct {
	Person
	Hash    string `json:"hash,omitempty"`    // of the password, see password.go
	Subject string `json:"subject,omitempty"` // issuer and subject
}

// Team is the team of today, "" for none.
func (p Person) Team() string { return p.TeamAt(time.Unix(1<<40, 0)) }

// TeamAt is the team that a person was in.
func (p Person) TeamAt(at time.Time) (team string) {
	for _, m := range p.Teams {
		if !m.Since.After(at) {
			team = m.Team
		}
	}
	return team
}

// join notes that a person is in a team from now on. The first team counts for all of
// the past: who is added on the day that dealtrail begins was in it before.
func (p *Person) join(team string, now time.Time) {
	switch {
	case team == p.Team():
	case len(p.Teams) == 0:
		p.Teams = []Member{{Team: team}}
	default:
		p.Teams = append(p.Teams, Member{team, now.UTC().Truncate(time.Second)})
	}
}

// Change is what somebody wants to be different about a person. nil stays as it is.
type Change struct {
	Name     *string `json:"name"`
	Roles    *Roles  `json:"roles"`
	Team     *string `json:"team"`
	Named    *bool   `json:"people"`
	Disabled *bool   `json:"disabled"`
}

// errSame ends a change that changes nothing.
var errSame = errors.New("nothing changes")

// People lists everybody by address.
func (a *Access) People(ctx context.Context) ([]Person, error) {
	all, err := a.accounts(ctx)
	if err != nil {
		return nil, err
	}
	people := make([]Person, len(all))
	for i, p := range all {
		people[i] = p.shown()
	}
	return people, nil
}

// Person returns one of us, or a Problem.
func (a *Access) Person(ctx context.Context, email string) (Person, error) {
	p, known, err := a.account(ctx, trail.NormalAddress(email))
	if err == nil && !known {
		err = noPerson(email)
	}
	return p.shown(), err
}

// Nobody reports whether nobody is there who could let others in.
func (a *Access) Nobody(ctx context.Context) (bool, error) {
	all, err := a.accounts(ctx)
	return err == nil && admins(all) == 0, err
}

// Set adds a person, or changes one. Who is added without a role is a rep; while nobody
// is an admin, an admin. What one may do changes at once, and ends one's sessions. The
// last admin stays one.
func (a *Access) Set(ctx context.Context, email string, change Change) (Person, error) {
	if at, err := mail.ParseAddress(email); err != nil || at.Name != "" || len(email) > 254 {
		return Person{}, trail.Problemf(trail.Invalid, "%q is not an email address.", email)
	}
	ends := false
	p, err := a.change(ctx, trail.NormalAddress(email), func(p *account, all []account, known bool) error {
		before := *p
		if !known {
			p.CreatedAt, p.Roles = a.Now().UTC().Truncate(time.Second), Rep
			if admins(all) == 0 {
				p.Roles = Admin
			}
		}
		change.apply(&p.Person, a.Now())
		if p.Roles&^Everybody != 0 || p.Roles == 0 {
			return trail.Problemf(trail.Invalid, "A person needs one role at least: %s.", strings.Join(Everybody.Names(), ", "))
		}
		if was := before.Roles.Has(Admin) && !before.Disabled; was && admins(all) == 1 && (!p.Roles.Has(Admin) || p.Disabled) {
			return trail.Problemf(trail.Conflict, "%s is the only admin. Make somebody else an admin first.", p.Email)
		}
		if change.Roles != nil {
			p.KeptAdmin = time.Time{} // an admin's word
		}
		ends = known && (p.Roles != before.Roles || p.Disabled || p.Named != before.Named || p.Team() != before.Team())
		return nil
	})
	if err == nil && ends {
		err = a.EndSessions(ctx, p.Email, "")
	}
	return p.shown(), err
}

func (c Change) apply(p *Person, now time.Time) {
	if c.Name != nil {
		p.Name = strings.TrimSpace(*c.Name)
	}
	if c.Roles != nil {
		p.Roles = *c.Roles
	}
	if c.Team != nil {
		p.join(strings.TrimSpace(*c.Team), now)
	}
	if c.Named != nil {
		p.Named = *c.Named
	}
	if c.Disabled != nil {
		p.Disabled = *c.Disabled
	}
}

// Adopt takes over who could sign in before there were roles. They are admins when
// nobody is one, because they could do everything, else reps.
func (a *Access) Adopt(ctx context.Context) error {
	former, err := a.Redis.SMembers(ctx, formerUsers).Result()
	if err != nil || len(former) == 0 {
		return err
	}
	nobody, err := a.Nobody(ctx)
	if err != nil {
		return err
	}
	roles := Rep
	if nobody {
		roles = Admin
	}
	for _, email := range former {
		_, err := a.change(ctx, trail.NormalAddress(email), func(p *account, _ []account, known bool) error {
			if known {
				return errSame
			}
			p.CreatedAt, p.Roles = a.Now().UTC().Truncate(time.Second), roles
			return nil
		})
		if err != nil {
			return err
		}
	}
	return a.Redis.Del(ctx, formerUsers).Err()
}

func (p account) shown() Person {
	p.Password, p.OIDC = p.Hash != "", p.Subject != ""
	if p.Teams == nil {
		p.Teams = []Member{}
	}
	return p.Person
}

func noPerson(email string) error {
	return trail.Problemf(trail.NotFound, "Nobody here has the address %s.", email)
}

func admins(all []account) (n int) {
	for _, p := range all {
		if p.Roles.Has(Admin) && !p.Disabled {
			n++
		}
	}
	return n
}

func (a *Access) account(ctx context.Context, email string) (p account, known bool, err error) {
	text, err := a.Redis.HGet(ctx, peopleHash, email).Bytes()
	if errors.Is(err, redis.Nil) {
		return p, false, nil
	}
	if err != nil {
		return p, false, a.unavailable("look up a person", err)
	}
	return p, true, json.Unmarshal(text, &p)
}

func (a *Access) accounts(ctx context.Context) ([]account, error) {
	texts, err := a.Redis.HVals(ctx, peopleHash).Result()
	if err != nil {
		return nil, a.unavailable("list people", err)
	}
	return decodeAccounts(texts)
}

func decodeAccounts(texts []string) (all []account, err error) {
	for _, text := range texts {
		var p account
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b account) int { return cmp.Compare(a.Email, b.Email) })
	return all, nil
}

// change lets do alter one account while nobody else alters any, and writes it. do may
// be called again, and may return errSame.
func (a *Access) change(ctx context.Context, email string, do func(p *account, all []account, known bool) error) (p account, err error) {
	for range 20 {
		err = a.Redis.Watch(ctx, func(tx *redis.Tx) error {
			texts, err := tx.HVals(ctx, peopleHash).Result()
			if err != nil {
				return err
			}
			all, err := decodeAccounts(texts)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(p account) bool { return p.Email == email })
			p = account{Person: Person{Email: email}}
			if i >= 0 {
				p = all[i]
			}
			if err := do(&p, all, i >= 0); err != nil {
				return err
			}
			text, err := json.Marshal(p)
			if err != nil {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				return pipe.HSet(ctx, peopleHash, email, text).Err()
			})
			return err
		}, peopleHash)
		if !errors.Is(err, redis.TxFailedErr) {
			break
		}
	}
	switch problem := (*trail.Problem)(nil); {
	case err == nil, errors.Is(err, errSame):
		return p, nil
	case errors.As(err, &problem):
		return p, err
	}
	return p, a.unavailable("change a person", err)
}
