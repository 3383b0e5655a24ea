package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryPartHasALicenceThatIsAllowedAndIsInTheBill(t *testing.T) {
	dir := t.TempDir()
	if err := audit("../..", dir, "v1"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "sbom.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(text, &b); err != nil || b.Format != "CycloneDX" || b.Metadata.Component.Version != "v1" {
		t.Fatalf("the bill is of %q %q: %v", b.Format, b.Metadata.Component.Version, err)
	}
	listed := map[string]bool{}
	for _, c := range b.Components {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(c.Purl, "pkg:golang/"), "pkg:npm/"), "@v")
		listed[name] = true
		if strings.HasPrefix(c.Purl, "pkg:npm/") && (len(c.Hashes) != 1 || len(c.Hashes[0].Content) != 128) {
			t.Errorf("%s has the hashes %v, want one of SHA-512", c.Name, c.Hashes)
		}
		if strings.HasPrefix(c.Purl, "pkg:golang/") {
			if texts, err := os.ReadDir(filepath.Join(dir, "licences", strings.ReplaceAll(c.Name, "/", "_"))); err != nil || len(texts) == 0 {
				t.Errorf("the licence of %s is not in the bundle: %v", c.Name, err)
			}
		}
	}
	for _, name := range []string{"github.com/labstack/echo/v4", "github.com/redis/go-redis/v9", "%40chdb/lib-linux-x64-gnu@26.5.3"} {
		if !listed[name] {
			t.Errorf("%s is not in the bill", name)
		}
	}
	for _, name := range []string{"github.com/chromedp/chromedp", "axe-core@4.14.1"} {
		if listed[name] {
			t.Errorf("%s is only for tests, and in the bill", name)
		}
	}
}

func TestALicenceThatIsNotAllowedIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3":                "AGPL",
		"GNU GENERAL PUBLIC LICENSE":                                  "GPL",
		" * Permission is hereby granted, free of\n * charge, to any": "MIT-0",
		"All rights reserved.":                                        "",
	} {
		if got := licenceOf([]byte(text)); got != want {
			t.Errorf("%q is taken for %q, want %q", text, got, want)
		}
	}
	parts := []part{{Name: "a", Licence: "MIT"}, {Name: "b", Licence: "AGPL"}, {Name: "c"}}
	if lines := refused(parts); len(lines) != 2 || !strings.HasPrefix(lines[0], "b ") || !strings.HasPrefix(lines[1], "c ") {
		t.Errorf("refused: %q", lines)
	}
}

func TestAnNpmPackageWithoutAHashIsRefused(t *testing.T) {
	dir := t.TempDir()
	lock := `{"packages": {"": {}, "node_modules/x": {"version": "1.0.0", "license": "MIT", "integrity": "sha1-abc"}}}`
	if err := os.WriteFile(filepath.Join(dir, "package-lock.json"), []byte(lock), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := npmParts(dir); err == nil || !strings.Contains(err.Error(), "x has no SHA-512") {
		t.Errorf("a package without a hash: %v", err)
	}
}
