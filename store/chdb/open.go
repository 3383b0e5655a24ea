//go:build !noengine

package chdb

import (
	"fmt"

	"github.com/ebitengine/purego"
)

// embedded says whether this program can load the engine.
const embedded = true

// openLibrary loads libchdb from path and turns its crash handlers off, leaving those of the Go runtime in place.
func openLibrary(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load libchdb, which `make deps` installs: %w", err)
	}
	l := &library{}
	for _, b := range []struct {
		fn     any
		name   string
		handle uintptr
	}{
		{&l.sigaction, "sigaction", purego.RTLD_DEFAULT},
		{&l.setSignalHandlers, "chdb_set_signal_handlers_enabled", handle},
		{&l.connectTo, "chdb_connect", handle},
		{&l.closeConn, "chdb_close_conn", handle},
		{&l.query, "chdb_query_with_params_n", handle},
		{&l.stream, "chdb_stream_query_with_params_n", handle},
		{&l.fetch, "chdb_stream_fetch_result", handle},
		{&l.cancel, "chdb_stream_cancel_query", handle},
		{&l.resultBuffer, "chdb_result_buffer", handle},
		{&l.resultLength, "chdb_result_length", handle},
		{&l.resultError, "chdb_result_error", handle},
		{&l.destroy, "chdb_destroy_query_result", handle},
	} {
		symbol, err := purego.Dlsym(b.handle, b.name)
		if err != nil {
			return nil, fmt.Errorf("load %s: not a libchdb of version 26.5 or later, which `make deps` installs: %w", path, err)
		}
		purego.RegisterFunc(b.fn, symbol)
	}
	l.keepSignals(func() { l.setSignalHandlers(0) })
	return l, nil
}
