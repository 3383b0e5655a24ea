// Command audit says what of others is in the program and under which licences, and
// writes that down for a release. `make audit` and `make release` run it in the root of
// the tree.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	dir := flag.String("o", "", "folder to write sbom.cdx.json and licences/ into; empty: only check")
	version := flag.String("version", "dev", "of the program")
	flag.Parse()
	if err := audit(".", *dir, *version); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

// audit fails when a part of the program has no licence that is allowed.
func audit(root, dir, version string) error {
	parts, err := goParts("dealtrail/cmd/dealtrail")
	if err != nil {
		return err
	}
	npm, err := npmParts(root)
	if err != nil {
		return err
	}
	parts = append(parts, npm...)
	if lines := refused(parts); len(lines) > 0 {
		for _, line := range lines {
			fmt.Fprintln(os.Stderr, line)
		}
		return fmt.Errorf("%d of %d parts have no licence that is allowed", len(lines), len(parts))
	}
	count := map[string]int{}
	for _, p := range parts {
		count[p.Licence]++
	}
	fmt.Printf("licences of %d parts: %v\n", len(parts), count)
	if dir == "" {
		return nil
	}
	return bundle(dir, version, parts)
}
