package trail

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Note is what a rep learned: what worked with a content, perhaps in one deal.
type Note struct {
	ID      ID        `json:"id"`
	At      time.Time `json:"at"`
	Rep     string    `json:"rep"`
	Text    string    `json:"text"`
	Content ContentID `json:"content"`
	Title   string    `json:"title"` // of the content by now
	Deal    string    `json:"deal,omitzero"`
	Votes   int       `json:"votes"`  // people who find it useful
	Voters  []string  `json:"voters"` // who they are

	Voted time.Time `json:"-"` // when somebody voted last, or took a vote back
}

// Vote is a person's word that a note is useful, or is not after all. Of several of
// one person on one note the last counts.
type Vote struct {
	Note ID     `json:"note"`
	By   string `json:"by"`
	Not  bool   `json:"not"` // it is taken back
}

// Event returns the event that notes, and the note as it was understood.
func (n Note) Event(source string, now time.Time) (Event, Note, error) {
	var err error
	if n.Rep, err = colleague(n.Rep, "Say whose note it is: the address of a rep, such as anna@example.com."); err != nil {
		return Event{}, n, err
	}
	if n.Text, err = text(n.Text, "Say what worked, and for whom."); err != nil {
		return Event{}, n, err
	}
	if n.Deal, err = dealID(n.Deal); err != nil {
		return Event{}, n, err
	}
	if n.Content = strings.TrimSpace(n.Content); n.Content == "" {
		return Event{}, n, Problemf(Invalid, "Say which content the note is about.")
	}
	n.At, n.Voters = now.UTC().Truncate(time.Millisecond), []string{}
	n.ID = NewID(n.At)
	return Event{ID: n.ID, Kind: Noted, Source: source, At: n.At, ReceivedAt: n.At, Rep: n.Rep, Content: n.Content, Deal: n.Deal, Note: n.Text}, n, nil
}

// Event returns the event of a vote on a note, later than all votes before it,
// whatever the clock says.
func (v Vote) Event(n Note, source string, now time.Time) (Event, error) {
	by, err := colleague(v.By, "Say whose vote it is: an address, such as anna@example.com.")
	if err != nil {
		return Event{}, err
	}
	at := after(now.UTC().Truncate(time.Millisecond), n.Voted)
	attrs := map[string]string{"note": n.ID.String()}
	if v.Not {
		attrs["not"] = "yes"
	}
	return Event{ID: NewID(at), Kind: Voted, Source: source, At: at, ReceivedAt: at, Rep: by, Attrs: attrs}, nil
}

// Has reports whether every word of a search is found somewhere in a note.
func (n Note) Has(search string) bool {
	return hasWords(search, n.Text, n.Rep, n.Content, n.Title, n.Deal)
}

// hasWords reports whether every word of a search is found somewhere, in whatever
// case.
func hasWords(search string, where ...string) bool {
	all := strings.ToLower(strings.Join(where, "\n"))
	for _, word := range strings.Fields(strings.ToLower(search)) {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}

// after returns a time that is later than the one before.
func after(at, before time.Time) time.Time {
	if !before.IsZero() && !at.After(before) {
		return before.Add(time.Millisecond)
	}
	return at
}

// colleague returns the address of somebody on our side as events have it.
func colleague(address, missing string) (string, error) {
	clean := NormalAddress(strings.TrimSpace(address))
	at := strings.LastIndexByte(clean, '@')
	switch {
	case clean == "" && missing != "":
		return "", Problemf(Invalid, "%s", missing)
	case at < 1 || at == len(clean)-1 || strings.ContainsAny(clean, " \t\r\n<>\x00") || len(clean) > maxWords:
		return "", Problemf(Invalid, "%q is not an address; write it as anna@example.com.", address)
	}
	return clean, nil
}

// text returns what a person wrote, with lines as we keep them.
func text(written, missing string) (string, error) {
	clean := strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(strings.ToValidUTF8(written, "\uFFFD")))
	switch n := utf8.RuneCountInString(clean); {
	case n == 0:
		return "", Problemf(Invalid, "%s", missing)
	case n > MaxText:
		return "", Problemf(Invalid, "The text has %d characters; at most %d are kept. Shorten it, or put the long version where a link can lead.", n, MaxText)
	}
	return clean, nil
}

// oneLine returns a name without line breaks and double spaces.
func oneLine(written, name string) (string, error) {
	clean := strings.Join(strings.Fields(strings.ToValidUTF8(written, "")), " ")
	if n := utf8.RuneCountInString(clean); n > maxWords {
		return "", Problemf(Invalid, "The %s has %d characters; at most %d are allowed.", name, n, maxWords)
	}
	return clean, nil
}

// dealID returns the CRM's ID of a deal as it is, without spaces around it.
func dealID(written string) (string, error) {
	id := strings.TrimSpace(written)
	if len(id) > maxWords || !utf8.ValidString(id) {
		return "", Problemf(Invalid, "There is no deal with such an ID; copy it from the deal's page.")
	}
	return id, nil
}
