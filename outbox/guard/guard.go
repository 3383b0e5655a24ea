// Package guard dials addresses that a user may set, such as those of webhooks:
// never this machine or a private network, where things answer that trust their
// neighbours, unless somebody allowed it.
package guard

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// internal are the networks that are not of the public internet, besides those
// that netip.Addr knows by itself.
var internal = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
)

// carriers are networks of IPv6 whose addresses stand for one of IPv4, with the
// byte at which that begins: NAT64 and 6to4.
var carriers = []struct {
	netip.Prefix
	at int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

func prefixes(all ...string) (out []netip.Prefix) {
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// Public reports whether an address is one of the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, c := range carriers {
		if c.Contains(a) {
			b := a.As16()
			return Public(netip.AddrFrom4([4]byte(b[c.at : c.at+4])))
		}
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range internal {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Refused says that an address was not dialled because it is not public.
type Refused struct{ Address netip.Addr }

func (r *Refused) Error() string {
	return fmt.Sprintf("%s is an address of this machine or of a private network", r.Address)
}

const (
	dialWait   = 5 * time.Second
	headerSize = 64 << 10
)

// Dialer returns a dialer that connects to public addresses only, or to all. It
// looks at the address that is connected to, after names are resolved: a name
// that leads somewhere else a moment later deceives nobody.
func Dialer(private bool) *net.Dialer {
	d := &net.Dialer{Timeout: dialWait}
	if private {
		return d
	}
	d.Control = func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("dial %s: %w", address, err)
		}
		if !Public(to.Addr()) {
			// Here, since all that is dialled by a user's word comes by.
			slog.Warn("an address of this machine or of a private network was not dialled", "address", to.Addr().String())
			return &Refused{to.Addr()}
		}
		return nil
	}
	return d
}

// Client returns a client that dials so, follows no redirect, knows no proxy and
// waits no longer than the timeout for a whole answer.
func Client(private bool, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:            Dialer(private).DialContext,
			TLSHandshakeTimeout:    dialWait,
			MaxResponseHeaderBytes: headerSize,
			DisableKeepAlives:      true, // one message now and then
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
