package mailbox

import (
	"context"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// leaf is one part of a message that is no multipart.
type leaf struct {
	path  []int // as FETCH numbers it; 1 if the message has no other
	size  int64 // bytes as stored
	fetch int64 // bytes to fetch; 0: none
	alone bool  // the message has no other: its headers are the part's
}

// parts fetches what can matter of large messages: their texts, attached mails,
// and files whose size is one of those given. Messages that are built alike are
// asked for together. A message whose structure leaves most of it out is fetched
// whole.
func (s *session) parts(ctx context.Context, letters []*letter, sizes []int64) error {
	alike, shapes := map[string][]*letter{}, []string{}
	err := s.each(ctx, letters, imap.FetchOptions{BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}, func(l *letter, a *arrival) {
		l.leafs = leafsOf(a.structure, sizes)
		if l.bytes() < l.a.size/2 { // broken in a way that this server gives up on
			l.leafs = nil
			return
		}
		shape := l.shape()
		if alike[shape] == nil {
			shapes = append(shapes, shape)
		}
		alike[shape] = append(alike[shape], l)
	})
	if err != nil {
		return err
	}
	for _, shape := range shapes {
		for _, some := range bySize(alike[shape], (*letter).weight) {
			err := s.each(ctx, some, imap.FetchOptions{BodySection: some[0].wanted()}, (*letter).assemble)
			if err != nil {
				return err
			}
		}
	}
	var plain []*letter
	for _, l := range letters {
		if l.a != nil && len(l.leafs) == 0 {
			plain = append(plain, l)
		}
	}
	return s.texts(ctx, plain, sizes)
}

// leafsOf returns the parts of a message and how much of each to fetch.
func leafsOf(structure imap.BodyStructure, sizes []int64) (leafs []leaf) {
	_, alone := structure.(*imap.BodyStructureSinglePart)
	structure.Walk(func(path []int, part imap.BodyStructure) bool {
		p, ok := part.(*imap.BodyStructureSinglePart)
		if !ok || len(leafs) == maxLeafs {
			return true
		}
		l := leaf{path: append([]int(nil), path...), size: int64(p.Size), alone: alone}
		disposition := p.Disposition()
		attached := disposition != nil && strings.EqualFold(disposition.Value, "attachment")
		f := file{kind: p.MediaType(), encoding: strings.ToLower(p.Encoding), size: l.size}
		switch kind := p.MediaType(); {
		case (kind == "text/plain" || kind == "text/html") && !attached, kind == "message/rfc822", kind == "message/global":
			l.fetch = maxText
		case f.among(sizes) && l.size <= MaxMessage:
			l.fetch = l.size
		}
		leafs = append(leafs, l)
		return false
	})
	return leafs
}

// shape is the same for messages of which the same is asked.
func (l *letter) shape() string {
	var b strings.Builder
	for _, p := range l.leafs {
		fmt.Fprint(&b, p.path, p.fetch, p.alone)
	}
	return b.String()
}

// bytes is how large the parts are together.
func (l *letter) bytes() (n int64) {
	for _, p := range l.leafs {
		n += p.size
	}
	return n
}

// weight is how many bytes the parts of a message may bring.
func (l *letter) weight() (n int64) {
	for _, p := range l.leafs {
		n += min(p.fetch, p.size)
	}
	return n
}

// wanted returns what to ask for to get the parts: what each is, and as much of
// it as is needed.
func (l *letter) wanted() (sections []*imap.FetchItemBodySection) {
	for _, p := range l.leafs {
		if !p.alone {
			sections = append(sections, p.mime())
		}
		if p.fetch > 0 {
			sections = append(sections, p.body())
		}
	}
	return sections
}

func (p *leaf) mime() *imap.FetchItemBodySection {
	return &imap.FetchItemBodySection{Part: p.path, Specifier: imap.PartSpecifierMIME, Peek: true}
}

func (p *leaf) body() *imap.FetchItemBodySection {
	return &imap.FetchItemBodySection{Part: p.path, Peek: true, Partial: &imap.SectionPartial{Size: p.fetch}}
}

// assemble completes a letter with its parts.
func (l *letter) assemble(a *arrival) {
	l.complete(func() error { l.parts(a); return nil })
}

func (l *letter) parts(a *arrival) {
	for _, p := range l.leafs {
		header := l.m.header
		if !p.alone {
			header, _ = split(a.sections[sectionName(p.mime())])
		}
		kind, _ := mediaType(header.Get("Content-Type"))
		if p.fetch > 0 {
			l.m.leaf(header, kind, a.sections[sectionName(p.body())])
			continue
		}
		l.m.files = append(l.m.files, file{name: fileName(header), kind: kind, encoding: encodingOf(header), size: p.size})
	}
	for i := range l.m.files {
		l.m.files[i].hash()
	}
}
