package track

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// networksOf reads operators' lists of these contents.
func networksOf(t testing.TB, lists ...string) (*Networks, error) {
	t.Helper()
	var paths []string
	for i, text := range lists {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("list%d.txt", i+1))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return ReadNetworks(paths...)
}

func mustNetworks(t testing.TB, lists ...string) *Networks {
	t.Helper()
	n, err := networksOf(t, lists...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func checkClasses(t *testing.T, n *Networks, want map[string]string) {
	t.Helper()
	for a, class := range want {
		if got := n.Class(netip.MustParseAddr(a)); got != class {
			t.Errorf("%s is %q, want %q", a, got, class)
		}
	}
}

// needEmbedded fails without the list that the build makes: a test that knows
// nothing would pass for the wrong reason.
func needEmbedded(t testing.TB) *Networks {
	t.Helper()
	n := mustNetworks(t)
	if n.ours.Size() == 0 {
		t.Fatal("ingest/track/lists/networks.txt is missing; make deps")
	}
	return n
}

func TestTheEmbeddedListKnowsWhoseMachinesAsk(t *testing.T) {
	checkClasses(t, needEmbedded(t), map[string]string{
		"40.94.20.7":          "microsoft", // Safe Links
		"40.107.1.1":          "microsoft", // Exchange Online
		"2a01:111:f400::1":    "microsoft",
		"66.249.84.12":        "google", // the image proxy
		"209.85.238.1":        "google",
		"2a00:1450:4001::1":   "google",
		"98.137.1.1":          "yahoo",
		"188.125.72.1":        "yahoo",
		"172.224.226.10":      "apple_relay",
		"52.94.76.10":         "datacenter", // Amazon
		"18.208.22.1":         "datacenter",
		"2600:1f00::1":        "datacenter",
		"34.64.0.1":           "datacenter", // Google Cloud
		"95.216.1.1":          "datacenter", // Hetzner
		"2a01:4f8::1":         "datacenter",
		"51.15.1.1":           "datacenter",      // Scaleway
		"67.231.144.10":       "security_vendor", // Proofpoint
		"148.163.128.1":       "security_vendor",
		"205.139.110.1":       "security_vendor", // Mimecast
		"195.130.217.1":       "security_vendor",
		"64.235.144.1":        "security_vendor", // Barracuda
		"68.232.128.1":        "security_vendor", // Cisco
		"85.158.136.1":        "security_vendor", // MessageLabs
		"150.70.1.1":          "security_vendor", // Trend Micro
		"165.225.72.1":        "sase",            // Zscaler
		"163.116.128.1":       "sase",            // Netskope
		"::ffff:66.249.84.12": "google",
	})
}

func TestNothingIsKnownWherePeopleAre(t *testing.T) {
	n := needEmbedded(t)
	for _, a := range []string{
		"73.1.1.1", "93.200.1.1", "86.130.1.1", "99.230.0.1", "2.200.1.1", // lines to homes: Comcast, Telekom, BT, Rogers, Vodafone
		"172.58.1.1", "109.40.1.1", // mobile phones: T-Mobile, Vodafone
		"131.107.1.1", // Microsoft's own offices
		"78.210.1.1",  // Free's subscribers, under a hoster's name
		"1.1.1.1",     // Cloudflare, where people and machines share addresses
	} {
		if class := n.Class(netip.MustParseAddr(a)); class != "" {
			t.Errorf("%s is %q, but people are there", a, class)
		}
	}
	for _, p := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"::/8", "64:ff9b::/96", "100::/64", "2001:db8::/32", "fc00::/7", "fe80::/10", "ff00::/8",
	} {
		if n.ours.OverlapsPrefix(netip.MustParsePrefix(p)) {
			t.Errorf("the embedded list says something of %s, which is nobody's", p)
		}
	}
}

func TestTheSmallestNetworkWins(t *testing.T) {
	list := []string{
		"203.0.113.0/24 corporate", "203.0.113.64/26 vpn", "203.0.113.70 sase", "203.0.113.66-203.0.113.67 mobile",
		"198.51.100.0-198.51.100.130 mobile", "198.51.100.0/25 residential", // one prefix of the first range is the second
		"2001:db8::/32 corporate", "2001:db8:1::/48 residential", "2001:db8:1::7-2001:db8:1::9 vpn",
	}
	want := map[string]string{
		"203.0.113.1": "corporate", "203.0.113.64": "vpn", "203.0.113.70": "sase", "203.0.113.66": "mobile", "203.0.113.67": "mobile",
		"203.0.113.68": "vpn", "203.0.113.255": "corporate", "203.0.114.0": "", "203.0.112.255": "",
		"198.51.100.0": "residential", "198.51.100.127": "residential", "198.51.100.128": "mobile", "198.51.100.130": "mobile", "198.51.100.131": "",
		"2001:db8::1": "corporate", "2001:db8:1::1": "residential", "2001:db8:1::8": "vpn", "2001:db8:1::10": "residential", "2001:db9::1": "",
	}
	checkClasses(t, mustNetworks(t, strings.Join(list, "\n")), want)
	slices.Reverse(list)
	checkClasses(t, mustNetworks(t, strings.Join(list, "\n")), want)
}

func TestAnOperatorKnowsBetter(t *testing.T) {
	n := mustNetworks(t,
		"\ufeff# our office\r\n\r\n40.94.0.0/16 corporate # rented\r\n  66.0.0.0/8\tvpn\r\n192.0.2.1 corporate",
		"192.0.2.1 mobile\n::ffff:192.0.2.8/126 sase\n::ffff:192.0.2.99-::ffff:192.0.2.101 vpn\n192.0.3.77/24 corporate")
	checkClasses(t, n, map[string]string{
		"40.94.20.7": "corporate", "66.249.84.12": "vpn", // though the embedded list has smaller networks
		"192.0.2.1": "mobile", // the later list
		"192.0.2.9": "sase", "::ffff:192.0.2.9": "sase", "192.0.2.12": "", "192.0.2.100": "vpn",
		"192.0.3.1": "corporate",
	})
	needEmbedded(t)
	checkClasses(t, n, map[string]string{"95.216.1.1": "datacenter"})
}

func TestNoNetworksKnowNothing(t *testing.T) {
	var none *Networks
	checkClasses(t, none, map[string]string{"66.249.84.12": ""})
	if class := needEmbedded(t).Class(netip.Addr{}); class != "" {
		t.Errorf("no address is %q", class)
	}
}

func TestALineThatCannotBeReadIsNamed(t *testing.T) {
	const network, class, both = "expected a network such as 203.0.113.0/24", "expected one of the classes residential, mobile, corporate, ", "expected a network and a class, such as"
	for line, want := range map[string]string{
		"203.0.113.0/33 corporate":               network,
		"203.0.113.256 corporate":                network,
		"office corporate":                       network,
		"corporate 203.0.113.0/24":               network,
		"203.0.113.9-203.0.113.7 corporate":      network,
		"203.0.113.9-2001:db8::1 corporate":      network,
		"203.0.113.9-::ffff:203.0.113.10 vpn":    network,
		"203.0.113.9- vpn":                       network,
		"fe80::1%eth0 vpn":                       network,
		"::fffe:0:0/95 vpn":                      network,
		"203.0.113.0/24 office":                  class,
		"203.0.113.0/24 Corporate":               class,
		"203.0.113.0/24":                         both,
		"203.0.113.0 - 203.0.113.9 corporate":    both,
		"203.0.113.0/24,corporate":               both,
		strings.Repeat("9", 1<<20) + "-1 mobile": network,
	} {
		_, err := networksOf(t, "# fine\n10.0.0.0/8 corporate\n", "\n# one\n"+line+"\n10.0.0.0/8 corporate\n")
		if err == nil {
			t.Errorf("%.80q was read", line)
		} else if text := err.Error(); !strings.Contains(text, "list2.txt line 3: "+want) || len(text) > 600 {
			t.Errorf("%.80q gives %.700q, want %q", line, text, want)
		}
	}
	if _, err := ReadNetworks(filepath.Join(t.TempDir(), "none.txt")); err == nil || !strings.Contains(err.Error(), "none.txt") {
		t.Errorf("a list that is not there gives %v", err)
	}
}

func TestARangeIsDividedIntoItsPrefixesExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{4, 16}).Draw(t, "size")
		address := func(name string) netip.Addr {
			b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 127, 128, 254, 255}), size, size).Draw(t, name)
			a, _ := netip.AddrFromSlice(b)
			return a
		}
		n := network{first: address("first"), last: address("last")}
		if n.last.Less(n.first) {
			n.first, n.last = n.last, n.first
		}
		at, list := n.first, n.prefixes()
		for i, p := range list {
			if p != p.Masked() || p.Addr() != at {
				t.Fatalf("prefix %d of %v is %v, want one from %v", i, n, p, at)
			}
			at = lastAddress(p).Next()
		}
		if end := lastAddress(list[len(list)-1]); end != n.last {
			t.Fatalf("%v ends with %v", n, end)
		}
		if most := 2 * n.first.BitLen(); len(list) > most {
			t.Fatalf("%v became %d prefixes", n, len(list))
		}
	})
}

func TestLookingUpAnAddressAllocatesNothing(t *testing.T) {
	n := mustNetworks(t, "203.0.113.0/24 corporate")
	for _, a := range []string{"203.0.113.1", "66.249.84.12", "::ffff:66.249.84.12", "2a00:1450:4001::1", "2001:db8::1"} {
		address := netip.MustParseAddr(a)
		if allocs := testing.AllocsPerRun(100, func() { n.Class(address) }); allocs != 0 {
			t.Errorf("%s takes %v allocations", a, allocs)
		}
	}
}

func FuzzNetworks(f *testing.F) {
	for _, list := range []string{"203.0.113.0/24 corporate\n203.0.113.7 vpn # one", "2001:db8::1-2001:db8::ffff mobile", "0.0.0.0/0 sase\n::/0 vpn", "::ffff:10.0.0.0/104 mobile", "\ufeffa-b c\r\n"} {
		f.Add(list, "203.0.113.7")
	}
	f.Fuzz(func(t *testing.T, text, address string) {
		list, err := appendNetworks(nil, "list.txt", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "list.txt line ") || !strings.Contains(err.Error(), "expected") {
				t.Fatalf("an error that does not help: %v", err)
			}
			return
		}
		a, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		a = a.Unmap().WithZone("")
		var around []network // those that the address is in
		for _, n := range list {
			if n.first.BitLen() == a.BitLen() && !a.Less(n.first) && !n.last.Less(a) {
				around = append(around, n)
			}
		}
		n := &Networks{operators: networkTable(slices.Clone(list)), ours: networkTable(nil)}
		class := n.Class(a)
		if (class != "") != (len(around) > 0) {
			t.Fatalf("%v is %q in %q", a, class, text)
		}
		if len(around) > 0 && !slices.ContainsFunc(around, func(n network) bool { return n.class == class }) {
			t.Fatalf("%v is %q in %q, which no line around it says", a, class, text)
		}
		// A network inside all the others decides.
		for i, inner := range around {
			smallest := !slices.ContainsFunc(around[i+1:], func(n network) bool { return n.first == inner.first && n.last == inner.last })
			for _, outer := range around {
				smallest = smallest && !inner.first.Less(outer.first) && !outer.last.Less(inner.last)
			}
			if smallest && class != inner.class {
				t.Fatalf("%v is %q in %q, but the smallest network around it is %q", a, class, text, inner.class)
			}
		}
	})
}

func BenchmarkNetworks(b *testing.B) {
	n := needEmbedded(b)
	for _, a := range []string{"66.249.84.12", "::ffff:66.249.84.12", "73.1.1.1", "2a00:1450:4001::1", "2001:db8::1"} {
		address := netip.MustParseAddr(a)
		b.Run(a, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n.Class(address)
			}
		})
	}
}

// What reading the embedded list costs at start.
func BenchmarkReadNetworks(b *testing.B) {
	text, err := files.ReadFile("lists/networks.txt")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		list, err := appendNetworks(nil, "networks.txt", string(text))
		if err != nil {
			b.Fatal(err)
		}
		networkTable(list)
	}
}
