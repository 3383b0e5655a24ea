package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// example is a request that docs/api.md shows, with its answer.
type example struct {
	script string
	kind   string // of the answer: json, csv, http; text for none
	status string
	answer string
	keep   [][2]string // variable, and the key of the answer that it is from
}

// examples reads the document: each block of shell has a block with its answer.
func examples(t *testing.T) (all []example) {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	part := regexp.MustCompile("(?s)```(\\w+) ?(\\d*)\n(.*?)\n?```|<!-- keep (\\w+)=(\\w+) -->")
	for _, m := range part.FindAllStringSubmatch(string(text), -1) {
		last := len(all) - 1
		switch {
		case m[1] == "sh":
			all = append(all, example{script: m[3]})
		case last < 0 || m[4] == "" && all[last].kind != "" || m[4] != "" && all[last].kind != "json":
			t.Fatalf("docs/api.md: %q belongs to no request", m[0])
		case m[4] != "":
			all[last].keep = append(all[last].keep, [2]string{m[4], m[5]})
		default:
			all[last].kind, all[last].status, all[last].answer = m[1], m[2], m[3]
			if m[2] == "" {
				all[last].status = "200"
			}
		}
	}
	return all
}

// TestTheExamplesOfTheAPIAreAnsweredAsShown runs each request of docs/api.md by curl against
// one server, in order, and has the commands that need one as well look at it.
func TestTheExamplesOfTheAPIAreAnsweredAsShown(t *testing.T) {
	t.Parallel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("twenty-four bytes, or so"))
	r := start(t, func(c *Config) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.path), "shop"), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.CRMs = map[string]CRM{"shop": {Type: "standard", SecretFile: "shop"}}
	})
	vars := append(os.Environ(), "URL="+r.api.URL, "KEY="+r.api.Key, "SECRET="+secret)
	all := examples(t)
	if len(all) < 20 {
		t.Fatalf("only %d examples could be read", len(all))
	}
	for i, e := range all {
		// Bash's own curl would say nothing of the status.
		bash := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", "curl() { command curl -S -w '\\n%{http_code}' \"$@\"; }\n"+e.script)
		bash.Env = vars
		var errs strings.Builder
		bash.Stderr = &errs
		out, err := bash.Output()
		if err != nil {
			t.Fatalf("example %d: %v\n%s\n%s", i+1, err, e.script, errs.String())
		}
		answer := string(out[:strings.LastIndexByte(string(out), '\n')])
		if status := string(out[len(answer)+1:]); status != e.status {
			t.Fatalf("%s\nis answered with %s, not %s:\n%s", e.script, status, e.status, answer)
		}
		if e.kind != "json" {
			for line := range strings.Lines(e.answer) {
				if !strings.Contains(answer, strings.TrimSpace(line)) {
					t.Errorf("%s\nis answered without %q:\n%s", e.script, line, answer)
				}
			}
			continue
		}
		var want, got any
		if err := json.Unmarshal([]byte(e.answer), &want); err != nil {
			t.Fatalf("the answer that is shown is not JSON: %v\n%s", err, e.answer)
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatalf("%s\nis answered with what is not JSON: %v\n%s", e.script, err, answer)
		}
		if why := shows(want, got); why != "" {
			t.Errorf("%s\nis not answered as shown: %s\n%s", e.script, why, answer)
		}
		for _, k := range e.keep {
			vars = append(vars, fmt.Sprintf("%s=%v", k[0], got.(map[string]any)[k[1]]))
		}
		if key, ok := got.(map[string]any)["key"].(string); ok {
			r.told.Write([]byte(key + " "))
		}
	}
	out, _ := r.try("doctor") // whether something keeps the clock of this machine is not our doing
	if !strings.Contains(out, "ok    server: version ") || !strings.Contains(out, "ok    public address: ") || !strings.Contains(out, "ok    crm: shop is not asked, it delivers") {
		t.Errorf("the doctor says:\n%s", out)
	}
}

// shows reports how an answer differs from what is shown of it: objects may have more keys,
// lists more rows, and … stands for anything.
func shows(want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%v is no object", got)
		}
		for key, value := range w {
			if _, ok := g[key]; !ok {
				return key + " is not there"
			}
			if why := shows(value, g[key]); why != "" {
				return key + ": " + why
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok {
			return fmt.Sprintf("%v is no list", got)
		}
		for i, value := range w {
			found, why := false, "the list is empty"
			for _, row := range g {
				if why = shows(value, row); why == "" {
					found = true
					break
				}
			}
			if !found {
				return fmt.Sprintf("row %d is not in the list (%s)", i+1, why)
			}
		}
	default:
		if want != "…" && want != got {
			return fmt.Sprintf("%v, not %v", got, want)
		}
	}
	return ""
}

// TestAnAnswerThatDiffersIsNoticed is the control of the comparison above.
func TestAnAnswerThatDiffersIsNoticed(t *testing.T) {
	t.Parallel()
	var got any
	if err := json.Unmarshal([]byte(`{"a": 1, "rows": [{"id": "x", "n": 2}, {"id": "y"}], "more": true}`), &got); err != nil {
		t.Fatal(err)
	}
	for text, same := range map[string]bool{
		`{"a": 1}`: true, `{"a": "…", "rows": [{"id": "y"}, {"id": "x", "n": 2}]}`: true, `{}`: true,
		`{"a": 2}`: false, `{"b": "…"}`: false, `{"rows": [{"id": "z"}]}`: false, `{"rows": [{"id": "y", "n": 2}]}`: false, `{"a": {}}`: false, `{"a": []}`: false,
	} {
		var want any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if why := shows(want, got); (why == "") != same {
			t.Errorf("%s: %q", text, why)
		}
	}
}
