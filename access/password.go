package access

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"dealtrail/trail"
)

// The cost of a password: argon2id with 19 MiB and two passes, the least that OWASP's
// cheat sheet on password storage names, about 30 ms.
const (
	argonMemory, argonPasses, argonLanes = 19 << 10, 2, 1
	saltBytes, hashBytes                 = 16, 32

	shortestPassword, longestPassword = 12, 256
)

// atOnce bounds how many passwords are hashed at the same time: each takes 19 MiB.
var atOnce = make(chan struct{}, 4)

// passwordHash returns what is kept of a password, in the format of PHC strings.
func passwordHash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	sum, err := argon(ctx, password, salt, argonMemory, argonPasses, argonLanes)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes, b64.EncodeToString(salt), b64.EncodeToString(sum)), err
}

func argon(ctx context.Context, password string, salt []byte, memory, passes uint32, lanes uint8) ([]byte, error) {
	select {
	case atOnce <- struct{}{}:
		defer func() { <-atOnce }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, passes, memory, lanes, hashBytes), nil
}

// noHash is the hash of no password. Who has none, or is not there, is compared with
// it, so that the answer takes as long as everybody's.
var noHash = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes,
	base64.RawStdEncoding.EncodeToString(make([]byte, saltBytes)), base64.RawStdEncoding.EncodeToString(make([]byte, hashBytes)))

// rightPassword compares a password with what is kept of one; "" is nobody's.
func rightPassword(ctx context.Context, kept, password string) (bool, error) {
	if len(password) > longestPassword {
		password = password[:longestPassword+1]
	}
	has := kept != ""
	if !has {
		kept = noHash
	}
	parts := strings.Split(kept, "$")
	var version, memory, passes uint32
	var lanes uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("a password is kept in a form that is not known")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &lanes); err != nil || version != argon2.Version {
		return false, fmt.Errorf("a password is kept in a form that is not known")
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, err
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, err
	}
	got, err := argon(ctx, password, salt, memory, passes, lanes)
	return err == nil && has && subtle.ConstantTimeCompare(got, want) == 1, err
}

// checkPassword refuses passwords that are guessed first. There are no rules on
// characters: length is what counts.
func checkPassword(password, email string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case n < shortestPassword:
		return trail.Problemf(trail.Invalid, "A password has %d characters at least; a few words that only you would put together are easy to keep.", shortestPassword)
	case len(password) > longestPassword:
		return trail.Problemf(trail.Invalid, "A password has %d bytes at most.", longestPassword)
	}
	plain := strings.ToLower(strings.Join(strings.Fields(password), ""))
	local, _, _ := strings.Cut(email, "@")
	for _, guess := range []string{local, trail.Domain(email), "dealtrail", "password", "passwort", "welcome"} {
		if rest := strings.ReplaceAll(plain, strings.ToLower(guess), ""); guess != "" && rest != plain && (len(rest) < 5 || repeats(rest)) {
			return trail.Problemf(trail.Invalid, "This password is among those that are guessed first. Choose one that has nothing to do with you or with dealtrail.")
		}
	}
	if usual[plain] || repeats(plain) {
		return trail.Problemf(trail.Invalid, "This password is among those that are guessed first. Choose another.")
	}
	return nil
}

// usual are the passwords of twelve characters and more that lists of leaked ones begin with.
var usual = func() map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(`123456789012 1234567890123 12345678910 123456789123 123456789abc 1234567890qw 1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc 1qazxsw23edc zaq12wsxcde3
		qwertyuiopas qwertyuiop[] qwertyuiop123 qwerty123456 qwertyuiop12 asdfghjkl123 asdfghjklzxc zxcvbnm12345 qazwsxedcrfv q1w2e3r4t5y6 abcdefghijkl abcdefgh1234 abcd12345678 abc123456789
		iloveyou1234 iloveyou12345 letmein12345 administrator admin1234567 changeme1234 trustno1trustno1 passw0rd1234 p@ssw0rd1234 p@ssword1234 passwordpassword superman1234 football1234
		basketball12 correcthorsebatterystaple unbelievable michaeljordan liverpool123 manchester12 summer202420 sommer2024123 winter202420 monkey123456 dragon123456 sunshine1234 princess1234`) {
		set[w] = true
	}
	return set
}()

// repeats reports whether a text is one short piece again and again, or counts on.
func repeats(s string) bool {
	b := []byte(s)
	for n := 1; n <= 4 && n < len(b); n++ {
		if bytes.Equal(b[n:], b[:len(b)-n]) {
			return true
		}
	}
	steps := 0
	for i := 1; i < len(b); i++ {
		if d := int(b[i]) - int(b[i-1]); d == 1 || d == -1 {
			steps++
		}
	}
	return steps >= len(b)-2
}

// SetPassword gives a person a password and ends their other sessions.
func (a *Access) SetPassword(ctx context.Context, email, password, session string) error {
	if err := checkPassword(password, email); err != nil {
		return err
	}
	hash, err := passwordHash(ctx, password)
	if err != nil {
		return err
	}
	_, err = a.change(ctx, email, func(p *account, _ []account, known bool) error {
		if !known {
			return noPerson(email)
		}
		p.Hash = hash
		return nil
	})
	if err != nil {
		return err
	}
	return a.EndSessions(ctx, email, session)
}

// ChangePassword is SetPassword for who knows the old one, or has none yet.
func (a *Access) ChangePassword(ctx context.Context, email, old, password, session string) error {
	p, known, err := a.account(ctx, email)
	if err != nil || !known {
		return err
	}
	if p.Hash != "" {
		if err := a.try(ctx, "account", email, accountTries); err != nil {
			return err
		}
		right, err := rightPassword(ctx, p.Hash, old)
		if err != nil {
			return err
		}
		if !right {
			return trail.Problemf(trail.Invalid, "That is not your password of today. If you forgot it, ask an admin for a sign-in link.")
		}
		a.forgive(ctx, "account", email)
	}
	return a.SetPassword(ctx, email, password, session)
}
