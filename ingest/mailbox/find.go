package mailbox

import (
	"fmt"
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
// no say on it: its quotes are harder to tell. The error is that of ByKey.
func (r *Reader) find(m *message) (findings, string, error) {
	var out findings
	at := map[finding]int{}
	damaged, unknown := false, false
	add := func(lines []line, later bool) error {
		before := len(out)
		for _, l := range lines {
			for _, link := range l.links {
				f, ok, err := r.resolve(link, &damaged, &unknown)
				if err != nil {
					return err
				}
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
		return nil
	}
	for _, part := range m.html {
		if err := add(htmlLines(part), false); err != nil {
			return nil, "", err
		}
	}
	for _, part := range m.text {
		if err := add(textLines(part), true); err != nil {
			return nil, "", err
		}
	}
	switch {
	case len(out) > 0:
		return out, "links to content only in quoted text", nil
	case unknown:
		return nil, "a tracked link to content that is not registered", nil
	case damaged:
		return nil, "a tracked link whose token was changed or is under a key that is gone", nil
	}
	return nil, "no tracked link and no link to registered content", nil
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
func (r *Reader) resolve(link string, damaged, unknown *bool) (f finding, ok bool, err error) {
	for _, token := range tokens(link) {
		if r.Keys == nil || r.ByKey == nil {
			break
		}
		key, share, err := r.Keys.Open(token)
		if err != nil {
			*damaged = true
			continue
		}
		content, ok, err := r.ByKey(key)
		if err != nil {
			return finding{}, false, fmt.Errorf("look up the content of a link: %w", err)
		}
		*unknown = *unknown || !ok
		return finding{content: content, share: share}, ok, nil
	}
	if r.ByURL != nil {
		f.content, ok = r.ByURL(link)
	}
	return f, ok, nil
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
