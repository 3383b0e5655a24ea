// Package access decides who may ask for what, and what they see of it: people and
// their roles, API keys, sessions, sign-in, and the one table of the policy. The
// wiring mounts [Access.Guard] in front of every page and of the API; whoever is
// not in the table gets nothing.
package access

import (
	"encoding/json"
	"slices"
	"strings"

	"dealtrail/trail"
)

// Roles is a set of roles of a person, or of scopes of a key.
type Roles uint16

// The roles of people.
const (
	Rep         Roles = 1 << iota // own deals and the facts of their own mail
	Manager                       // the deals of their team, as it was
	Marketer                      // content, requests and all trails; people as job role and account
	Facilitator                   // the neutral host of the review; people as job role and account
	Auditor                       // settings and the access log; no trails
	Admin                         // settings, people, erasing
)

// The scopes of keys.
const (
	Ingest Roles = 1 << (iota + 8) // hands in events: webhooks, imports, touches, shares
	Read                           // reads reports, people as job role and account
	Named                          // with read: people by name
	All                            // everything, as the commands on this machine
)

// anyone marks what needs no sign-in.
const anyone Roles = 1 << 15

// Everybody is every role that a person can have.
const Everybody = Rep | Manager | Marketer | Facilitator | Auditor | Admin

const scopes = Ingest | Read | Named | All

type roleName struct {
	role Roles
	name string
	says string // who that is, within a sentence
}

// roleNames are the words for roles and scopes, in the order of the lists on pages.
var roleNames = []roleName{
	{Rep, "rep", "a rep"},
	{Manager, "manager", "a manager"},
	{Marketer, "marketer", "a marketer"},
	{Facilitator, "facilitator", "a facilitator"},
	{Auditor, "auditor", "an auditor"},
	{Admin, "admin", "an admin"},
	{Ingest, "ingest", "a key with the scope ingest"},
	{Read, "read", "a key with the scope read"},
	{Named, "people", "a key with the scope people"},
	{All, "all", "a key with the scope all"},
}

// ParseRoles reads roles of people by name.
func ParseRoles(names ...string) (Roles, error) { return parse(Everybody, "role", names) }

// ParseScopes reads scopes of keys by name.
func ParseScopes(names ...string) (Roles, error) { return parse(scopes, "scope", names) }

func parse(of Roles, what string, names []string) (set Roles, err error) {
	for _, name := range names {
		i := slices.IndexFunc(roleNames, func(r roleName) bool {
			return r.role&of != 0 && r.name == strings.ToLower(strings.TrimSpace(name))
		})
		if i < 0 {
			return 0, trail.Problemf(trail.Invalid, "There is no %s %q; use %s.", what, name, strings.Join(of.Names(), ", "))
		}
		set |= roleNames[i].role
	}
	return set, nil
}

// Names are the words for the set.
func (r Roles) Names() []string {
	names := []string{}
	for _, n := range roleNames {
		if r&n.role != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

func (r Roles) String() string { return strings.Join(r.Names(), ", ") }

// Has reports whether one of some roles is in the set.
func (r Roles) Has(some Roles) bool { return r&some != 0 }

// Who says whom a set stands for: "a marketer, an admin or a key with the scope all".
func (r Roles) Who() string {
	var all []string
	for _, n := range roleNames {
		if r&n.role != 0 {
			all = append(all, n.says)
		}
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

// MarshalJSON writes the set as a list of names.
func (r Roles) MarshalJSON() ([]byte, error) { return json.Marshal(r.Names()) }

// UnmarshalJSON reads a list of names; one that is not known is an error.
func (r *Roles) UnmarshalJSON(text []byte) (err error) {
	var names []string
	if err = json.Unmarshal(text, &names); err == nil {
		*r, err = parse(Everybody|scopes, "role", names)
	}
	return err
}
