package guard_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dealtrail/outbox/guard"
)

func TestOnlyAddressesOfThePublicInternetArePublic(t *testing.T) {
	for address, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "172.32.0.1": true, "2606:4700::1111": true, "64:ff9b::808:808": true, "2002:808:808::1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false, "::7f00:1": false,
		"10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "100.64.0.1": false, "100.127.255.255": false,
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "fc00::1": false, "fec0::1": false,
		"224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false, "ff02::1": false, "198.18.0.1": false, "192.0.2.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a00:1": false, "2002:7f00:1::1": false, "2002:a9fe:a9fe::1": false, "2001:0:7f00:1::": false, "2001:db8::1": false,
	} {
		if got := guard.Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is public: %v, want %v", address, got, want)
		}
	}
}

func TestPrivateAddressesAreDialledOnlyWhenAllowed(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked++
		http.Redirect(w, q, "/again", http.StatusFound)
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	for _, url := range []string{server.URL, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://0.0.0.0:" + port, "http://2130706433:" + port} {
		resp, err := guard.Client(false, 5*time.Second).Get(url)
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s was dialled", url)
			continue
		}
		if refused := (*guard.Refused)(nil); !errors.As(err, &refused) && !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if asked > 0 {
		t.Fatalf("the server was asked %d times", asked)
	}
	resp, err := guard.Client(true, 5*time.Second).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound || asked != 1 {
		t.Errorf("allowed: %s, asked %d times; want the redirect itself", resp.Status, asked)
	}
}

func TestAProxyOfTheEnvironmentIsNoWayRound(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	if guard.Client(false, time.Second).Transport.(*http.Transport).Proxy != nil {
		t.Error("the client knows a proxy")
	}
}
