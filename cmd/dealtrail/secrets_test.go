package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"

	"dealtrail/trail"
)

// noSecrets fails the test if the server's log holds a secret: every test that runs a whole
// program looks, whatever it is about.
func (r *running) noSecrets() {
	r.t.Helper()
	for _, found := range secretsIn(r.log.String(), append(r.heard(), secretsOf(r.program)...)) {
		r.t.Errorf("the log holds a secret %s", found)
	}
}

// secretsIn says which secrets a log holds, and how, without telling them. That it finds
// what is there TestASecretThatIsLoggedIsFound proves.
func secretsIn(log string, secrets []string) (found []string) {
	for _, secret := range secrets {
		for how, text := range map[string]string{
			"as it is": secret, "in base64": base64.StdEncoding.EncodeToString([]byte(secret)), "in hex": hex.EncodeToString([]byte(secret)), "in an address": url.QueryEscape(secret),
		} {
			if strings.Contains(log, text) {
				found = append(found, fmt.Sprintf("%s: %.4s...", how, secret))
			}
		}
	}
	return found
}

// heard are the secrets that this test got to know besides those of the configuration.
func (r *running) heard() []string {
	r.told.mu.Lock()
	defer r.told.mu.Unlock()
	return strings.Fields(r.told.b.String())
}

// secretsOf are all secrets of an installation: its keys, and what the configuration
// holds or names files for. Words too short to be told from others are left out.
func secretsOf(p *program) (all []string) {
	all = []string{p.secrets.AdminKey.Reveal(), p.secrets.ContactKey.Reveal()}
	for _, k := range p.secrets.TokenKeys {
		_, key, _ := strings.Cut(k, ":")
		all = append(all, key)
	}
	var walk func(v reflect.Value, name string)
	walk = func(v reflect.Value, name string) {
		switch s := v.Interface().(type) {
		case trail.Secret:
			all = append(all, s.Reveal())
			return
		case string:
			if strings.HasSuffix(name, "File") && s != "" {
				text, _ := os.ReadFile(p.config.beside(s)) // one that is gone has nothing to tell
				all = append(all, strings.Fields(string(text))...)
			}
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					walk(v.Field(i), f.Name)
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), name)
			}
		case reflect.Map:
			for _, key := range v.MapKeys() {
				walk(v.MapIndex(key), name)
			}
		}
	}
	walk(reflect.ValueOf(*p.config), "")
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < 12 })
}
