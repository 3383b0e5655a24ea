package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"dealtrail/trail"
)

// Secrets is dealtrail.secrets.toml, which init writes beside the configuration
// for its owner's eyes only. Losing it cuts off old links and the names in the
// log, so it belongs into every backup.
type Secrets struct {
	TokenKeys  []string     `toml:"token_keys"`  // the first seals, all open
	ContactKey trail.Secret `toml:"contact_key"` // turns addresses into contact IDs
	AdminKey   trail.Secret `toml:"admin_key"`   // the API key of the commands on this machine
}

// Format keeps the keys out of whatever is printed: of TokenKeys nothing else does.
func (Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// LogValue keeps them out of logs.
func (Secrets) LogValue() slog.Value { return slog.StringValue("[redacted]") }

func secretsPath(configPath string) string {
	return filepath.Join(filepath.Dir(configPath), strings.TrimSuffix(filepath.Base(configPath), ".toml")+".secrets.toml")
}

func newSecrets() Secrets {
	return Secrets{
		TokenKeys:  []string{trail.NewKey('a')},
		ContactKey: trail.Secret(rand.Text() + rand.Text()),
		AdminKey:   trail.Secret("dt_" + rand.Text() + rand.Text()),
	}
}

func (s Secrets) text() []byte {
	return fmt.Appendf(nil, `# Keys of this installation. Keep this file private and keep a copy: without it old links die.

# Tokens of tracked links: the first key seals, all open. To rotate, put a new one in front.
token_keys = [%s]
# Turns addresses into the IDs under which people appear in the log. Never change it.
contact_key = %q
# The API key that the commands on this machine use.
admin_key = %q
`, quoted(s.TokenKeys), s.ContactKey.Reveal(), s.AdminKey.Reveal())
}

func loadSecrets(path string) (*Secrets, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s; restore it from a backup. (New keys would cut off every link that was sent; to start over, remove the configuration too and run: dealtrail init)", path)
	}
	if err != nil {
		return nil, err
	}
	var s Secrets
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, explainTOML(path, err)
	}
	missing := func(key, what string) error {
		return fmt.Errorf("%s: %s is missing; expected %s", path, key, what)
	}
	switch {
	case len(s.TokenKeys) == 0:
		return nil, missing("token_keys", "at least one key, as init writes it")
	case len(s.ContactKey) < 32:
		return nil, missing("contact_key", "at least 32 characters, as init writes it")
	case len(s.AdminKey) < 16:
		return nil, missing("admin_key", "at least 16 characters, as init writes it")
	}
	if _, err := trail.ParseKeys(s.TokenKeys...); err != nil {
		return nil, fmt.Errorf("%s: token_keys: %w", path, err)
	}
	return &s, nil
}

// readPassword reads a secret from a file, without the line end.
func readPassword(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("password_file: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
