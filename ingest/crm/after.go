package crm

import (
	"slices"
	"strings"

	"dealtrail/trail"
)

// after returns the state that a row leads to.
func (c *converter) after(before trail.State, r row) trail.State {
	if r.into != "" {
		return before.Without(r.into)
	}
	after := before.With(r.given)
	for k, v := range after.Attrs {
		if stillErased(before.Attrs[k], v) {
			after.Attrs[k] = before.Attrs[k]
		}
	}
	switch c.table.kind {
	case trail.ContactKind:
		p := trail.Person{}
		if before.Person != nil {
			p = *before.Person
		}
		p.Address = r.person["address"]
		if name, has := r.person["name"]; has {
			p.Name = name
		}
		if title, has := r.person["title"]; has {
			p.Title = title
		}
		after.Person = &p
	case trail.DealKind:
		after.Attrs = keepErased(before.Attrs["contacts"], after.Attrs, r)
		// CRMs give the date expected as the close date of an open deal.
		if after.Attrs["status"] == "open" && after.Attrs["closed_at"] != "" {
			delete(after.Attrs, "closed_at")
			c.notes.expected++
		}
		if after.Attrs["status"] == "won" && after.Attrs["closed_at"] == "" {
			c.notes.undated++
		}
	case trail.ContentKind:
		if after.Attrs["url"] == "" && after.Attrs["file"] == "" {
			c.notes.nowhere++
		}
	}
	return after
}

// stillErased reports whether a text is the one in which somebody was erased, as the
// file still has it: what stands around them is the same.
func stillErased(before, now string) bool {
	parts := strings.Split(before, trail.ErasedText)
	if len(parts) < 2 || before == now || !strings.HasPrefix(now, parts[0]) || !strings.HasSuffix(now, parts[len(parts)-1]) {
		return false
	}
	for _, part := range parts {
		_, rest, found := strings.Cut(now, part)
		if !found {
			return false
		}
		now = rest
	}
	return true
}

// keepErased returns what a row says of a deal, with those of its contacts who were
// erased: the file may name them, and nobody can tell who they were. A file read again
// changes nothing.
func keepErased(before string, after map[string]string, r row) map[string]string {
	if _, has := r.given["contacts"]; !has {
		return after
	}
	ids := strings.Fields(after["contacts"])
	erased := 0
	for _, id := range strings.Fields(before) {
		if trail.ContactID(id).Erased() {
			ids = append(ids, id)
			erased++
		}
	}
	if erased == 0 {
		return after
	}
	was := strings.Fields(before)
	slices.Sort(ids)
	slices.Sort(was)
	if after["contacts"] = strings.Join(ids, " "); slices.Equal(ids, was) {
		after["contacts"] = before
	}
	return after
}
