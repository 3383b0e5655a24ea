package main

import (
	"net"
	"strings"
	"testing"
)

func TestAnAddressInUseIsNamedWithItsKey(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	if ln, err := bind("server.listen", taken.Addr().String()); err == nil {
		ln.Close()
		t.Error("it is bound twice")
	} else if !strings.Contains(err.Error(), "something else listens at "+taken.Addr().String()) || !strings.Contains(err.Error(), "set server.listen to another") {
		t.Error(err)
	}
	if _, err := bind("server.tls_listen", "127.0.0.1:99999"); err == nil || !strings.HasPrefix(err.Error(), "server.tls_listen: ") {
		t.Error(err)
	}
}
