package trail

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// ID names one event. It is shaped like a ULID: 48 bits of the fact's own time
// in milliseconds since 1970, then 80 bits that tell facts of that millisecond
// apart. Order by ID is order by time. The zero ID is no event's.
type ID [16]byte

// NewID returns the ID of a fact that happens here, once: a click. Its last 80
// bits are random.
func NewID(at time.Time) ID {
	id := idAt(at)
	rand.Read(id[6:])
	return id
}

// IDFrom returns the ID of a fact that is read elsewhere and may be read again:
// the same source, key and time give the same ID. The time must be a function
// of the fact (a mail's Date, a stage's date), never of when or where it was
// read; pass the zero time when the fact has none.
func IDFrom(at time.Time, source string, key ...string) ID {
	h := sha256.New()
	for _, part := range append([]string{source}, key...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:]) // lengths keep ("ab","c") and ("a","bc") apart
		h.Write([]byte(part))
	}
	id := idAt(at)
	copy(id[6:], h.Sum(nil))
	return id
}

// idAt returns an ID with only its time set. Times before 1970 count as none:
// 48 bits hold no negative number.
func idAt(at time.Time) (id ID) {
	if ms := at.UnixMilli(); !at.IsZero() && ms > 0 {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(ms))
		copy(id[:6], b[2:])
	}
	return id
}

// Time returns the fact's own time as the ID carries it, in UTC, or the zero
// time if the fact has none.
func (id ID) Time() time.Time {
	var b [8]byte
	copy(b[2:], id[:6])
	ms := int64(binary.BigEndian.Uint64(b[:]))
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// IsZero reports whether the ID is unset.
func (id ID) IsZero() bool { return id == ID{} }

// crockford is the alphabet of ULIDs: no I, L, O or U, so that an ID survives
// being read aloud.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// String returns the 26 characters of a ULID.
func (id ID) String() string {
	hi, lo := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	var s [26]byte
	for i := len(s) - 1; i >= 0; i-- {
		s[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(s[:])
}

// ParseID reads the 26 characters that String writes, in either case.
func ParseID(s string) (id ID, err error) {
	if len(s) != 26 || s[0] > '7' {
		return id, fmt.Errorf("event ID %q: want the 26 characters of a ULID", s)
	}
	var hi, lo uint64
	for i := range len(s) { // bytes: upper case of some other letters is ASCII ("ſ" is "S")
		c := s[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		v := strings.IndexByte(crockford, c)
		if v < 0 {
			return id, fmt.Errorf("event ID %q: character %d is not in the alphabet of a ULID", s, i+1)
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	binary.BigEndian.PutUint64(id[:8], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id, nil
}

// MarshalText writes the 26 characters of a ULID.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}
