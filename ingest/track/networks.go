package track

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/gaissmai/bart"
)

// networkClasses are the kinds of networks that [Request] and lists speak of.
var networkClasses = []string{
	"residential", "mobile", "corporate", "sase", "vpn", "apple_relay",
	"google", "yahoo", "microsoft", "datacenter", "security_vendor",
}

// Networks says what kind of network an address is in. It never changes, so
// that any number of requests may ask at once.
type Networks struct {
	operators, ours *bart.Table[string]
}

// ReadNetworks reads an operator's lists in addition to the one that the build
// embeds. Each line is a network (10.0.0.0/8), an address or a range
// (first-last), and a class; '#' starts a comment. An operator's line wins over
// the embedded list, a smaller network over a larger one around it, and the
// later of two lines for the same network.
func ReadNetworks(paths ...string) (*Networks, error) {
	ours, err := embeddedNetworks()
	if err != nil {
		return nil, err
	}
	var lines []network
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("list of networks: %w", err)
		}
		if lines, err = appendNetworks(lines, path, string(text)); err != nil {
			return nil, err
		}
	}
	return &Networks{operators: networkTable(lines), ours: ours}, nil
}

// embeddedNetworks reads the list that `make assets` makes, once for all.
// Without it, only what an operator lists is known.
var embeddedNetworks = sync.OnceValues(func() (*bart.Table[string], error) {
	const path = "lists/networks.txt"
	text, err := files.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	lines, err := appendNetworks(nil, path, string(text))
	if err != nil {
		return nil, err
	}
	return networkTable(lines), nil
})

// Class returns the kind of network that an address is in, or "" if that is not
// known. It takes well under a microsecond. A nil *Networks knows nothing.
func (n *Networks) Class(a netip.Addr) string {
	if n == nil {
		return ""
	}
	a = a.Unmap()
	if class, ok := n.operators.Lookup(a); ok {
		return class
	}
	class, _ := n.ours.Lookup(a)
	return class
}

// A network is one line of a list.
type network struct {
	first, last netip.Addr
	class       string
}

// appendNetworks reads the lines of a list; path is for errors.
func appendNetworks(list []network, path, text string) ([]network, error) {
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) { // some editors mark a file's start
		number++
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("%s line %d: expected a network and a class, such as \"203.0.113.0/24 corporate\", not %.100q", path, number, strings.TrimSpace(line))
		}
		n, ok := parseNetwork(fields[0])
		if !ok {
			return nil, fmt.Errorf("%s line %d: expected a network such as 203.0.113.0/24, an address, or the first and last address of a range such as 203.0.113.7-203.0.113.9, not %.100q", path, number, fields[0])
		}
		i := slices.Index(networkClasses, fields[1])
		if i < 0 {
			return nil, fmt.Errorf("%s line %d: expected one of the classes %s, not %.100q", path, number, strings.Join(networkClasses, ", "), fields[1])
		}
		n.class = networkClasses[i] // fields[1] would keep the whole text in memory
		list = append(list, n)
	}
	return list, nil
}

// parseNetwork reads a network, an address or a range. An IPv4 address may be
// written as the IPv6 address that it is mapped to.
func parseNetwork(s string) (n network, ok bool) {
	if from, to, is := strings.Cut(s, "-"); is {
		var err1, err2 error
		n.first, err1 = netip.ParseAddr(from)
		n.last, err2 = netip.ParseAddr(to)
		ok = err1 == nil && err2 == nil
	} else if p, err := netip.ParsePrefix(s); err == nil {
		n.first, n.last, ok = p.Masked().Addr(), lastAddress(p), true
	} else {
		n.first, err = netip.ParseAddr(s)
		n.last, ok = n.first, err == nil
	}
	if n.first.Zone() != "" || n.last.Zone() != "" || n.first.Is4In6() != n.last.Is4In6() {
		return n, false
	}
	n.first, n.last = n.first.Unmap(), n.last.Unmap()
	return n, ok && n.first.BitLen() == n.last.BitLen() && !n.last.Less(n.first)
}

// lastAddress returns the last address of a network.
func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// networkTable makes a table in which the smallest network around an address is
// found. A network inside another is entered after it, because a part of both
// may be the same prefix.
func networkTable(list []network) *bart.Table[string] {
	slices.SortStableFunc(list, func(a, b network) int {
		return cmp.Or(a.first.Compare(b.first), b.last.Compare(a.last))
	})
	table := new(bart.Table[string])
	for _, n := range list {
		for _, p := range n.prefixes() {
			table.Insert(p, n.class)
		}
	}
	return table
}

// prefixes divides a range into the fewest prefixes.
func (n network) prefixes() (list []netip.Prefix) {
	for at := n.first; ; {
		p := netip.PrefixFrom(at, at.BitLen())
		last := at
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(at, p.Bits()-1)
			end := lastAddress(wider)
			if wider.Masked().Addr() != at || n.last.Less(end) {
				break
			}
			p, last = wider, end
		}
		list = append(list, p)
		if last == n.last {
			return list
		}
		at = last.Next()
	}
}
