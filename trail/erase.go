package trail

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// erasedMark begins the ContactID of somebody who was erased. No hash of an address
// begins so, as its alphabet has no such letter.
const erasedMark = "0"

// NewErased returns a ContactID that stands where somebody was who is erased: it is
// random, so it leads back to nobody, and counts stay as they were.
func NewErased() ContactID {
	var b [16]byte
	rand.Read(b[:])
	return ContactID(erasedMark + lower.EncodeToString(b[:])[:25])
}

// Erased reports whether the ContactID stands for somebody who was erased.
func (c ContactID) Erased() bool { return strings.HasPrefix(string(c), erasedMark) }

// Tombstone returns under which name it is remembered that a contact was erased: a
// keyed hash of its ContactID, so that the ContactID itself is nowhere any more, and
// whoever has the key can tell when the person comes again.
func (k ContactKey) Tombstone(c ContactID) string { return k.hash("tombstone", string(c)) }

// ErasedText stands in free text where it named somebody who was erased.
const ErasedText = "[erased]"

// NamesPattern returns a regular expression (RE2, also what ClickHouse reads) for text
// that names a person by address, or by a name of at least two words, in whatever case;
// single words would take words from others. What it finds is replaced by
// NamesReplacement. Names as HTML and XML write them are found too.
func NamesPattern(addresses, names []string) string {
	var forms []string
	add := func(s string) {
		for _, form := range []string{s, xmlText.Replace(s), htmlText.Replace(s)} {
			if q := regexp.QuoteMeta(form); !slices.Contains(forms, q) {
				forms = append(forms, q)
			}
		}
	}
	for _, a := range addresses {
		if a = NormalAddress(a); a != "" {
			add(a)
		}
	}
	for _, n := range names {
		if n = strings.Join(strings.Fields(n), " "); strings.Contains(n, " ") && len(n) >= 5 && strings.ContainsFunc(n, unicode.IsLetter) {
			add(n)
		}
	}
	if len(forms) == 0 {
		return ""
	}
	return `(?i)(^|[^0-9a-z_.%+\-])(?:` + strings.Join(forms, "|") + `)($|[^0-9a-z_\-])`
}

// NamesReplacement takes the place of what NamesPattern finds, with what stood around.
const NamesReplacement = "${1}" + ErasedText + "${2}"

// WithoutNames returns a function that puts NamesReplacement in the place of what a pattern
// of NamesPattern finds in text.
func WithoutNames(pattern string) func(string) string {
	names := regexp.MustCompile(pattern)
	return func(s string) string {
		for names.MatchString(s) { // neighbours share what stands between them
			next := names.ReplaceAllString(s, NamesReplacement)
			if next == s {
				break
			}
			s = next
		}
		return s
	}
}

var (
	xmlText  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;")
	htmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;", "+", "&#43;")
)

// Erasure is the report of one erasing. It names the person by their tombstone alone.
type Erasure struct {
	Tombstone string         `json:"tombstone"`         // keyed hash of the contact
	State     string         `json:"state"`             // under_way or complete
	Asked     time.Time      `json:"asked"`             // when it was begun
	Finished  time.Time      `json:"finished,omitzero"` // when nothing was left
	By        string         `json:"by,omitzero"`       // who asked; a program has no name
	Known     bool           `json:"known"`             // whether anything was kept of the person
	Removed   []ErasedFrom   `json:"removed"`           // where, and how much
	Mailed    []MailedReview `json:"mailed"`            // reviews that left by mail since the person was first known
	Left      []string       `json:"left"`              // what stays, and why, in sentences
	Waiting   string         `json:"waiting,omitzero"`  // why it is not complete yet
	Version   string         `json:"version,omitzero"`  // of the program
}

// States of an erasing.
const (
	ErasureUnderWay = "under_way"
	ErasureComplete = "complete"
)

// ErasedFrom is how much of a person was removed from one place.
type ErasedFrom struct {
	Where string `json:"where"` // "database: events", "redis: ...", "files: ..."
	What  string `json:"what"`  // in words
	N     uint64 `json:"n"`
}

// MailedReview is a review of a week that was mailed: it may have named the person,
// and nobody can take it back.
type MailedReview struct {
	Week string   `json:"week"`
	To   []string `json:"to"`
}

// SignedErasure is an Erasure with a signature of its JSON as it stands here, made
// with Ed25519 under a key that is derived from the installation's contact_key.
type SignedErasure struct {
	Report    json.RawMessage `json:"report"`
	PublicKey string          `json:"public_key"` // base64
	Signature string          `json:"signature"`  // base64, of the compact JSON of report
}

// reportKey derives the key that signs reports, by HKDF (RFC 5869) with SHA-256.
func (k ContactKey) reportKey() (ed25519.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, k, nil, "dealtrail erasure reports", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of reports: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// ReportKey returns the public key of reports, in base64.
func (k ContactKey) ReportKey() (string, error) {
	key, err := k.reportKey()
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey)), nil
}

// Sign signs a report.
func (k ContactKey) Sign(e Erasure) (SignedErasure, error) {
	key, err := k.reportKey()
	if err != nil {
		return SignedErasure{}, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return SignedErasure{}, err
	}
	public := key.Public().(ed25519.PublicKey)
	return SignedErasure{Report: text, PublicKey: base64.StdEncoding.EncodeToString(public), Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))}, nil
}

// Check reports whether the signature is of this report, and made by the key that is
// named. Whether that is the installation's is for the caller to compare.
func (s SignedErasure) Check() bool {
	public, err := base64.StdEncoding.DecodeString(s.PublicKey)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return false
	}
	signature, err := base64.StdEncoding.DecodeString(s.Signature)
	if err != nil {
		return false
	}
	var text bytes.Buffer
	if err := json.Compact(&text, s.Report); err != nil {
		return false
	}
	return ed25519.Verify(public, text.Bytes(), signature)
}

// Open returns the report.
func (s SignedErasure) Open() (e Erasure, err error) {
	return e, json.Unmarshal(s.Report, &e)
}
