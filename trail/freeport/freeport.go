// Package freeport finds ports of this machine for servers that tests start, kill and
// start again.
package freeport

import (
	"fmt"
	"syscall"
)

// TB is a test, or whatever else starts servers and stops them at its end.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// Hold returns n different ports of 127.0.0.1 that the system picked and that are the
// test's until it ends: a socket is bound to each and hears nothing, so that servers may,
// as they set SO_REUSEADDR, and no outgoing connection gets the port while its server is
// down.
func Hold(t TB, n int) (ports []int) {
	t.Helper()
	for range n {
		port, err := hold(t)
		if err != nil {
			t.Fatalf("hold a port: %v", err)
		}
		ports = append(ports, port)
	}
	return ports
}

func hold(t TB) (int, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	t.Cleanup(func() { syscall.Close(socket) })
	if err := syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	address, err := syscall.Getsockname(socket)
	if err != nil {
		return 0, err
	}
	bound, ok := address.(*syscall.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("a socket is bound to %T", address)
	}
	return bound.Port, nil
}
