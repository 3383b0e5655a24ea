package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"dealtrail/api"
	"dealtrail/dashboards/browsertest"
	"dealtrail/trail/synth"
)

// TestDemoTourTicksItselfInTheBrowser starts the demo as a user does and goes
// through its four steps.
func TestDemoTourTicksItselfInTheBrowser(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	ctx, cancel := context.WithCancel(t.Context())
	var out syncBuffer
	done := make(chan error, 1)
	started := time.Now()
	go func() {
		done <- run(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--data", dir}, &out, &out)
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the demo ended with: %v", err)
		}
	}()
	var signIn string
	eventually(t, "the demo prints how to sign in", func() bool {
		signIn = regexp.MustCompile(`http://\S+/signin\?code=\S+`).FindString(out.String())
		return signIn != ""
	})
	if took := time.Since(started); took > 3*time.Minute { // a tenth of it where nothing else runs
		t.Errorf("the first page took %s", took)
	}
	base := signIn[:strings.Index(signIn, "/signin")]
	tab := browsertest.Open(t)
	done4 := func(n string) bool {
		text, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS("main")))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(text, n+" of 4 done")
	}
	reload := func(n string) func() bool {
		return func() bool {
			if err := chromedp.Do(tab, chromedp.Navigate(base+"/demo"), chromedp.WaitVisible(chromedp.CSS("main"))); err != nil {
				t.Fatal(err)
			}
			return done4(n)
		}
	}
	// goes waits for the page that an action leads to.
	goes := func(step string, action chromedp.Action[chromedp.Void]) {
		t.Helper()
		if _, err := chromedp.RunResponse(tab, action); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	press := func(form string) chromedp.Action[chromedp.Void] {
		return chromedp.Click(chromedp.CSS(`form[action="` + form + `"] button`))
	}
	goes("sign in", chromedp.Navigate(signIn))
	goes("sign in", press("/signin"))
	goes("tour", chromedp.Navigate(base+"/demo"))
	goes("send a mail", press("/demo/send"))
	eventually(t, "the mail is found in Sent", reload("1"))
	link, err := chromedp.Run(tab, chromedp.AttributeValue(chromedp.CSS(`a[href*="/c/"]`), "href"))
	if err != nil {
		t.Fatal(err)
	}
	goes("click its link", chromedp.Navigate(link.Value))
	eventually(t, "the click counts as a person's", reload("2"))
	goes("let a scanner follow it", press("/demo/scan"))
	eventually(t, "the scanner is discounted", reload("3"))
	if err := chromedp.Do(tab, chromedp.SetValue(chromedp.CSS(`form[action="/demo/guess"] select`), synth.Popular)); err != nil {
		t.Fatal(err)
	}
	goes("name the loved piece", press("/demo/guess"))
	eventually(t, "the loved piece is found", reload("4"))
	secrets, err := loadSecrets(secretsPath(filepath.Join(dir, "dealtrail.toml")))
	if err != nil {
		t.Fatal(err)
	}
	client, differ := &api.Client{URL: base, Key: secrets.AdminKey.Reveal()}, []string{}
	eventually(t, "pages and API say the same", func() bool {
		differ = pagesDiffer(t, tab, client)
		return len(differ) == 0 || time.Since(started) > 10*time.Minute
	})
	if len(differ) > 0 {
		t.Errorf("%d differences, such as %q", len(differ), differ[:min(len(differ), 10)])
	}
}

func TestDemoStopsWhenTheFirstRunIsComplete(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	for range 2 { // what an earlier demo left is replaced
		var out syncBuffer
		if err := run(t.Context(), []string{"demo", "--listen", "127.0.0.1:0", "--data", dir, "--exit"}, &out, &out); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		if !strings.Contains(out.String(), "First run complete") {
			t.Errorf("it printed:\n%s", out.String())
		}
	}
	own := filepath.Join(t.TempDir(), "own")
	if err := writeNew(filepath.Join(own, "precious"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"demo", "--data", own, "--exit"}, &bytes.Buffer{}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("a demo in somebody's folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(own, "precious")); err != nil {
		t.Error("the demo removed a file that is not its own")
	}
}
