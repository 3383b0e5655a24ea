package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"dealtrail/trail"
)

// TestASecretThatIsLoggedIsFound is the control of the search that every whole-program test
// makes in its log: each secret of an installation, written as a mistake would write it, is
// found by it, in both forms of the log, and a log without mistakes is clean.
func TestASecretThatIsLoggedIsFound(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "")
	c := defaults()
	c.path = path
	for _, name := range []string{"smtp", "oidc", "chat", "token", "box", "provider"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte("canary of+"+name+"/=secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.SMTP.PasswordFile, c.OIDC.ClientSecretFile, c.Chats = "smtp", "oidc", []Chat{{URLFile: "chat"}}
	c.CRMs = map[string]CRM{"hubspot": {TokenFile: "token"}}
	c.Boxes, c.Providers = []Mailbox{{PasswordFile: "box"}}, []Provider{{ClientSecretFile: "provider"}}
	secrets, err := loadSecrets(secretsPath(path))
	if err != nil {
		t.Fatal(err)
	}
	all := secretsOf(&program{config: c, secrets: secrets})
	if len(all) < 9 {
		t.Fatalf("only %d secrets are looked for", len(all))
	}
	for _, format := range []string{"text", "json"} {
		c.Log.Format = format
		for _, secret := range all {
			for name, log := range map[string]func(*bytes.Buffer){
				"as an attribute": func(b *bytes.Buffer) { c.logger(b).Info("signed in", "password", secret) },
				"in an error":     func(b *bytes.Buffer) { c.logger(b).Warn("failed", "err", errors.New("dial: "+secret+": refused")) },
				"in an address":   func(b *bytes.Buffer) { c.logger(b).Info("asked", "url", "https://x.test/?k="+url.QueryEscape(secret)) },
				"in base64": func(b *bytes.Buffer) {
					c.logger(b).Info("asked", "authorization", base64.StdEncoding.EncodeToString([]byte(secret)))
				},
				"in hex": func(b *bytes.Buffer) { c.logger(b).Info("asked", "body", hex.EncodeToString([]byte(secret))) },
			} {
				var b bytes.Buffer
				log(&b)
				if len(secretsIn(b.String(), all)) == 0 {
					t.Errorf("%s, %s: not found in %s", format, name, b.String())
				}
			}
			var b bytes.Buffer
			c.logger(&b).Info("signed in", "password", trail.Secret(secret), "secrets", secrets)
			if found := secretsIn(b.String(), all); len(found) > 0 {
				t.Errorf("%s: %q is in %s", format, found, b.String())
			}
		}
	}
}
