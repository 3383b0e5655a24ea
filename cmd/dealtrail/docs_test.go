package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// documents are the texts of README.md and docs/*.md by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d documents, %v", len(files), err)
	}
	texts := map[string]string{}
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}

// TestCommandsInDocumentsAreCommands has the command line of this program read every command
// that a document shows.
func TestCommandsInDocumentsAreCommands(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile("`(?:bin/)?dealtrail ((?:[^`\\n]|\\n[^`\\n])+)`")
	block := regexp.MustCompile(`(?m)^(?: {3,}(?:.* && |.*/)?|bin/)dealtrail ((?:[a-z]|--)[^│\n]*)$`)
	read := 0
	for name, text := range documents(t) {
		var lines []string
		for _, m := range append(inline.FindAllStringSubmatch(text, -1), block.FindAllStringSubmatch(text, -1)...) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			line, _, _ = strings.Cut(strings.ReplaceAll(line, "\n", " "), "  #")
			for _, c := range shown(strings.TrimSpace(line)) {
				read++
				if err := understood(t, c); err != nil {
					t.Errorf("%s shows dealtrail %s: %v", name, strings.Join(c, " "), err)
				}
			}
		}
	}
	if read < 100 {
		t.Errorf("only %d commands could be read", read)
	}
	if understood(t, []string{"mailbox", "ad", "x.csv"}) == nil || understood(t, []string{"share", "--contents", "x"}) == nil || understood(t, []string{"shows"}) == nil {
		t.Error("every command is understood")
	}
}

// shown returns the commands that a line of a document stands for: what may be left out
// ([--x Y], ...) is left out, and each of several (a|b) is a command of its own.
func shown(line string) [][]string {
	line = strings.NewReplacer(`\|`, "|", "'", "", `"`, "").Replace(line)
	for _, out := range []string{` \[[^\]]*\]`, `\.\.\.`, ` [;&|<>].*`} {
		line = regexp.MustCompile(out).ReplaceAllString(line, "")
	}
	all := [][]string{nil}
	for _, word := range strings.Fields(line) {
		ways := []string{strings.TrimRight(word, ",.;:")}
		if !strings.HasPrefix(word, "-") && strings.Contains(word, "|") {
			ways = strings.Split(word, "|")
		}
		var next [][]string
		for _, before := range all {
			for _, way := range ways {
				next = append(next, append(slices.Clone(before), way))
			}
		}
		all = next
	}
	return all
}

// understood reports what is wrong with a command line; nothing is run. A document may name
// a command without its arguments.
func understood(t *testing.T, args []string) error {
	t.Helper()
	file := "docs_test.go" // is there, as a document's FILE is for its reader
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "FILE" || slices.Contains([]string{".csv", ".xlsx", ".eml", ".json"}, filepath.Ext(arg)) {
			args[i] = file
		}
	}
	var c cli
	parser, err := kong.New(&c, kong.Name("dealtrail"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		return err
	}
	_, err = parser.Parse(args)
	if err != nil && (strings.Contains(err.Error(), "missing flags") || strings.Contains(err.Error(), "expected ") && !strings.Contains(err.Error(), "unexpected")) {
		return nil
	}
	return err
}

// TestKeysInDocumentsAreKeys looks up every key of the configuration that a document names,
// and loads every block of it that one shows.
func TestKeysInDocumentsAreKeys(t *testing.T) {
	t.Parallel()
	keys, sections := map[string]bool{}, map[string]bool{}
	eachKey(&Config{}, func(section, key string, _ reflect.Value, _ reflect.StructTag) {
		keys[section+"."+key], sections[section] = true, true
	})
	named, blocks := regexp.MustCompile("`([a-z]+)\\.([a-z_]+)(?: = [^`]*)?`"), regexp.MustCompile("(?s)\n( *)```toml\n(.*?)```")
	found, loaded := 0, 0
	for name, text := range documents(t) {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if key := m[1] + "." + m[2]; sections[m[1]] && !slices.Contains([]string{"md", "go", "csv", "xlsx", "html"}, m[2]) {
				if found++; !keys[key] {
					t.Errorf("%s names %s, which is no key", name, key)
				}
			}
		}
		for _, m := range blocks.FindAllStringSubmatch(text, -1) {
			loaded++
			if _, err := loadConfig(writeConfig(t, strings.ReplaceAll(m[2], "\n"+m[1], "\n")), nil); err != nil {
				t.Errorf("%s shows what cannot be loaded:\n%s%v", name, m[2], err)
			}
		}
	}
	if found < 60 || loaded < 6 {
		t.Errorf("only %d keys and %d blocks could be read", found, loaded)
	}
}

// TestWhatTheProgramIsQuotedToSayItSays finds each message that the pages about mailboxes
// explain (“so”) in the program.
func TestWhatTheProgramIsQuotedToSayItSays(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, dir := range []string{"../../ingest/mailbox", "../../cmd/dealtrail", "../../api"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			source.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	quoted, texts := regexp.MustCompile(`“([^”]+)”`), documents(t)
	for _, name := range []string{"mail-google.md", "mail-microsoft.md", "mail-imap.md"} {
		all := quoted.FindAllStringSubmatch(texts[name], -1)
		for _, m := range all {
			if !strings.Contains(source.String(), m[1]) {
				t.Errorf("%s says that the program says %q, and it does not", name, m[1])
			}
		}
		if len(all) < 8 {
			t.Errorf("%s quotes %d messages", name, len(all))
		}
	}
}

// TestEverythingThatIsKeptHasItsTime finds each table that the schema makes, and each key of
// Redis that the program names, in docs/retention.md.
func TestEverythingThatIsKeptHasItsTime(t *testing.T) {
	t.Parallel()
	page := documents(t)["retention.md"]
	told := func(name string) bool { return strings.Contains(page, "`"+name+"`") }
	made, dropped := regexp.MustCompile(`CREATE TABLE (?:IF NOT EXISTS )?(\w+)`), regexp.MustCompile(`DROP TABLE (?:IF EXISTS )?(\w+)`)
	tables := map[string]bool{}
	files, err := filepath.Glob("../../store/schema/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files { // in the order in which they are applied
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range made.FindAllStringSubmatch(string(text), -1) {
			tables[m[1]] = true
		}
		for _, m := range dropped.FindAllStringSubmatch(string(text), -1) {
			delete(tables, m[1])
		}
	}
	for table := range tables {
		family, _, _ := strings.Cut(table, "_")
		if !told(table) && !told(family+"_*") {
			t.Errorf("the table %s has no time in docs/retention.md", table)
		}
	}
	keys := map[string]bool{}
	key := regexp.MustCompile(`"(dealtrail:(?:\{[a-z]+\}?|[a-z][a-z-]*))`)
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range key.FindAllStringSubmatch(string(text), -1) {
			keys[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if !told(key) {
			t.Errorf("keys that begin with %s have no time in docs/retention.md", key)
		}
	}
	if len(tables) < 30 || len(keys) < 30 || told("nothing") {
		t.Errorf("%d tables, %d keys", len(tables), len(keys))
	}
}
