package access

import "strings"

// pattern is a route of the policy by the parts of its path.
type pattern struct {
	parts []string
	who   Roles
}

// patterns are the policy's routes by method and how many parts they have.
var patterns = func() map[string][]pattern {
	all := map[string][]pattern{}
	for route, who := range policy {
		method, path, _ := strings.Cut(route, " ")
		parts := strings.Split(path, "/")
		key := method + strings.Repeat("/", len(parts))
		all[key] = append(all[key], pattern{parts, who})
	}
	return all
}()

// MayReach reports whether who asks may open an address of this site, given as its
// escaped path, and who may: those who have a role, not keys. What stands for no route
// is no secret, so everybody may.
func (a Asker) MayReach(method, path string) (may bool, who Roles) {
	parts := strings.Split(path, "/")
	who, most := anyone, -1
	for _, p := range patterns[method+strings.Repeat("/", len(parts))] {
		// As the router has it, a name goes before a parameter.
		if same := p.like(parts); same > most {
			who, most = p.who, same
		}
	}
	return who.Has(a.Roles | anyone), who & Everybody
}

// like says how many parts of a path a pattern has by name, -1 if it is not its path.
func (p pattern) like(parts []string) (same int) {
	for i, part := range p.parts {
		switch {
		case part == parts[i]:
			same++
		case !strings.HasPrefix(part, ":") || parts[i] == "":
			return -1
		}
	}
	return same
}
