package ingest

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"dealtrail/trail"
)

// mailed is what the files and links of a mail are compared with: all contents as
// they are and were. It is made when the first mail asks after a change.
type mailed struct {
	files map[string]found // by SHA-256 in hex
	urls  map[string]found // by trail.NormalURL
	names map[string]trail.ContentID
	sizes []int64
}

// found is a content, and until when it had this, if no longer.
type found struct {
	content trail.ContentID
	until   time.Time
}

// newMailed expects the targets in the order of contents, so that of several
// contents with one file the one whose ID sorts first has it. What a content has
// now comes before what another had.
func newMailed(targets []trail.Target) *mailed {
	m := &mailed{files: map[string]found{}, urls: map[string]found{}, names: map[string]trail.ContentID{}}
	sizes := map[int64]bool{}
	size := func(sha string, bytes int64) {
		if sha != "" && bytes > 0 { // else nobody noted it
			sizes[bytes] = true
		}
	}
	note := func(in map[string]found, key string, f found) {
		if known, ok := in[key]; key != "" && (!ok || !known.until.IsZero() && f.until.IsZero()) {
			in[key] = f
		}
	}
	for _, t := range targets {
		name := func(file string) {
			n := mailedName(file)
			if other, ok := m.names[n]; ok && other != t.Content {
				m.names[n] = "" // cannot be told
			} else if n != "" {
				m.names[n] = t.Content
			}
		}
		note(m.files, t.File, found{content: t.Content})
		for _, u := range normalURLs(t) {
			note(m.urls, u, found{content: t.Content})
		}
		size(t.File, t.FileSize)
		name(t.FileName)
		for _, f := range t.Former {
			note(m.files, f.File, found{t.Content, f.Until})
			note(m.urls, trail.NormalURL(f.URL), found{t.Content, f.Until})
			size(f.File, f.FileSize)
			name(f.FileName)
		}
	}
	m.sizes = slices.Sorted(maps.Keys(sizes))
	return m
}

// inMails returns what mails are compared with.
func (c *Catalogue) inMails() *mailed {
	c.mu.RLock()
	m := c.mailed
	c.mu.RUnlock()
	if m != nil {
		return m
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mailed == nil {
		c.mailed = newMailed(c.sorted())
	}
	return c.mailed
}

// ByFile returns the content that a file is, by its SHA-256 in lower-case hex.
// until is when the content got another in its place, and zero if it has it still.
func (c *Catalogue) ByFile(sha string) (content trail.ContentID, until time.Time, ok bool) {
	f, ok := c.inMails().files[sha]
	return f.content, f.until, ok
}

// ByURLVersion is ByURL that also knows the URLs that contents had before, and
// until when.
func (c *Catalogue) ByURLVersion(url string) (content trail.ContentID, until time.Time, ok bool) {
	if clean, err := cleanTarget(url); err == nil {
		url = clean // as registered ones are kept
	}
	f, ok := c.inMails().urls[trail.NormalURL(url)]
	return f.content, f.until, ok
}

// FileSizes returns the sizes in bytes of all files that are or were a content's,
// each once, the smallest first. The slice is not the caller's to change.
func (c *Catalogue) FileSizes() []int64 { return c.inMails().sizes }

// ByFileName returns the content whose file, now or before, has the same name but
// for what people and programs put into the name of a copy: see mailedName. If
// several contents have it, it is none's.
func (c *Catalogue) ByFileName(name string) (trail.ContentID, bool) {
	content := c.inMails().names[mailedName(name)]
	return content, content != ""
}

const (
	wordStart = `(?:^| )`
	wordEnd   = `(?: |$)`
	month     = `(?:0?[1-9]|1[0-2])`
	dayOf     = `(?:0?[1-9]|[12]\d|3[01])`
)

var (
	counted  = regexp.MustCompile(`\(\d{1,3}\)|\[\d{1,3}\]`) // what browsers and systems add to a second copy
	dots     = regexp.MustCompile(`(^|\D)\.|\.(\D|$)`)       // but those of dates and versions
	spaces   = regexp.MustCompile(`[\s_\-–—+,()\[\]]+`)
	dated    = regexp.MustCompile(wordStart + `(?:20\d\d[. ]?` + `(?:0[1-9]|1[0-2])[. ]?` + `(?:0[1-9]|[12]\d|3[01])` + `|` + dayOf + `[. ]` + month + `[. ](?:20)?\d\d)` + wordEnd)
	numbered = regexp.MustCompile(wordStart + `(?:v|version|ver\.?|rev\.?|revision) ?\d+(?:\.\d+)*` + wordEnd)
	copyOf   = regexp.MustCompile(`^(?:copy of|kopie von|copie de|copia de) `)
	copied   = regexp.MustCompile(` (?:copy|kopie|copie|copia)(?: \d{1,3})?$`)
	finished = regexp.MustCompile(` (?:final|draft|entwurf)$`)
)

// mailedName returns the form under which the names of two copies of a file
// compare equal: lower case, spaces, underscores and dashes alike, without dates,
// versions and the marks of copies: "Product_Deck v1.3 (1).PDF" is "product
// deck.pdf". It is "" if nothing is left that names anything.
func mailedName(name string) string {
	name = strings.ToLower(norm.NFC.String(path.Base(strings.ReplaceAll(name, `\`, "/"))))
	ext := path.Ext(name)
	s := dots.ReplaceAllString(counted.ReplaceAllString(strings.TrimSuffix(name, ext), " "), "$1 $2")
	s = strings.TrimSpace(spaces.ReplaceAllString(s, " "))
	for before := ""; before != s; { // one mark may hide another: "deck final (1) copy 2"
		before = s
		for _, mark := range []*regexp.Regexp{dated, numbered, copyOf, copied, finished} {
			s = strings.TrimSpace(mark.ReplaceAllString(s, " "))
		}
	}
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, ".", " ")), " ")
	if s == "" {
		return ""
	}
	return s + ext
}
