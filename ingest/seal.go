package ingest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"dealtrail/trail"
)

// Secret is a password or a refresh token.
type Secret = trail.Secret

// Sealer encrypts short texts for this installation alone, with AES-256-GCM.
// What is sealed for one purpose, or bound to one thing, opens for no other.
type Sealer struct{ aead cipher.AEAD }

// NewSealer derives the key of a purpose from the contact key, by HKDF (RFC 5869)
// with SHA-256.
func NewSealer(key trail.ContactKey, purpose string) (*Sealer, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "dealtrail "+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s: %w", purpose, err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s: %w", purpose, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s: %w", purpose, err)
	}
	return &Sealer{aead}, nil
}

// Seal encrypts a text and binds it to parts, none of which holds a zero byte.
// The result may stand in a URL.
func (s *Sealer) Seal(text string, bound ...string) string {
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, []byte(text), additional(bound)))
}

// Open returns the text that was sealed with the same parts; false if it was not
// sealed here, or with others.
func (s *Sealer) Open(sealed string, bound ...string) (text string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", false
	}
	plain, err := s.aead.Open(nil, nil, b, additional(bound))
	return string(plain), err == nil
}

func additional(parts []string) []byte { return []byte(strings.Join(parts, "\x00")) }
