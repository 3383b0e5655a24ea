package dashboards

import (
	"bytes"
	"html"
	"strings"

	"dealtrail/access"
)

// Pages are written for who may do everything. What leads where the reader may not go is
// taken off the finished page, in this one place: the policy alone says what that is.

// withoutClosed returns a page as the asker may use it. Where a link would be refused
// only its text is left, and nothing of it where it stands for something to do; a form
// that would be refused says whom it takes.
func withoutClosed(page []byte, asker access.Asker) []byte {
	if asker.Roles == 0 || asker.Roles.Has(access.Admin|access.All) {
		return page
	}
	page = rewritten(page, "p", func(tag, inner []byte) ([]byte, bool) {
		if attribute(tag, "class") != "links" {
			return nil, false
		}
		return glued(tag, openLinks(inner, asker, true), []byte("</p>")), true
	})
	page = rewritten(page, "form", func(tag, inner []byte) ([]byte, bool) { return openForm(tag, inner, asker) })
	return openLinks(page, asker, false)
}

// openLinks takes links off that would be refused: whole ones, or all but the text.
func openLinks(page []byte, asker access.Asker, whole bool) []byte {
	return rewritten(page, "a", func(tag, inner []byte) ([]byte, bool) {
		if may, _ := asker.MayReach("GET", pathOf(attribute(tag, "href"))); may {
			return nil, false
		}
		if class := attribute(tag, "class"); whole || class == "button" || class == "go" {
			return nil, true
		}
		return inner, true
	})
}

// openForm is what is left of a form that would be refused.
func openForm(tag, inner []byte, asker access.Asker) ([]byte, bool) {
	method, class := strings.ToUpper(attribute(tag, "method")), attribute(tag, "class")
	may, who := asker.MayReach(method, pathOf(attribute(tag, "action")))
	switch first, _, found := bytes.Cut(inner, []byte("</div>")); {
	case may:
		return nil, false
	case class == "notice" && found: // it says something, too
		return glued([]byte(`<div class="notice">`), first, []byte("</div></div>")), true
	case strings.HasPrefix(class, "fields"):
		return []byte(`<p class="hint">Only ` + html.EscapeString(who.Who()) + ` can do this.</p>`), true
	}
	return nil, true
}

// rewritten returns a page in which each element of a name, which holds no other of its
// name, is what change makes of its tag and of what it holds; false leaves it as it is.
// Text and attributes of a rendered page hold no < and no >.
func rewritten(page []byte, name string, change func(tag, inner []byte) ([]byte, bool)) []byte {
	var out []byte
	done, open, end := 0, []byte("<"+name+" "), []byte("</"+name+">")
	for at := 0; ; {
		start := bytes.Index(page[at:], open)
		if start < 0 {
			break
		}
		start += at
		tag := bytes.IndexByte(page[start:], '>') + 1
		inner := bytes.Index(page[start:], end)
		if tag == 0 || inner < tag {
			break
		}
		at = start + inner + len(end)
		if now, ok := change(page[start:start+tag], page[start+tag:start+inner]); ok {
			out = append(append(out, page[done:start]...), now...)
			done = at
		}
	}
	return append(out, page[done:]...)
}

// attribute is the value of a tag's attribute, "" if it has none.
func attribute(tag []byte, name string) string {
	_, rest, _ := bytes.Cut(tag, []byte(" "+name+`="`))
	value, _, found := bytes.Cut(rest, []byte(`"`))
	if !found {
		return ""
	}
	return html.UnescapeString(string(value))
}

// pathOf is the path of an address on this site; "" for others.
func pathOf(address string) string {
	if !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") {
		return ""
	}
	if i := strings.IndexAny(address, "?#"); i >= 0 {
		address = address[:i]
	}
	return address
}

func glued(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
