package trail

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Former is a file or a URL that a content had before: whoever sends it sends an
// older version. It has either a File or a URL.
type Former struct {
	URL      string    `json:"url,omitzero"`
	File     string    `json:"file,omitzero"` // SHA-256 in hex
	FileName string    `json:"file_name,omitzero"`
	FileSize int64     `json:"file_size,omitzero"` // bytes
	Version  string    `json:"version,omitzero"`   // the content's when it had this last
	Until    time.Time `json:"until,omitzero"`     // when something else took its place
}

// key tells formers apart: links that compare equal are one.
func (f Former) key() string {
	if f.File != "" {
		return "file " + f.File
	}
	return "url " + cmp.Or(NormalURL(f.URL), f.URL)
}

// After returns the target that follows another one of the same content at a
// time: it remembers what that one was and what it remembered, unless it is so
// again. Of a thing that both remember it keeps its own word.
func (t Target) After(before Target, at time.Time) Target {
	if before.Content != t.Content {
		return t
	}
	at = at.UTC().Truncate(time.Millisecond)
	known := map[string]bool{}
	for _, now := range t.had(time.Time{}) {
		known[now.key()] = true
	}
	var former []Former
	for _, f := range slices.Concat(t.Former, before.Former, before.had(at)) {
		if k := f.key(); !known[k] {
			known[k] = true
			former = append(former, f)
		}
	}
	slices.SortFunc(former, func(a, b Former) int {
		return cmp.Or(b.Until.Compare(a.Until), strings.Compare(a.key(), b.key()))
	})
	t.Former = former
	return t
}

// had returns the file and the URLs of a target as what they are once something
// takes their place at a time.
func (t Target) had(at time.Time) (all []Former) {
	if t.File != "" {
		all = append(all, Former{File: t.File, FileName: t.FileName, FileSize: t.FileSize, Version: t.Version, Until: at})
	}
	for _, u := range append([]string{t.URL}, t.OtherURLs...) {
		if u != "" {
			all = append(all, Former{URL: u, Version: t.Version, Until: at})
		}
	}
	return all
}
