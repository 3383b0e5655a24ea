//go:build noengine

package chdb

// embedded is false in a program that is built with the tag noengine: it needs no C library, which makes it static, and
// wants a ClickHouse server.
const embedded = false

func openLibrary(string) (*library, error) { return nil, errNoEngine }
