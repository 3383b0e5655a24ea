package trail_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"dealtrail/trail"
)

func TestASecretIsPrintedNowhere(t *testing.T) {
	const canary = "canary-7Q"
	s := struct {
		Key  trail.Secret
		Keys []trail.Secret
		Of   map[string]trail.Secret
	}{canary, []trail.Secret{canary}, map[string]trail.Secret{"a": canary}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "secret", s.Key, "all", s)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "secret", s.Key, "all", s)
	if err := json.NewEncoder(&out).Encode(s); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) || strings.Count(out.String(), "[redacted]") < 20 {
		t.Errorf("printed: %s", &out)
	}
	if s.Key.Reveal() != canary {
		t.Error("the secret is lost")
	}
}
