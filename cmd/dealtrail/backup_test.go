package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"dealtrail/trail"
)

// A backup that is taken while everything goes on, restored into an empty folder, gives
// the reports of before, and its events are counted once; who was erased after it was
// taken stays erased.
func TestABackupTakenUnderLoadGivesEqualReports(t *testing.T) {
	t.Parallel()
	r := startOn(t, writeConfig(t, ""), func(c *Config) { c.Attribution.Every = Duration(24 * time.Hour) })
	r.register("CASE-1", "https://www.example.com/case")
	now := time.Now().UTC()
	r.command("import", "contacts", r.file("contacts.csv", "email,name,account,status\nvera@buyer.test,Vera Vandermeer,Buyer Ltd,Lead\nother@buyer.test,Otto Other,Buyer Ltd,Lead\n"))
	r.command("import", "deals", r.file("deals.csv", "id,name,account,domain,amount,currency,stage,status,owner,created_at,closed_at,contacts\n"+
		"D-1,For Vera Vandermeer,Buyer Ltd,buyer.test,10.00,EUR,Won,won,rita@ours.test,"+now.Add(-80*time.Hour).Format(time.RFC3339)+","+now.Format(time.RFC3339)+",vera@buyer.test;other@buyer.test\n"))
	r.command("import", "touches", r.file("touches.csv", "at,kind,content,contact,deal,rep,agent\n"+now.Add(-70*time.Hour).Format(time.RFC3339)+",viewed,CASE-1,vera@buyer.test,D-1,rita@ours.test,\n"))
	link := r.linkTo("CASE-1", "vera@buyer.test").URL
	r.command("attribute")
	r.settle()
	asked := ask1[struct{ Run string }](r, "/v1/attribution").Run

	stop, load := make(chan struct{}), sync.WaitGroup{}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	clicked := make(chan struct{}, 1)
	for range 2 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if resp, err := client.Get(link); err == nil {
					resp.Body.Close()
				}
				select {
				case clicked <- struct{}{}:
				default:
				}
			}
		})
	}
	<-clicked
	r.settle()
	asOf := "as_of=" + time.Now().UTC().Format(time.RFC3339Nano)
	reports := func(r *running) string {
		t.Helper()
		var all []any
		for _, path := range []string{"/v1/content?agents=all&" + asOf, "/v1/deals?" + asOf, "/v1/reps?" + asOf, "/v1/contacts/other@buyer.test?" + asOf, "/v1/runs/" + asked, "/v1/attribution"} {
			var v map[string]any
			if err := r.api.Get(t.Context(), path, nil, &v); err != nil {
				t.Fatalf("GET %s: %v", path, err)
			}
			if path == "/v1/attribution" { // another run begins with the program
				delete(v, "run")
				delete(v, "as_of")
			}
			all = append(all, path, v)
		}
		b, err := json.MarshalIndent(all, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	seen := ask1[map[string]any](r, "/v1/contacts/other@buyer.test") // who saw whom is in it
	if seen["email"] != "other@buyer.test" {
		t.Errorf("%v", seen)
	}
	file := filepath.Join(t.TempDir(), "backup.tar.zst")
	if told := r.command("backup", "-o", file); !strings.Contains(told, "events") {
		t.Errorf("backup says %q", told)
	}
	close(stop)
	load.Wait()
	if s := ask1[trail.Status](r, "/v1/status"); s.BackupAt.IsZero() {
		t.Error("status does not know of the backup")
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if told := r.command("backup", "-o", file+".age", "--to", identity.Recipient().String()); !strings.Contains(told, " events, ") {
		t.Errorf("the encrypted backup was not read: %q", told)
	}
	r.settle()
	want := reports(r)
	r.command("erase", "vera@buyer.test", "--yes")
	tombstones, err := os.ReadFile(filepath.Join(filepath.Dir(r.config), "data", "tombstones"))
	if err != nil {
		t.Fatal(err)
	}
	r.stop()

	t.Run("equal reports", func(t *testing.T) {
		again := r.restored(t, "", file)
		again.settle()
		if got := reports(again); got != want {
			t.Errorf("restored:\n got %s\nwant %s", got, want)
		}
		if log := ask1[struct{ Rows []any }](again, "/v1/access?limit=1000"); len(log.Rows) < 2 {
			t.Errorf("the access log has %d entries", len(log.Rows))
		}
		if b, err := again.auditor.Strike(t.Context()); err != nil || b.Missing+b.Surplus > 0 {
			t.Errorf("the balance does not add up: %+v, %v", b, err)
		}
	})
	t.Run("erased stays erased", func(t *testing.T) {
		key := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(key, []byte(identity.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		again := r.restored(t, string(tombstones), file+".age", "--identity", key)
		var b bytes.Buffer
		for _, path := range []string{"/v1/deals/D-1", "/v1/content/CASE-1?agents=all", "/v1/accounts/buyer.test", "/v1/reps"} {
			if err := again.api.Do(t.Context(), "GET", path, "", nil, &b); err != nil {
				t.Fatal(err)
			}
		}
		if text := strings.ToLower(b.String()); strings.Contains(text, "vera") || !strings.Contains(text, "otto") {
			t.Errorf("after the restore: %s", text)
		}
		if err := again.api.Do(t.Context(), "GET", "/v1/contacts/vera@buyer.test", "", nil, nil); err == nil {
			t.Error("who was erased after the backup is back")
		}
	})
	t.Run("half of it is not served", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, restoringFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := lockData(dir); err == nil || !strings.Contains(err.Error(), "a part of a backup") {
			t.Errorf("what was restored in part may be served: %v", err)
		}
	})
	t.Run("what cannot be restored", func(t *testing.T) {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		full := t.TempDir()
		if err := os.WriteFile(filepath.Join(full, "letter.txt"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		damaged := bytes.Clone(whole)
		damaged[len(damaged)/2] ^= 1
		for what, c := range map[string]struct {
			content []byte
			dir     string
			says    string
		}{
			"cut off":       {whole[:len(whole)-200], t.TempDir(), ""},
			"damaged":       {damaged, t.TempDir(), ""},
			"no backup":     {[]byte("hello"), t.TempDir(), "no backup"},
			"a full folder": {whole, full, "letter.txt"},
		} {
			bad := filepath.Join(t.TempDir(), "bad")
			if err := os.WriteFile(bad, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			err := run(t.Context(), []string{"restore", bad, "--data", c.dir}, &out, &errs)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", what, err)
			}
			if left, _ := os.ReadDir(c.dir); len(left) > 0 && what != "a full folder" {
				t.Errorf("%s: %d files were left", what, len(left))
			}
		}
	})
}

// restored brings a backup back into a folder of its own, and serves it.
func (r *running) restored(t *testing.T, tombstones, file string, more ...string) *running {
	t.Helper()
	dir := t.TempDir()
	if tombstones != "" {
		if err := os.WriteFile(filepath.Join(dir, "tombstones"), []byte(tombstones), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if err := run(t.Context(), append([]string{"restore", file, "--data", dir}, more...), &out, &errs); err != nil {
		t.Fatalf("restore: %v\n%s", err, errs.String())
	}
	if !strings.Contains(out.String(), "Restored the backup") {
		t.Errorf("restore says %s", fmt.Sprint(out.String()))
	}
	return startOn(t, filepath.Join(dir, "dealtrail.toml"), func(c *Config) { c.Attribution.Every = Duration(24 * time.Hour) })
}

// TestABackupIsForWhoTakesItAlone takes one where somebody has put a file, or a way to one,
// in the place of the unfinished one.
func TestABackupIsForWhoTakesItAlone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if a, err := newArchive(w, time.Now()); err != nil || a.add(secretsEntry, []byte("keys")) != nil || a.close() != nil {
			t.Error("the backup is not written", err)
		}
	}))
	t.Cleanup(server.Close)
	for _, led := range []bool{false, true} {
		dir := t.TempDir()
		out, others := filepath.Join(dir, "backup"), filepath.Join(dir, "others")
		err := os.WriteFile(others, nil, 0o666)
		if err == nil && led {
			err = os.Symlink(others, out+".part")
		} else if err == nil {
			err = os.Link(others, out+".part")
		}
		if err != nil {
			t.Fatal(err)
		}
		e := &env{cli: &cli{URL: server.URL, Key: "key"}, ctx: t.Context(), out: io.Discard, err: io.Discard}
		if err := (backupCmd{Out: out}).Run(e); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(out); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v: %v, %v", led, info, err)
		}
		if b, err := os.ReadFile(others); err != nil || len(b) > 0 {
			t.Errorf("%v: %d bytes went elsewhere, %v", led, len(b), err)
		}
	}
}
