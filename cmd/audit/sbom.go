package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// bom is a bill of materials in CycloneDX 1.6, as far as we fill it.
type bom struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type     string    `json:"type"`
	Ref      string    `json:"bom-ref"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Purl     string    `json:"purl,omitempty"`
	Hashes   []digest  `json:"hashes,omitempty"`
	Licences []licence `json:"licenses,omitempty"`
}

type digest struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"` // in hex
}

type licence struct {
	Licence struct {
		ID string `json:"id"`
	} `json:"license"`
}

// newBOM lists the parts of a version of the program. It holds no time and no number
// of its own, so that the same tree gives the same bytes.
func newBOM(version string, parts []part) (bom, error) {
	b := bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Components: []component{}}
	b.Metadata.Component = component{Type: "application", Ref: "dealtrail", Name: "dealtrail", Version: version, Licences: spdx("Apache-2.0")}
	for _, p := range parts {
		c := component{Type: "library", Ref: p.Purl, Name: p.Name, Version: p.Version, Purl: p.Purl, Licences: spdx(p.Licence)}
		if p.Hash != "" {
			sum, err := base64.StdEncoding.DecodeString(p.Hash)
			if err != nil {
				return b, fmt.Errorf("hash of %s: %w", p.Name, err)
			}
			c.Hashes = []digest{{"SHA-512", hex.EncodeToString(sum)}}
		}
		b.Components = append(b.Components, c)
	}
	return b, nil
}

func spdx(id string) []licence {
	l := make([]licence, 1)
	l[0].Licence.ID = id
	return l
}

// bundle writes what goes with a release into a folder: sbom.cdx.json, and the text of
// every licence under licences/.
func bundle(dir, version string, parts []part) error {
	b, err := newBOM(version, parts)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, "sbom.cdx.json"), append(text, '\n')); err != nil {
		return err
	}
	for _, p := range parts {
		for _, path := range p.Licences {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name := strings.ReplaceAll(p.Name, "/", "_")
			if err := write(filepath.Join(dir, "licences", name, filepath.Base(path)), text); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
