package store

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// texts are the statements in query/ and layout/ and the bodies of the views in
// view/, by name, each without views inside.
type texts struct {
	query  map[string]string
	layout map[string]string // the statements in layout/, which lay out what the views say
	laid   map[string]string // of the queries that read what was laid out, as they read that
	view   map[string]string
	laidBy string // how the names of layouts end that these statements made
}

// asOf is the parameter that every view takes.
const asOf = "{as_of:DateTime64(3)}"

var (
	comment = regexp.MustCompile(`(?m)^ *--.*\n`)
	// viewHead is how a file of view/ begins.
	viewHead = regexp.MustCompile(`^CREATE OR REPLACE VIEW (\w+) AS\n`)
	// viewUse is a view as a statement reads it, at a parameter or a constant.
	viewUse = regexp.MustCompile(`\b(\w+)\(as_of = (\{\w+:DateTime64\(3\)\}|'[^']*')\)`)
)

func readTexts() texts {
	t := texts{query: map[string]string{}, layout: map[string]string{}, laid: map[string]string{}, view: readViews(nil)}
	asked := texts{view: readViews(map[string]string{"tied": viewBody("tied")})}
	laidOut := texts{view: readViews(layoutViews)}
	for _, file := range sqlFiles("query") {
		name, text := strings.TrimSuffix(path.Base(file), ".sql"), readFile(file)
		t.query[name] = asked.expand(text)
		if text = laidOut.expand(text); strings.Contains(text, "{layout:String}") {
			t.laid[name] = text
		}
	}
	for _, file := range sqlFiles("layout") {
		name, using := strings.TrimSuffix(path.Base(file), ".sql"), t
		switch name {
		case "layout_events":
			using = texts{view: readViews(laidBefore)}
		case "layout_deal_events", "layout_deal_counts", "layout_content_counts", "layout_rep_counts", "layout_send_counts", "layout_kept_counts": // from what is laid out by then
			using = texts{view: readViews(allBut(layoutViews, strings.TrimPrefix(name, "layout_")))}
		}
		t.layout[name] = using.expand(readFile(file))
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(t.layout)) {
		fmt.Fprintln(sum, name, t.layout[name])
	}
	t.laidBy = fmt.Sprintf("-%x-layout", sum.Sum(nil)[:4])
	return t
}

// allBut returns a map without one of its keys.
func allBut(m map[string]string, key string) map[string]string {
	m = maps.Clone(m)
	delete(m, key)
	return m
}

// readViews returns the bodies of the views by name. Those in instead are read as
// they are there, by the other views too.
func readViews(instead map[string]string) map[string]string {
	t := texts{view: map[string]string{}}
	for _, file := range sqlFiles("view") { // in order: each uses those before it
		text := readFile(file)
		head := viewHead.FindStringSubmatch(text)
		if head == nil {
			continue
		}
		body, ok := instead[head[1]]
		if !ok {
			body = t.expand(text[len(head[0]):])
		}
		t.view[head[1]] = body
	}
	return t.view
}

// viewBody returns the body of a view with the views that it reads by their names. Of
// tied that is what queries take: the database analyzes each function of a statement in
// a time that grows with all that is below it, except below a view. Those two in it are
// the largest and are analyzed twice for that; what is above takes half the time.
func viewBody(name string) string {
	for _, file := range sqlFiles("view") {
		if text := readFile(file); strings.HasPrefix(text, "CREATE OR REPLACE VIEW "+name+" AS\n") {
			return text[len(viewHead.FindString(text)):]
		}
	}
	panic("store: there is no view " + name)
}

// laidBefore are the views that are joined to all events: once parts of a layout,
// or of attribution's snapshot, they are read from there.
var laidBefore = map[string]string{
	"bindings": "SELECT key, content, rep, deal, share, contacts FROM snapshot_bindings WHERE snapshot = {snapshot:String}",
	"crowds":   "SELECT share, since, people FROM snapshot_crowds WHERE snapshot = {snapshot:String}",
}

// ExpandLaid puts the bodies of views in place of their names in a statement that is
// run when bindings and crowds are parts of the snapshot that it names.
func ExpandLaid(statement string) string {
	return texts{view: readViews(laidBefore)}.expand(comment.ReplaceAllString(statement, ""))
}

// expand puts the bodies of views in place of their names, in our queries and in
// the views that Migrate makes. The database could read views within views
// itself, but analyzes them twice as long, and longer than most queries run; see
// viewBody for the two where that pays. A view that is joined needs an alias.
func (t texts) expand(statement string) string {
	return viewUse.ReplaceAllStringFunc(statement, func(use string) string {
		m := viewUse.FindStringSubmatch(use)
		body, ok := t.view[m[1]]
		if !ok {
			return use
		}
		return "(\n" + strings.ReplaceAll(body, asOf, m[2]) + ")"
	})
}

// sqlFiles returns the embedded files of a directory, in the order of names.
func sqlFiles(dir string) []string {
	names, _ := fs.Glob(files, dir+"/*.sql")
	return names
}

// readFile returns an embedded statement without the comments on lines of their own.
func readFile(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("store: " + err.Error()) // sqlFiles named it
	}
	return comment.ReplaceAllString(string(b), "")
}
