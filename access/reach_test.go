package access

import "testing"

func TestWhoMayReachAnAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role         Roles
		method, path string
		may          bool
		who          string
	}{
		{Rep, "GET", "/deals/D-1", true, "a rep, a manager, a marketer, a facilitator or an admin"},
		{Auditor, "GET", "/deals/D-1", false, "a rep, a manager, a marketer, a facilitator or an admin"},
		{Rep, "GET", "/content/new", false, "a marketer or an admin"}, // and not what /content/:id has
		{Rep, "GET", "/content/roi", true, "a rep, a manager, a marketer, a facilitator, an auditor or an admin"},
		{Rep, "POST", "/content/roi/change", false, "a marketer or an admin"},
		{Rep, "POST", "/content/a%2Fb/share", true, "a rep, a manager, a marketer or an admin"},
		{0, "POST", "/signin", true, ""},
		{Rep, "GET", "/nowhere/at/all", true, ""},
		{Auditor, "GET", "/deals/", true, ""}, // no route
	} {
		if may, who := (Asker{Roles: c.role}).MayReach(c.method, c.path); may != c.may || who.Who() != c.who {
			t.Errorf("%s %s for %q: %v, and it takes %q", c.method, c.path, c.role, may, who.Who())
		}
	}
}
