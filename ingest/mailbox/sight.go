package mailbox

import (
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"dealtrail/trail"
)

// Sighting is something in a sent mail that looks like content and is not
// registered. It names nobody.
type Sighting struct {
	What    string          // link or file
	URL     string          // of a link: without query and fragment
	Name    string          // of a file
	Size    int64           // of a file: bytes as mailed, its encoding included
	Content trail.ContentID // the content whose file has nearly this name; empty: none
}

// key returns what tells two sightings apart.
func (s Sighting) key() string {
	return strings.Join([]string{"sighted", s.What, s.URL, strings.ToLower(s.Name), strconv.FormatInt(s.Size, 10)}, "\n")
}

func (s Sighting) attrs(reps int) map[string]string {
	attrs := map[string]string{"what": s.What, "reps": strconv.Itoa(reps)}
	if s.What == "link" {
		attrs["url"] = s.URL
		return attrs
	}
	attrs["name"], attrs["size"] = s.Name, strconv.FormatInt(s.Size, 10)
	return attrs
}

// maxSighted is how many unregistered things of one mail are looked at.
const maxSighted = 20

// sightLink notes a link to a page of an own domain that nobody registered. The
// first page of a site stands in every signature and is no content.
func (s *sightings) sightLink(link string) {
	u, err := url.Parse(link)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") == "" || len(link) > 2000 || len(tokens(link)) > 0 {
		return
	}
	if !s.r.ownDomain(strings.ToLower(u.Hostname())) {
		return
	}
	if ext := strings.ToLower(path.Ext(u.Path)); ext == ".png" || ext == ".gif" || ext == ".jpg" || ext == ".jpeg" || ext == ".svg" || ext == ".css" {
		return // what signatures are made of
	}
	s.sight(Sighting{What: "link", URL: "https://" + strings.ToLower(u.Host) + u.EscapedPath()})
}

func (s *sightings) sight(seen Sighting) {
	if len(s.sighted) < maxSighted && !slices.Contains(s.sighted, seen) {
		s.sighted = append(s.sighted, seen)
	}
}

// documents are the endings of files that marketers make. Pictures are not among
// them: signatures are full of them.
var documents = map[string]bool{
	".pdf": true, ".ppt": true, ".pptx": true, ".odp": true, ".key": true, ".doc": true, ".docx": true, ".odt": true, ".xls": true, ".xlsx": true, ".ods": true,
	".mp4": true, ".webm": true, ".mov": true, ".mp3": true, ".zip": true, ".htm": true, ".html": true, ".md": true,
}

// attached takes in a file that the sender attached.
func (s *sightings) attached(f file) {
	r := s.r
	if r.ByFile != nil && f.among(r.sizes()) {
		f.hash()
		for _, hash := range f.hashes {
			if content, until, ok := r.ByFile(hash); ok {
				s.found.add(finding{content: content, file: true, stale: s.stale(until)}, 0)
				return
			}
		}
	}
	if !documents[strings.ToLower(path.Ext(f.name))] {
		return
	}
	seen := Sighting{What: "file", Name: f.name, Size: f.size}
	if r.ByFileName != nil {
		if content, ok := r.ByFileName(f.name); ok {
			seen.Content = content
		}
	}
	s.sight(seen)
}

// sizes returns how many bytes the registered files have.
func (r *Reader) sizes() []int64 {
	if r.FileSizes == nil {
		return nil
	}
	return r.FileSizes()
}
