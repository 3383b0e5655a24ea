package dashboards

import (
	"html/template"
	"slices"
	"strings"
)

// section is a part of the navigation: what one kind of person comes for. It
// opens on its first page; its other pages are on a line below while one of them
// is read. So every page is two steps from every other, without a script.
type section struct {
	Title string
	Pages []navPage
}

// navPage is a page that the navigation leads to. Pages deeper down (one deal,
// one content) count as the page that lists them.
type navPage struct {
	Name  string // how pages name it to [Site.frame]
	Title string
	Path  []string
	Plain bool // does not look through the four, so its links leave them away
}

var sections = []section{
	{"Content", []navPage{
		{Name: "content", Title: "All content"},
		{Name: "lift", Title: "Lift", Path: []string{"lift"}},
		{Name: "holdouts", Title: "Holdouts", Path: []string{"holdouts"}},
		{Name: "compare", Title: "Compare two", Path: []string{"content", "compare"}},
		{Name: "lists", Title: "Lists of leads", Path: []string{"lists"}},
		{Name: "found", Title: "Found in mail", Path: []string{"content", "found"}},
		{Name: "new", Title: "Register", Path: []string{"content", "new"}, Plain: true},
	}},
	{"Deals", []navPage{
		{Name: "deals", Title: "All deals", Path: []string{"deals"}},
		{Name: "reps", Title: "Reps", Path: []string{"reps"}},
	}},
	{"Review", []navPage{{Name: "review", Title: "The week", Path: []string{"review"}}}},
	{"Send", []navPage{
		{Name: "send", Title: "What to send", Path: []string{"send"}},
		{Name: "share", Title: "Tracked link", Path: []string{"share"}},
		{Name: "requests", Title: "Requests", Path: []string{"requests"}},
		{Name: "notes", Title: "Notes", Path: []string{"notes"}},
		{Name: "mailbox", Title: "My mailbox", Path: []string{"mailbox"}, Plain: true},
	}},
	{"Numbers", []navPage{
		{Name: "numbers", Title: "Goals and service", Path: []string{"numbers"}},
		{Name: "month", Title: "The month", Path: []string{"month"}},
		{Name: "budget", Title: "Budget", Path: []string{"budget"}, Plain: true},
		{Name: "baseline", Title: "Where you stand", Path: []string{"baseline"}},
		{Name: "dictionary", Title: "Each number", Path: []string{"dictionary"}},
		{Name: "models", Title: "What they mean", Path: []string{"models"}, Plain: true},
	}},
	{"System", []navPage{
		{Name: "status", Title: "Status", Path: []string{"status"}, Plain: true},
		{Name: "quality", Title: "Data quality", Path: []string{"quality"}},
		{Name: "runs", Title: "Calculations", Path: []string{"runs"}, Plain: true},
		{Name: "crm", Title: "CRM", Path: []string{"crm"}, Plain: true},
		{Name: "outbox", Title: "Outbox", Path: []string{"outbox"}, Plain: true},
		{Name: "people", Title: "People", Path: []string{"people"}, Plain: true},
		{Name: "access", Title: "Access log", Path: []string{"access"}, Plain: true},
		{Name: "start", Title: "Set-up", Path: []string{"start"}, Plain: true},
	}},
}

// navLink is one link of the navigation. Current is what aria-current says: page
// for the page that is read, true for what it belongs to, "" for others.
type navLink struct {
	Title   string
	Href    template.URL
	Current string
}

// TopLinks are the links of the header: of each part to the first page that the reader
// may open.
func (f frame) TopLinks() (all []navLink) {
	for _, s := range sections {
		i := slices.IndexFunc(s.Pages, f.may)
		if i < 0 {
			continue
		}
		link := f.link(s.Pages[i])
		link.Title, link.Current = s.Title, ""
		if s.has(f.Nav) {
			link.Current = "true"
		}
		all = append(all, link)
	}
	return all
}

// PageLinks are the links to the pages of the section that is read; none where there
// is but one.
func (f frame) PageLinks() (all []navLink) {
	i := slices.IndexFunc(sections, func(s section) bool { return s.has(f.Nav) })
	if i < 0 || len(sections[i].Pages) == 1 {
		return nil
	}
	for _, p := range sections[i].Pages {
		if f.may(p) {
			all = append(all, f.link(p))
		}
	}
	return all
}

// pageTitle is what the navigation calls the page at a path: the path itself where it
// leads to none of them.
func pageTitle(path string) string {
	path, _, _ = strings.Cut(path, "#")
	for _, s := range sections {
		for _, p := range s.Pages {
			if join(p.Path...) == path {
				return s.Title + ", " + p.Title
			}
		}
	}
	return path
}

// Reaches reports whether the reader may open the page at a path.
func (f frame) Reaches(path string) bool {
	may, _ := f.Asker.MayReach("GET", path)
	return may
}

// may reports whether the reader may open a page.
func (f frame) may(p navPage) bool { return f.Asker.May("GET", join(p.Path...)) }

func (s section) has(name string) bool {
	return slices.ContainsFunc(s.Pages, func(p navPage) bool { return p.Name == name })
}

func (f frame) link(p navPage) navLink {
	link := navLink{Title: p.Title, Href: f.Lens.Link(p.Path...)}
	if p.Plain {
		link.Href = template.URL(join(p.Path...))
	}
	if here, _, _ := strings.Cut(f.Here, "?"); p.Name == f.Nav {
		link.Current = "true"
		if here == join(p.Path...) {
			link.Current = "page"
		}
	}
	return link
}
