package trail_test

import (
	"encoding/base32"
	"errors"
	"strings"
	"testing"

	"dealtrail/trail"
)

func FuzzSealedTokensOpenAndAlteredOnesDoNot(f *testing.F) {
	rings := []*trail.Keyring{ring(f, keyA, keyB), ring(f, keyB, keyA)}
	f.Add([]byte("deck1share1"), false, 0, byte('a'))
	f.Add(make([]byte, 11), true, 26, byte('7'))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), false, 13, byte('=')) // every bit set
	f.Fuzz(func(t *testing.T, bits []byte, second bool, i int, c byte) {
		if len(bits) != 11 {
			return
		}
		sealing, opening := rings[0], rings[1]
		if second {
			sealing, opening = opening, sealing
		}
		content := trail.ContentKey(bits[:5])
		share := trail.ShareID(strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(bits[5:])))
		token := sealing.Seal(content, share)
		for _, text := range []string{token, strings.ToUpper(token)} {
			if gotContent, gotShare, err := opening.Open(text); err != nil || gotContent != content || gotShare != share {
				t.Errorf("Open(Seal(%v, %s)) = %v, %s, %v", content, share, gotContent, gotShare, err)
			}
		}
		i = ((i % len(token)) + len(token)) % len(token)
		for _, altered := range []string{
			token[:i] + string([]byte{c}) + token[i+1:], // replaced
			token[:i] + string([]byte{c}) + token[i:],   // lengthened
			token[:i] + token[i+1:],                     // shortened
			token[i:] + token[:i],                       // turned
		} {
			if strings.EqualFold(altered, token) && len(altered) == len(token) {
				continue
			}
			if _, _, err := opening.Open(altered); !errors.Is(err, trail.ErrToken) {
				t.Errorf("%q opens, altered from %q", altered, token)
			}
		}
	})
}
