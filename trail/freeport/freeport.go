// Package freeport finds ports of this machine for servers that tests start, kill and
// start again.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

const least = 10_000 // above what services of a machine usually have

// Find returns n different ports of 127.0.0.1 that are free. No outgoing connection gets
// them, as it may get one that the system picks: while a server is down its port would
// be another's.
func Find(n int) (ports []int, err error) {
	below := outgoing()
	for range 1000 * n {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", least+rand.IntN(below-least)))
		if err != nil {
			continue
		}
		defer ln.Close() // all are held until all are found
		if ports = append(ports, ln.Addr().(*net.TCPAddr).Port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no port of this machine is free")
}

// outgoing is the first port that the system picks by itself.
func outgoing() int {
	const usual = 32_768
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	first := usual
	if err == nil {
		_, err = fmt.Sscan(string(text), &first)
	}
	if err != nil || first < least+1000 {
		return usual
	}
	return first
}
