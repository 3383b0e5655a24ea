package main

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A browser connects ahead, and leaves again without a request: nobody was cut off.
func TestWhoConnectsAheadLeavesNoLine(t *testing.T) {
	var lines syncBuffer
	x := &cutOffs{log: slog.New(slog.NewTextHandler(&lines, nil))}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	x.watch(server.Config)
	server.StartTLS()
	t.Cleanup(server.Close)
	config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	// The preface of HTTP/2 with empty settings; the server's come back.
	if _, err := conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		t.Fatal(err)
	}
	settings := make([]byte, 9)
	if n, err := conn.Read(settings); err != nil || n < 4 || settings[3] != 4 {
		t.Fatalf("the server says % x: %v", settings[:n], err)
	}
	conn.Close()
	eventually(t, "the connection is over", func() bool {
		over := true
		x.all.Range(func(_, _ any) bool { over = false; return false })
		return over
	})
	if lines.String() != "" {
		t.Errorf("it leaves %s", lines.String())
	}
}
