package store

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// texts are the statements in query/ and the bodies of the views in view/, by
// name, each without views inside.
type texts struct {
	query map[string]string
	view  map[string]string
}

// asOf is the parameter that every view takes.
const asOf = "{as_of:DateTime64(3)}"

var (
	// viewHead is how a file of view/ begins.
	viewHead = regexp.MustCompile(`(?s)^(?:--[^\n]*\n)*CREATE OR REPLACE VIEW (\w+) AS\n`)
	// viewUse is a view as a statement reads it, with a parameter or a text as the time.
	viewUse = regexp.MustCompile(`\b(\w+)\(as_of = (\{\w+:DateTime64\(3\)\}|'[^']*')\)`)
)

func readTexts() texts {
	t := texts{query: map[string]string{}, view: map[string]string{}}
	for _, file := range sqlFiles("view") { // in order: each uses those before it
		b, _ := files.ReadFile(file)
		if head := viewHead.FindSubmatch(b); head != nil {
			t.view[string(head[1])] = t.expand(string(b[len(head[0]):]))
		}
	}
	for _, file := range sqlFiles("query") {
		b, _ := files.ReadFile(file)
		t.query[strings.TrimSuffix(path.Base(file), ".sql")] = t.expand(string(b))
	}
	return t
}

// expand puts the bodies of views in place of their names. The database could
// read the views itself, but it analyzes each as often as two to the power of
// how deep it lies in others, which takes longer than most queries.
func (t texts) expand(statement string) string {
	return viewUse.ReplaceAllStringFunc(statement, func(use string) string {
		m := viewUse.FindStringSubmatch(use)
		body, ok := t.view[m[1]]
		if !ok {
			return use
		}
		return "(\n" + strings.ReplaceAll(body, asOf, m[2]) + "\n)"
	})
}

// sqlFiles returns the embedded files of a directory, in the order of names.
func sqlFiles(dir string) []string {
	names, _ := fs.Glob(files, dir+"/*.sql")
	return names
}
