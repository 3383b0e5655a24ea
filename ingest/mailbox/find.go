package mailbox

import (
	"net/url"
	"strings"

	"dealtrail/trail"
)

// finding is one piece of content that a message links to.
type finding struct {
	content trail.ContentID
	share   trail.ShareID // empty: a plain link
	depth   int           // 0: written by the sender; more: in quoted text, that many quotes deep
}

type findings []finding

// find returns the content that a message links to, each content and share
// once, at its least depth, in the order of the text; and if nothing of it was
// written by the sender, why. Where the HTML part has a link, the text part has
// no say on it: its quotes are harder to tell.
func (r *Reader) find(m *message) (findings, string) {
	var out findings
	at := map[finding]int{}
	damaged, unknown := false, false
	add := func(lines []line, later bool) {
		before := len(out)
		for _, l := range lines {
			for _, link := range l.links {
				f, ok := r.resolve(link, &damaged, &unknown)
				if !ok {
					continue
				}
				i, seen := at[f]
				if !seen {
					at[f] = len(out)
					f.depth = l.depth
					out = append(out, f)
				} else if l.depth < out[i].depth && (!later || i >= before) {
					out[i].depth = l.depth
				}
			}
		}
	}
	for _, part := range m.html {
		add(htmlLines(part), false)
	}
	for _, part := range m.text {
		add(textLines(part), true)
	}
	switch {
	case len(out) > 0:
		return out, "links to content only in quoted text"
	case unknown:
		return nil, "a tracked link to content that is not registered"
	case damaged:
		return nil, "a tracked link whose token was changed or is under a key that is gone"
	}
	return nil, "no tracked link and no link to registered content"
}

// written returns what the sender put in. A plain link beside a tracked one to
// the same content says nothing new.
func (fs findings) written() findings {
	tracked := map[trail.ContentID]bool{}
	for _, f := range fs {
		tracked[f.content] = tracked[f.content] || f.depth == 0 && f.share != ""
	}
	var out findings
	for _, f := range fs {
		if f.depth == 0 && (f.share != "" || !tracked[f.content]) {
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

// resolve returns the content of a link, at depth 0.
func (r *Reader) resolve(link string, damaged, unknown *bool) (finding, bool) {
	for _, token := range tokens(link) {
		if r.Keys == nil {
			break
		}
		key, share, err := r.Keys.Open(token)
		if err != nil {
			continue
		}
		if r.ByKey != nil {
			if content, ok := r.ByKey(key); ok {
				return finding{content: content, share: share}, true
			}
		}
		*unknown = true
		return finding{}, false
	}
	if r.ours(link) {
		*damaged = true
		return finding{}, false
	}
	if r.ByURL != nil {
		if content, ok := r.ByURL(link); ok {
			return finding{content: content}, true
		}
	}
	return finding{}, false
}

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

// ours reports whether a link is one that only we make.
func (r *Reader) ours(link string) bool {
	us, err := url.Parse(r.PublicURL)
	if err != nil || us.Host == "" {
		return false
	}
	u, err := url.Parse(link)
	if err != nil || !strings.EqualFold(u.Host, us.Host) {
		return false
	}
	path := strings.TrimPrefix(u.Path, strings.TrimSuffix(us.Path, "/"))
	return strings.HasPrefix(path, "/c/") || strings.HasPrefix(path, "/o/")
}
