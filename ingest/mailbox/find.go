package mailbox

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"

	"dealtrail/trail"
)

// finding is one piece of content that a message has.
type finding struct {
	content trail.ContentID
	share   trail.ShareID // empty: a plain link or a file
	file    bool          // the content's file is attached
	stale   bool          // it is an older version of the content
	depth   int           // 0: written by the sender; more: in quoted text, that many quotes deep
}

type findings []finding

// finds are all that a message has of content.
type finds struct {
	findings
	why      string                 // if the sender put none in
	pixels   map[trail.ShareID]bool // the shares whose pixel is there
	sighted  []Sighting
	wrapped  []string // who wrapped links that cannot be read
	trackers []string // other programs that links go through
}

// find returns the content that a message has, each content and share once, at
// its least depth, in the order of the text. Where the HTML part has a link, the
// text part has no say on it: its quotes are harder to tell. A mail that is
// attached counts as quoted. The error is that of ByKey.
func (r *Reader) find(m *message) (finds, error) {
	s := sightings{r: r, at: m.date, pixels: map[trail.ShareID]bool{}}
	if err := s.read(m, 0); err != nil {
		return finds{}, err
	}
	for _, f := range m.files {
		s.attached(f)
	}
	out := finds{pixels: s.pixels, sighted: s.sighted, wrapped: s.through(), trackers: s.behind()}
	for i, f := range s.found.all {
		f.depth = s.found.depths[i]
		out.findings = append(out.findings, f)
	}
	switch {
	case len(out.findings) > 0:
		out.why = "links to content only in quoted text"
	case s.unknown:
		out.why = "a tracked link to content that is not registered"
	case s.damaged:
		out.why = "a tracked link whose token was changed or is under a key that is gone"
	default:
		out.why = "no tracked link and no link to registered content" + s.hidden()
	}
	return out, nil
}

// sightings are what a message's links and files turn out to be.
type sightings struct {
	r                *Reader
	at               time.Time        // the mail's date
	found            least[finding]   // at depth 0 each
	opaque           least[[2]string] // links that cannot be read, behind who wrapped them
	trackers         least[string]    // other programs that links go through
	pixels           map[trail.ShareID]bool
	sighted          []Sighting
	damaged, unknown bool
}

// read takes in the texts of a message that stands depth quotes deep.
func (s *sightings) read(m *message, depth int) error {
	for _, part := range m.html {
		if err := s.look(htmlLines(part), originals(part), depth); err != nil {
			return err
		}
	}
	for _, part := range m.text {
		s.found.settle()
		s.opaque.settle()
		s.trackers.settle()
		if err := s.look(textLines(part), nil, depth); err != nil {
			return err
		}
	}
	for _, inner := range m.nested {
		s.found.settle()
		if err := s.read(inner, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// look takes in the links of a part. original is what some of them were before
// a gateway rewrote them.
func (s *sightings) look(lines []line, original map[string]string, depth int) error {
	for _, l := range lines {
		l.depth += depth
		for _, link := range l.links {
			target, opaque := unwrap(link)
			if before := original[link]; before != "" {
				target, opaque = unwrap(before)
			}
			f, ok, err := s.resolve(link, target)
			if err != nil {
				return err
			}
			if ok {
				s.found.add(f, l.depth)
			} else if opaque != "" {
				by, _, _ := strings.Cut(opaque, " (") // the domain in brackets is the mail's, not ours to tell
				s.opaque.add([2]string{by, link}, l.depth)
			} else if by := tracker(target); by != "" {
				s.trackers.add(by, l.depth)
			} else if l.depth == 0 {
				s.sightLink(target)
			}
		}
	}
	return nil
}

// stale reports whether what a content had until a time was out of date when the
// mail was written.
func (s *sightings) stale(until time.Time) bool { return !until.IsZero() && s.at.After(until) }

// hidden says which links of the sender's there are that may lead to content,
// for the end of a reason.
func (s *sightings) hidden() string {
	by, links := s.through(), 0
	for _, depth := range s.opaque.depths {
		if depth == 0 {
			links++
		}
	}
	said := ""
	if links == 1 {
		said = "; one link is wrapped by " + by[0] + " and cannot be read without following it"
	} else if links > 1 {
		said = fmt.Sprintf("; %d links are wrapped by %s and cannot be read without following them", links, strings.Join(by, " and "))
	}
	if through := s.behind(); len(through) > 0 {
		said += "; its links go through " + strings.Join(through, " and ")
	}
	return said
}

// through returns who wrapped links of the sender's so that they cannot be read.
func (s *sightings) through() (by []string) {
	for i, o := range s.opaque.all {
		if s.opaque.depths[i] == 0 && !slices.Contains(by, o[0]) {
			by = append(by, o[0])
		}
	}
	return by
}

// behind returns the other programs that the sender's links go through.
func (s *sightings) behind() (names []string) {
	for i, name := range s.trackers.all {
		if s.trackers.depths[i] == 0 {
			names = append(names, name)
		}
	}
	return names
}

// least keeps things once each, in the order they came in, at the least depth
// they came at.
type least[T comparable] struct {
	all     []T
	depths  []int
	at      map[T]int
	settled int // so many keep their depth
}

// settle lets nothing that is there come any less deep.
func (l *least[T]) settle() { l.settled = len(l.all) }

func (l *least[T]) add(t T, depth int) {
	if l.at == nil {
		l.at = map[T]int{}
	}
	i, seen := l.at[t]
	if !seen {
		l.at[t] = len(l.all)
		l.all = append(l.all, t)
		l.depths = append(l.depths, depth)
	} else if i >= l.settled {
		l.depths[i] = min(l.depths[i], depth)
	}
}

// written returns what the sender put in. A plain link or a file beside a
// tracked link to the same content says nothing new, nor does an old version
// beside the new one or a link beside the file.
func (fs findings) written() findings {
	best := map[trail.ContentID]int{}
	for _, f := range fs {
		if f.depth == 0 {
			best[f.content] = max(best[f.content], f.weight())
		}
	}
	var out findings
	for _, f := range fs {
		if f.depth == 0 && f.weight() == best[f.content] {
			out = append(out, f)
			if f.share == "" {
				best[f.content]++ // once is enough
			}
		}
	}
	return out
}

// weight orders what one mail may have of one content by how much it tells.
func (f finding) weight() int {
	switch {
	case f.share != "":
		return 9
	case f.stale:
		return 1
	case f.file:
		return 5
	}
	return 3
}

// quotes returns the tracked content that is only quoted.
func (fs findings) quotes() (out findings) {
	for _, f := range fs {
		if f.depth > 0 && f.share != "" {
			out = append(out, f)
		}
	}
	return out
}

// answered returns the tracked content of the mail that a reply answers: that
// of the outermost quote which has any. Deeper quotes are of older mail. In a
// reply whose quotes no edge marks, everything counts as quoted.
func (fs findings) answered(reply bool) findings {
	least := 0
	for _, f := range fs {
		if f.share != "" && f.depth > 0 && (least == 0 || f.depth < least) {
			least = f.depth
		}
	}
	var out findings
	for _, f := range fs {
		if f.share != "" && f.depth == least && (least > 0 || reply) {
			out = append(out, f)
		}
	}
	return out
}

// originals returns what Exchange leaves beside the links that it rewrites in
// HTML: the link as it was, by the one in its place. That of any other link is
// not believed.
func originals(page string) map[string]string {
	if !strings.Contains(strings.ToLower(page), "originalsrc") {
		return nil
	}
	out := map[string]string{}
	for tokens := html.NewTokenizer(strings.NewReader(page)); ; {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			return out
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		attrs := map[string]string{}
		for _, more := tokens.TagName(); more; {
			var key, value []byte
			key, value, more = tokens.TagAttr()
			if k := string(key); k == "href" || k == "originalsrc" || k == "shash" {
				attrs[k] = strings.NewReplacer("\r", "", "\n", "", "\t", "").Replace(strings.TrimSpace(string(value)))
			}
		}
		a, ok := locate(attrs["href"])
		if original := asLink(attrs["originalsrc"]); ok && original != "" && attrs["shash"] != "" && safeLinks.MatchString(a.host) {
			out[attrs["href"]] = original
		}
	}
}

// resolve returns the content of a link that leads to target, at depth 0.
func (s *sightings) resolve(link, target string) (f finding, ok bool, err error) {
	r := s.r
	for _, token := range tokens(target) {
		if r.Keys == nil || r.ByKey == nil {
			break
		}
		key, share, err := r.Keys.Open(token)
		if err != nil {
			s.damaged = true
			continue
		}
		content, ok, err := r.ByKey(key)
		if err != nil {
			return finding{}, false, fmt.Errorf("look up the content of a link: %w", err)
		}
		s.unknown = s.unknown || !ok
		if pixel.MatchString(target) {
			s.pixels[share] = true
		}
		return finding{content: content, share: share}, ok, nil
	}
	if r.ByURL == nil {
		return f, false, nil
	}
	content, until, ok := r.ByURL(target)
	if !ok && target != link { // a redirector's link may be what was registered
		content, until, ok = r.ByURL(link)
	}
	return finding{content: content, stale: s.stale(until)}, ok, nil
}

// pixel is a link to a pixel.
var pixel = regexp.MustCompile(`(?i)/o/[a-z2-7]{27}`)

// tokens returns what may be tokens in a link: 27 characters after /c/ or /o/.
// What follows is ignored, because mail programs glue brackets and full stops
// to links; but not a letter or digit, which would make it a longer word.
func tokens(link string) []string {
	var out []string
	for i := 0; i+3+trail.TokenLength <= len(link); i++ {
		if head := link[i : i+3]; !strings.EqualFold(head, "/c/") && !strings.EqualFold(head, "/o/") {
			continue
		}
		token, rest := link[i+3:i+3+trail.TokenLength], link[i+3+trail.TokenLength:]
		if strings.IndexFunc(token, notWord) < 0 && (rest == "" || notWord(rune(rest[0]))) {
			out = append(out, token)
		}
	}
	return out
}

func notWord(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
}
