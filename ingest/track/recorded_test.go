package track

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Verdicts come from the requests alone: not from the names of cases, from what
// somebody expected or noted, or from the versions of browsers of one month.
func TestVerdictsDependOnTheRequestsAlone(t *testing.T) {
	b, err := os.ReadFile("testdata/agents.json")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	stripped, err := json.Marshal(map[string]any{"cases": strip(file["public"])})
	if err != nil {
		t.Fatal(err)
	}
	newer := regexp.MustCompile(`(Chrome|Firefox|Thunderbird|Version|OPR|Edg|rv:)([/:]?)(1[0-9][0-9]|18)\.`).ReplaceAllStringFunc(string(stripped), func(s string) string {
		i := strings.IndexAny(s, "0123456789")
		n, _ := strconv.Atoi(strings.TrimSuffix(s[i:], "."))
		return s[:i] + strconv.Itoa(n+7) + "."
	})
	if newer == string(stripped) {
		t.Fatal("no version was changed")
	}
	want, err := JudgeRecorded(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"stripped": string(stripped), "newer browsers": newer} {
		got, err := JudgeRecorded(strings.NewReader(text))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %d verdicts, %v", name, len(got), err)
		}
		for i, w := range want {
			if g := got[i]; g.Verdict != w.Verdict || g.Countable != w.Countable || g.Probability != w.Probability || strings.Join(g.Rules, " ") != strings.Join(w.Rules, " ") {
				t.Errorf("%s: %s %d is %+v, before %+v", name, w.ID, w.Index, g, w)
			}
		}
	}
}

// strip takes out of cases what a request does not have.
func strip(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	case map[string]any:
		for _, name := range []string{"id", "expected", "note", "confidence", "source", "type", "optional"} {
			delete(v, name)
		}
		for k := range v {
			v[k] = strip(v[k])
		}
	}
	return v
}
