package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

// read runs dealtrail read without any server.
func read(t *testing.T, config string, args ...string) (lines []readLine) {
	t.Helper()
	var out, told bytes.Buffer
	if err := run(t.Context(), append([]string{"--config", config, "read"}, args...), &out, &told); err != nil {
		t.Fatalf("dealtrail read %q: %v\n%s", args, err, &told)
	}
	for line := range strings.Lines(out.String()) {
		var l readLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

func TestReadSaysWhatMailsYieldWithoutAServer(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	content := file("content.csv", "ID, URL ,title\ndeck,https://www.ours.test/deck,The deck\nbroken,javascript:x,No\n")
	sent := file("sent.eml", mailOf(t, time.Now().Add(-time.Hour), "rita@ours.test", "bruno@buyer.test", `<a href="https://www.ours.test/deck?utm_source=mail">The deck</a>`))
	inside := file("inside.eml", mailOf(t, time.Now().Add(-time.Hour), "rita@ours.test", "ralf@ours.test", `<a href="https://www.ours.test/deck">The deck</a>`))
	reply := file("reply.eml", "From: Bruno <bruno@buyer.test>\r\nTo: rita@ours.test\r\nSubject: Re: As promised\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <r@buyer.test>\r\nIn-Reply-To: <two@ours.test>\r\n\r\nThank you.\r\n")

	lines := read(t, filepath.Join(dir, "none.toml"), "--rep", "rita@ours.test", "--content", content, sent, inside, reply)
	if len(lines) != 3 {
		t.Fatalf("%d lines: %+v", len(lines), lines)
	}
	if l := lines[0]; l.File != sent || l.Event == nil || l.Kind != trail.Sent || l.Content != "deck" || l.Person.Address != "bruno@buyer.test" {
		t.Errorf("a sent mail yields %+v", l)
	}
	if l := lines[1]; l.Event != nil && !l.ID.IsZero() || !strings.Contains(l.Reason, "outside") {
		t.Errorf("an internal mail yields %+v", l)
	}
	if l := lines[2]; l.Event == nil || l.Kind != trail.Replied || l.Person.Address != "bruno@buyer.test" {
		t.Errorf("an answer yields %+v", l)
	}

	// With keys, a tracked link is read too.
	config := writeConfig(t, "[company]\ndomains = [\"ours.test\"]\n")
	secrets, err := loadSecrets(secretsPath(config))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := trail.ParseKeys(secrets.TokenKeys...)
	if err != nil {
		t.Fatal(err)
	}
	share := trail.NewShareID()
	tracked := file("tracked.eml", mailOf(t, time.Now(), "rita@ours.test", "bruno@buyer.test", `<a href="https://go.ours.test/c/`+keys.Seal(trail.KeyOf("deck"), share)+`">The deck</a>`))
	if lines := read(t, config, "--rep", "rita@ours.test", "--content", content, tracked); len(lines) != 1 || lines[0].Event == nil || lines[0].Share != share {
		t.Errorf("a mail with a tracked link yields %+v", lines)
	}

	// An answer that only quotes the link, and no thread: who answers had it.
	quoting := file("quoting.eml", "From: Bruno <bruno@buyer.test>\r\nTo: rita@ours.test\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <q@buyer.test>\r\n\r\nThank you.\r\n> https://go.ours.test/c/"+keys.Seal(trail.KeyOf("deck"), share)+"\r\n")
	if lines := read(t, config, "--rep", "rita@ours.test", "--content", content, quoting); len(lines) != 1 || lines[0].Event == nil || lines[0].Kind != trail.Replied || lines[0].Content != "deck" {
		t.Errorf("an answer that quotes a link yields %+v", lines)
	}

	// Against a folder of files an attachment is known by its bytes.
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatal(err)
	}
	slides := strings.Repeat("slides\x00\xff", 100)
	file(filepath.Join("files", "Slides.pdf"), slides)
	attached := file("attached.eml", "From: rita@ours.test\r\nTo: bruno@buyer.test\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <a@ours.test>\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=other.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte(slides))+"\r\n")
	if lines := read(t, config, "--rep", "rita@ours.test", "--content", files, attached); len(lines) != 1 || lines[0].Event == nil || lines[0].Content != "Slides" || lines[0].Signal != trail.Unobservable {
		t.Errorf("a mail with a file yields %+v", lines)
	}
}
