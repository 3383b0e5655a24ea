package trail

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
)

// ShareID names one share: 48 random bits as 10 characters.
type ShareID string

// NewShareID returns a share ID that nobody has seen before.
func NewShareID() ShareID {
	var b [6]byte
	rand.Read(b[:])
	return ShareID(lower.EncodeToString(b[:]))
}

// ContentKey is the 40 bits of a content's ID that fit into a token.
type ContentKey [5]byte

// KeyOf returns the 40 bits of a content's ID. Two contents can collide (one
// chance in 20 million among 10,000 contents); registration refuses the second.
func KeyOf(content ContentID) (k ContentKey) {
	sum := sha256.Sum256([]byte(content))
	copy(k[:], sum[:])
	return k
}

// String returns the 8 characters of the key.
func (k ContentKey) String() string { return lower.EncodeToString(k[:]) }

// TokenLength is the length of every token: a key character and one AES block
// in base32, 1 + 26.
const TokenLength = 27

// ErrToken is returned for a token that we did not make or that was changed.
var ErrToken = errors.New("token is not one of ours")

// Keyring seals tokens under its first key and opens them under any: old links
// live for years, so keys are added in front and seldom removed.
type Keyring struct {
	first byte
	keys  map[byte]cipher.Block
}

// ParseKeys reads keys as init writes them: each is a name of one character
// from a-z or 2-7, a colon, and 32 characters of base32 or more, of which the
// hash is the AES-256 key.
func ParseKeys(keys ...string) (*Keyring, error) {
	ring := &Keyring{keys: map[byte]cipher.Block{}}
	for i, text := range keys {
		name, secret, ok := strings.Cut(text, ":")
		if !ok || len(name) != 1 || !strings.Contains("abcdefghijklmnopqrstuvwxyz234567", name) || len(secret) < 32 {
			return nil, fmt.Errorf("token key %d: want one character of a-z or 2-7, a colon and at least 32 characters of secret", i+1)
		}
		if ring.keys[name[0]] != nil {
			return nil, fmt.Errorf("token key %d: another key is named %q already", i+1, name)
		}
		sum := sha256.Sum256([]byte("dealtrail token\x00" + secret))
		block, err := aes.NewCipher(sum[:])
		if err != nil {
			return nil, err
		}
		ring.keys[name[0]] = block
		if i == 0 {
			ring.first = name[0]
		}
	}
	if len(ring.keys) == 0 {
		return nil, errors.New("token keys: at least one is needed")
	}
	return ring, nil
}

// NewKey returns a fresh key under a name of one character.
func NewKey(name byte) string {
	var b [20]byte
	rand.Read(b[:])
	return string(name) + ":" + lower.EncodeToString(b[:])
}

// Seal returns the token of one share of one content: the key's name, then one
// AES block of 40 bits content, 48 bits share and 40 zero bits. The zeros are
// the check: a changed character decrypts to noise, which has them once in
// 2^40 tries.
func (r *Keyring) Seal(content ContentKey, share ShareID) string {
	var block [aes.BlockSize]byte
	copy(block[:5], content[:])
	b, err := lower.DecodeString(string(share))
	if err != nil || len(b) != 6 || lower.EncodeToString(b) != string(share) {
		panic("trail: share ID " + string(share) + " was not made by NewShareID")
	}
	copy(block[5:11], b)
	r.keys[r.first].Encrypt(block[:], block[:])
	return string(r.first) + lower.EncodeToString(block[:])
}

// Open returns what Seal put in, or ErrToken. Upper case is accepted, because
// some mail programs shout; every other change is refused.
func (r *Keyring) Open(token string) (ContentKey, ShareID, error) {
	var content ContentKey
	if len(token) != TokenLength {
		return content, "", ErrToken
	}
	token = strings.ToLower(token)
	key := r.keys[token[0]]
	block, err := lower.DecodeString(token[1:])
	// 26 characters hold 130 bits: the last two must be zero, or four texts
	// would be one token.
	if key == nil || err != nil || len(block) != aes.BlockSize || lower.EncodeToString(block) != token[1:] {
		return content, "", ErrToken
	}
	key.Decrypt(block, block)
	if subtle.ConstantTimeCompare(block[11:], make([]byte, 5)) != 1 {
		return content, "", ErrToken
	}
	copy(content[:], block)
	return content, ShareID(lower.EncodeToString(block[5:11])), nil
}
