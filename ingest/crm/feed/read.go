package feed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// empty reads what waits in a source's inbox until there is no more.
func (f *Feeds) empty(ctx context.Context, s *Source, api asked) error {
	for ctx.Err() == nil {
		entries, err := f.waiting(ctx, s)
		if err != nil || len(entries) == 0 {
			return err
		}
		err = f.read(ctx, s, api, entries)
		if refusal(err) && len(entries) > 1 { // one of them is to blame
			for _, e := range entries {
				if err = f.read(ctx, s, api, []entry{e}); refusal(err) {
					err = f.setAside(ctx, s, e, "the CRM refuses what it asks for: "+sentence(err))
				}
				if err != nil {
					return err
				}
			}
			continue
		}
		if refusal(err) {
			err = f.setAside(ctx, s, entries[0], "the CRM refuses what it asks for: "+sentence(err))
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// refusal reports whether a CRM will never answer a question, whoever asks and whenever.
func refusal(err error) bool {
	var t *trouble
	return errors.As(err, &t) && (t.status == http.StatusBadRequest || t.status == http.StatusUnprocessableEntity)
}

// read takes what deliveries say, and then takes them out of the inbox.
func (f *Feeds) read(ctx context.Context, s *Source, api asked, entries []entry) error {
	var good []entry
	var changes []Change
	for _, e := range entries {
		found, err := s.vendor().read(e.body)
		switch {
		case e.again:
			err = errors.New("another delivery had the same name and another body; the first one counts")
		case err == nil:
			err = f.cannot(s, found)
		}
		if err == nil {
			// What can never be done, such as to erase one of us, must not hold up what comes after it.
			p := (*trail.Problem)(nil)
			if err = f.forget(ctx, s, api, found); err != nil && !(errors.As(err, &p) && p.Code == trail.Invalid) {
				return err
			}
		}
		if err != nil {
			if err := f.setAside(ctx, s, e, err.Error()); err != nil {
				return unavailable(err)
			}
			continue
		}
		good, changes = append(good, e), append(changes, found...)
	}
	if err := f.take(ctx, s, api, changes); err != nil {
		return err
	}
	return f.done(ctx, s, good)
}

// cannot returns why changes that were understood cannot be taken.
func (f *Feeds) cannot(s *Source, changes []Change) error {
	whole := slices.ContainsFunc(changes, func(c Change) bool { return c.Whole })
	for _, c := range changes {
		switch {
		case c.Erase != "" && f.Erase == nil:
			return errors.New("it asks to erase a person, which this installation cannot do by itself; erase them by hand")
		case c.Deal.ID != "" && !whole && !s.Pulls():
			return errors.New("it names a deal by its ID alone, and there is no token to ask for it with")
		}
	}
	return nil
}

// forget erases whom the CRM wants erased.
func (f *Feeds) forget(ctx context.Context, s *Source, api asked, changes []Change) error {
	if err := f.meetPeople(ctx, s, changes); err != nil {
		return err
	}
	for _, c := range changes {
		if c.Erase == "" {
			continue
		}
		person := c.Erase
		if s.Kind == HubSpot { // which names them by its own ID, and does not have them any more
			var err error
			if person, err = f.whoIs(ctx, s, api, c.Erase); err != nil {
				return err
			}
			if person == "" {
				if err := f.unmatched(ctx, s, c.Erase); err != nil {
					return err
				}
				continue
			}
		}
		if err := f.Erase(ctx, person); err != nil {
			return fmt.Errorf("erase a person that %s names: %w", s.Name, err)
		}
		if _, err := f.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.HDel(ctx, s.key("people"), c.Erase)
			p.HDel(ctx, s.key("unmatched"), c.Erase)
			return nil
		}); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// take tells what changed: of a source that is asked, the deals as they are now; of
// another, what it delivered.
func (f *Feeds) take(ctx context.Context, s *Source, api asked, changes []Change) error {
	var ids []string
	var whole []Deal
	into := map[string]string{}
	for _, c := range changes {
		if c.Deal.ID == "" {
			continue
		}
		ids = append(ids, c.Deal.ID)
		if c.Whole {
			whole = append(whole, c.Deal)
		}
		if c.Deal.Into != "" {
			into[c.Deal.ID] = c.Deal.Into
		}
	}
	if len(ids) == 0 {
		return nil
	}
	m, err := f.meanings(ctx, s)
	if err != nil {
		return err
	}
	if api == nil {
		return f.takeWhole(ctx, s, m, whole)
	}
	if len(m.pipelines) == 0 {
		if m, err = f.learn(ctx, s, api, m); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(unique(ids), atOnce) {
		deals, err := pulled(ctx, api, part)
		if err != nil {
			return err
		}
		for i, d := range deals {
			if d.Gone && into[d.ID] != "" {
				deals[i] = Deal{ID: d.ID, Into: into[d.ID]}
			}
		}
		if err := f.tell(ctx, s, m, deals, nil); err != nil {
			return err
		}
	}
	return nil
}

// pulled returns deals as they are; those that the CRM does not have are gone.
func pulled(ctx context.Context, api asked, ids []string) ([]Deal, error) {
	deals, err := api.deals(ctx, ids)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, d := range deals {
		there[d.ID] = true
	}
	for _, id := range ids {
		if !there[id] {
			deals = append(deals, Deal{ID: id, Gone: true})
		}
	}
	return deals, nil
}

// takeWhole tells what was delivered in full, each column by its newest word.
func (f *Feeds) takeWhole(ctx context.Context, s *Source, m *meanings, deals []Deal) error {
	versions, err := f.versions(ctx, s, deals)
	if err != nil {
		return err
	}
	if m, err = f.meet(ctx, s, m, deals); err != nil {
		return err
	}
	slices.SortStableFunc(deals, func(a, b Deal) int { return a.Modified.Compare(b.Modified) })
	var newest []Deal
	at := map[string]int{}
	for _, d := range deals {
		v := versions[d.ID]
		if v == nil {
			v = version{}
			versions[d.ID] = v
		}
		d.Status = m.status(d)
		d = v.newer(d)
		i, again := at[d.ID]
		if !again {
			at[d.ID] = len(newest)
			newest = append(newest, d)
			continue
		}
		newest[i] = newest[i].followedBy(d)
	}
	if err := f.tell(ctx, s, m, newest, nil); err != nil {
		return err
	}
	return f.keepVersions(ctx, s, versions)
}

// followedBy is a deal after a later word on it.
func (d Deal) followedBy(later Deal) Deal {
	later.Entered = slices.Concat(d.Entered, later.Entered)
	if later.empty() {
		d.Entered = later.Entered
		return d
	}
	if later.Gone || later.Into != "" || d.Gone || d.Into != "" {
		return later
	}
	cleared := func(column string) bool { _, has := later.Cells[column]; return has }
	if later.Contacts == nil && !cleared("contacts") {
		later.Contacts = d.Contacts
	}
	if later.Stage == "" && !cleared("stage") {
		later.Stage, later.Pipeline = d.Stage, d.Pipeline
	}
	if later.Status == "" && !cleared("status") {
		later.Status = d.Status
	}
	cells := maps.Clone(d.Cells)
	maps.Copy(cells, later.Cells)
	later.Cells = cells
	return later
}

// empty reports whether nothing is said of the deal's state.
func (d Deal) empty() bool {
	return !d.Gone && d.Into == "" && len(d.Cells) == 0 && d.Contacts == nil && d.Stage == "" && d.Status == ""
}

// told are the rows of the importer that say what is known of a deal.
func (f *Feeds) told(s *Source, m *meanings, d Deal) []crmTold {
	switch {
	case d.Into != "" && d.Into != d.ID:
		return []crmTold{{Table: "deals", Cells: map[string]string{"id": d.ID, "merged_into": d.Into}}}
	case d.Gone:
		return []crmTold{{Table: "deals", Cells: map[string]string{"id": d.ID}, Gone: true}}
	}
	var rows []crmTold
	if !d.empty() {
		cells := maps.Clone(d.Cells)
		if cells == nil {
			cells = map[string]string{}
		}
		cells["id"] = d.ID
		if d.Stage != "" {
			cells["stage"] = m.name(d.Stage)
		}
		if d.Status != "" {
			cells["status"] = d.Status
		}
		if cells["amount"] != "" && cells["currency"] == "" && s.Currency != "" {
			cells["currency"] = s.Currency
		}
		if d.Contacts != nil {
			cells["contacts"] = addresses(d.Contacts)
		}
		for _, c := range d.Contacts {
			if c["email"] == "" {
				continue
			}
			one := maps.Clone(map[string]string(c))
			delete(one, "id")
			maps.DeleteFunc(one, func(_, v string) bool { return v == "" }) // other sources may know more
			rows = append(rows, crmTold{Table: "contacts", Cells: one})
		}
		rows = append(rows, crmTold{Table: "deals", Cells: cells})
	}
	for _, e := range d.Entered {
		rows = append(rows, crmTold{Table: "stages", Cells: map[string]string{"deal": d.ID, "stage": m.name(e.Stage), "at": stamped(e.At)}})
	}
	return rows
}

func addresses(contacts []Contact) string {
	joined := ""
	for _, c := range contacts {
		if c["email"] != "" {
			joined += c["email"] + ";"
		}
	}
	return joined
}

// contactOf is the ID under which the log knows an address.
func (f *Feeds) contactOf(address string) trail.ContactID { return f.Importer.Contacts.ID(address) }
