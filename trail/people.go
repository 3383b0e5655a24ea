package trail

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// ContactID names a person on the customer's side in the log: a keyed hash of
// the address, 26 characters. Without the key nobody can go back to the address
// or test a guess.
type ContactID string

// lower is the alphabet of everything that must survive mail, URLs and people:
// base32 in lower case without padding.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ContactKey is the secret under which addresses become ContactIDs. Changing it
// cuts the log off from the people in it, so it is made once, by init.
type ContactKey []byte

// ID returns the contact of an address. Case and surrounding space do not
// matter; everything else of the address does.
func (k ContactKey) ID(address string) ContactID {
	return ContactID(k.hash("contact", NormalAddress(address)))
}

// MessageHash returns the name of a mail in the log, from its Message-ID with or
// without the angle brackets: Message-IDs carry host and sometimes user names.
func (k ContactKey) MessageHash(messageID string) string {
	return k.hash("message", strings.Trim(strings.TrimSpace(messageID), "<>"))
}

// PermanentShare returns the share of a rep's link to a content that is for
// nobody in particular: always the same, so that a link made again is the link
// that was made before. Nobody without the key can tell whose it is.
func (k ContactKey) PermanentShare(rep string, content ContentID) ShareID {
	return ShareID(lower.EncodeToString(k.sum("permanent", NormalAddress(rep), content)[:6]))
}

func (k ContactKey) hash(what, s string) string {
	return lower.EncodeToString(k.sum(what, s)[:16])
}

// sum is the keyed hash of parts, none of which holds a zero byte: neither an
// address nor a content's ID may.
func (k ContactKey) sum(parts ...string) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(strings.Join(parts, "\x00")))
	return h.Sum(nil)
}

// NormalAddress returns the form of an address that is compared and hashed:
// trimmed, in lower case.
func NormalAddress(address string) string {
	return strings.ToLower(strings.TrimSpace(address))
}

// Domain returns what stands after the last @ of an address, in lower case, or
// "" if nothing does.
func Domain(address string) string {
	_, domain, _ := cutLast(NormalAddress(address), "@")
	return strings.Trim(domain, ".")
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
