package trail_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"dealtrail/trail"
)

const keyA, keyB = "a:aaaabbbbccccddddeeeeffffgggghhhh", "b:22223333444455556666777722223333"

func ring(t testing.TB, keys ...string) *trail.Keyring {
	t.Helper()
	r, err := trail.ParseKeys(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTokenRoundTrip(t *testing.T) {
	r := ring(t, keyA)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var content trail.ContentKey
		for i := range content {
			content[i] = byte(rng.Uint32())
		}
		share := trail.NewShareID()
		token := r.Seal(content, share)
		if len(token) != trail.TokenLength || strings.Trim(token, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("token %q is not %d characters of base32", token, trail.TokenLength)
		}
		for _, text := range []string{token, strings.ToUpper(token), strings.ToUpper(token[:9]) + token[9:]} {
			c, s, err := r.Open(text)
			if err != nil || c != content || s != share {
				t.Fatalf("Open(%q) = %v, %v, %v, want %v, %v", text, c, s, err, content, share)
			}
		}
	}
}

// A share link has to survive mail programs that wrap at 72 characters, and the
// token tells nothing: two shares of one content look unrelated.
func TestTokenIsShortAndOpaque(t *testing.T) {
	r, content := ring(t, keyA), trail.KeyOf("roi-calculator")
	a, b := r.Seal(content, trail.NewShareID()), r.Seal(content, trail.NewShareID())
	for _, url := range []string{"https://go.example.com/c/" + a, "https://go.example.com/o/" + a + ".gif"} {
		if len(url) > 70 {
			t.Errorf("%d characters: %s", len(url), url)
		}
	}
	same := 0
	for i := 1; i < len(a); i++ {
		if a[i] == b[i] {
			same++
		}
	}
	if same > 12 {
		t.Errorf("%q and %q have %d characters in common", a, b, same)
	}
}

func TestAnyChangedCharacterOfATokenIsRefused(t *testing.T) {
	r := ring(t, keyA, keyB)
	token := r.Seal(trail.KeyOf("roi-calculator"), "abcdefghia")
	for i := range token {
		for c := range 256 {
			if c == int(token[i]) || strings.EqualFold(string(rune(c)), token[i:i+1]) && c < 0x80 {
				continue
			}
			changed := token[:i] + string([]byte{byte(c)}) + token[i+1:]
			if _, _, err := r.Open(changed); !errors.Is(err, trail.ErrToken) {
				t.Errorf("%q opens with character %d changed to %q: %v", token, i, byte(c), err)
			}
		}
	}
}

// The last character of 26 holds two bits more than a block has: only one of the
// four texts that decode to the block is the token.
func TestTrailingBitsOfATokenAreRefused(t *testing.T) {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	r := ring(t, keyA)
	for range 100 {
		token := r.Seal(trail.KeyOf("x"), trail.NewShareID())
		last := strings.IndexByte(alphabet, token[26])
		if last&3 != 0 {
			t.Fatalf("last character of %q has trailing bits", token)
		}
		for extra := 1; extra < 4; extra++ {
			if _, _, err := r.Open(token[:26] + alphabet[last+extra:last+extra+1]); err == nil {
				t.Errorf("%q opens with trailing bits %d", token, extra)
			}
		}
	}
}

func TestDamagedTokensAreRefused(t *testing.T) {
	r := ring(t, keyA)
	token := r.Seal(trail.KeyOf("x"), trail.NewShareID())
	for _, s := range []string{
		"", "a", token[:26], token + "a", token + ".", " " + token, token[1:], strings.Repeat("a", 27), strings.Repeat("=", 27),
		token[:13] + "\n" + token[13:], token[:25] + "\r\n", token[:13] + "\n" + token[14:], token[:24] + "K", token[:25] + "é",
		strings.Repeat("\xff", 27), "a" + strings.Repeat("=", 26), token[:20] + "=======",
	} {
		if _, _, err := r.Open(s); !errors.Is(err, trail.ErrToken) {
			t.Errorf("Open(%q): %v, want ErrToken", s, err)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	content, share := trail.KeyOf("x"), trail.NewShareID()
	old, rotated, fresh := ring(t, keyA), ring(t, keyB, keyA), ring(t, keyB)
	before, after := old.Seal(content, share), rotated.Seal(content, share)
	if before[0] != 'a' || after[0] != 'b' || before[1:] == after[1:] {
		t.Fatalf("tokens %q and %q", before, after)
	}
	for _, token := range []string{before, after} {
		if c, s, err := rotated.Open(token); err != nil || c != content || s != share {
			t.Errorf("the new ring opens %q as %v, %v, %v", token, c, s, err)
		}
	}
	if _, _, err := fresh.Open(before); err == nil {
		t.Error("a ring without the old key opens an old token")
	}
	if _, _, err := old.Open(after); err == nil {
		t.Error("a ring without the new key opens a new token")
	}
	if _, _, err := rotated.Open("b" + before[1:]); err == nil {
		t.Error("a token under another key's name opens")
	}
	other := ring(t, "a:zzzzyyyyxxxxwwwwvvvvuuuuttttssss")
	if _, _, err := other.Open(before); err == nil {
		t.Error("another company's key of the same name opens our token")
	}
}

func TestParseKeysSaysWhatIsWrong(t *testing.T) {
	for _, keys := range [][]string{
		{}, {""}, {"a"}, {"a:short"}, {"A" + keyA[1:]}, {"1" + keyA[1:]}, {"ab" + keyA[1:]}, {":" + keyA[2:]}, {keyA, keyA}, {keyB, "oops"},
	} {
		if _, err := trail.ParseKeys(keys...); err == nil {
			t.Errorf("ParseKeys(%q) takes it", keys)
		} else if len(keys) > 0 && len(keys[0]) > 10 && strings.Contains(err.Error(), keys[0][5:]) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	if _, err := trail.ParseKeys(trail.NewKey('a'), trail.NewKey('7')); err != nil {
		t.Errorf("fresh keys: %v", err)
	}
	//lint:ignore SA4000 each call makes another
	if trail.NewKey('a') == trail.NewKey('a') {
		t.Error("two fresh keys are equal")
	}
}

func TestSealRefusesAShareThatIsNotOurs(t *testing.T) {
	r := ring(t, keyA)
	for _, share := range []trail.ShareID{"", "abc", "ABCDEFGHIJ", "abcdefgh==", "abcdefghib", "abcde\nfghia", "abcdefghijklmnop"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Seal takes share %q", share)
				}
			}()
			r.Seal(trail.ContentKey{}, share)
		}()
	}
}

func FuzzOpen(f *testing.F) {
	r := ring(f, keyA, keyB)
	token := r.Seal(trail.KeyOf("x"), "aaaaaaaaaa")
	f.Add(token, 0, byte(1))
	f.Add(token, 26, byte(2))
	f.Add(strings.ToUpper(token), 13, byte(32))
	f.Add("", 0, byte(0))
	f.Fuzz(func(t *testing.T, text string, i int, flip byte) {
		content, share, err := r.Open(text)
		if err != nil {
			return
		}
		// What opens is the one token of what it holds: sealing it under the same key gives it back.
		key := keyA
		if strings.ToLower(text[:1]) == "b" {
			key = keyB
		}
		if back := ring(t, key).Seal(content, share); back != strings.ToLower(text) {
			t.Errorf("%q opens and seals to %q", text, back)
		}
		b := []byte(text)
		b[((i%len(b))+len(b))%len(b)] ^= flip
		if strings.EqualFold(string(b), text) {
			return
		}
		if _, _, err := r.Open(string(b)); err == nil {
			t.Errorf("%q and %q both open", text, b)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := ring(b, keyA)
	token := r.Seal(trail.KeyOf("x"), trail.NewShareID())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.Open(token); err != nil {
			b.Fatal(err)
		}
	}
}
