package chdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

var errNoEngine = errors.New("this program was built without the embedded engine; set clickhouse.url to a ClickHouse server")

// FindLibrary returns the absolute path of libchdb: configured when that is not empty, else what the environment variable
// DEALTRAIL_LIBCHDB names, else the first found beside the program, in node_modules above the program or the
// working directory, and in the system's places. What was asked for by name and is missing is an error, as is finding
// nothing; both say what to do.
func FindLibrary(configured string) (string, error) {
	if !embedded {
		return "", errNoEngine
	}
	for _, named := range []struct{ by, path string }{
		{"the configuration", configured},
		{"DEALTRAIL_LIBCHDB", os.Getenv("DEALTRAIL_LIBCHDB")},
	} {
		if named.path == "" {
			continue
		}
		if !isFile(named.path) {
			return "", fmt.Errorf("find libchdb: there is no file %s, which %s names; `make deps` installs libchdb",
				named.path, named.by)
		}
		return filepath.Abs(named.path)
	}
	patterns := libraryPatterns()
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			continue // a bracket in the name of a directory; the other places remain
		}
		for _, path := range paths {
			if isFile(path) {
				return filepath.Abs(path)
			}
		}
	}
	return "", fmt.Errorf("find libchdb: not at %s; `make deps` installs it", strings.Join(patterns, ", "))
}

// libraryPatterns lists where libchdb may be, best first.
func libraryPatterns() []string {
	var patterns []string
	var starts []string // of the walks up through node_modules
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir := filepath.Dir(exe)
		patterns = append(patterns, filepath.Join(filepath.Dir(dir), "lib", "libchdb.so"), filepath.Join(filepath.Dir(dir), "lib", "dealtrail", "libchdb.so"), filepath.Join(dir, "libchdb.so"))
		starts = append(starts, dir)
	}
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	arch := strings.Replace(runtime.GOARCH, "amd64", "x64", 1) // as npm names it
	for _, dir := range starts {
		for ; ; dir = filepath.Dir(dir) {
			patterns = append(patterns, filepath.Join(dir, "node_modules", "@chdb", "lib-"+runtime.GOOS+"-"+arch+"*", "libchdb.so"))
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return append(patterns, "/usr/lib/dealtrail/libchdb.so", "/usr/local/lib/libchdb.so")
}

func isFile(path string) bool {
	stat, err := os.Stat(path)
	return err == nil && stat.Mode().IsRegular()
}
