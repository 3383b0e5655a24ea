package ingest_test

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/freeport"
)

// clusterNode is one redis-server of a Cluster.
type clusterNode struct {
	port, bus string
	args      []string
	cmd       *exec.Cmd
}

func (n *clusterNode) start(t *testing.T) {
	t.Helper()
	n.cmd = exec.Command("redis-server", n.args...)
	if err := n.cmd.Start(); err != nil {
		t.Fatalf("%v; `make deps` installs it", err)
	}
}

func (n *clusterNode) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
	}
}

func (n *clusterNode) ask(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("redis-cli", append([]string{"-p", n.port}, args...)...).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// freePorts are ports for servers that a test starts, and may kill and start again.
func freePorts(t *testing.T, n int) (all []string) {
	t.Helper()
	for _, port := range freeport.Hold(t, n) {
		all = append(all, strconv.Itoa(port))
	}
	return all
}

// startCluster returns three nodes with a third of the slots each, and the address
// of all.
func startCluster(t *testing.T) (nodes []*clusterNode, address string) {
	t.Helper()
	ports := freePorts(t, 6)
	var addresses []string
	for i := range 3 {
		n, dir := &clusterNode{port: ports[2*i], bus: ports[2*i+1]}, t.TempDir()
		n.args = []string{
			"--port", n.port, "--bind", "127.0.0.1", "--dir", dir, "--cluster-enabled", "yes", "--cluster-port", n.bus, "--cluster-config-file", "nodes.conf",
			"--cluster-require-full-coverage", "no", "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--logfile", filepath.Join(dir, "log"),
		}
		n.start(t)
		t.Cleanup(n.kill)
		nodes = append(nodes, n)
		addresses = append(addresses, "127.0.0.1:"+n.port)
		eventually(t, "a node of the Cluster answers", func() bool { return strings.HasPrefix(n.ask(t, "PING"), "PONG") })
		n.ask(t, "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(i*16384/3), fmt.Sprint((i+1)*16384/3-1))
		n.ask(t, "CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus)
	}
	for _, n := range nodes {
		eventually(t, "the Cluster is whole", func() bool {
			info := n.ask(t, "CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	u := url.URL{Scheme: "redis", Host: addresses[0], RawQuery: url.Values{"addr": addresses[1:]}.Encode()}
	return nodes, u.String()
}

func TestEventsOutlastAKilledNodeOfACluster(t *testing.T) {
	nodes, address := startCluster(t)
	rdb, err := ingest.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	p := &pipe{db: storetest.Open(t), rdb: rdb, buffer: ingest.NewBuffer(rdb, quiet())}
	p.buffer.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	background(t, p.buffer.Run)
	// Two loaders as on two machines.
	n, _ := p.shared(t)

	const writers, each = 8, 1500
	var wg sync.WaitGroup
	half := make(chan struct{}, writers)
	for w := range writers {
		wg.Go(func() {
			for i, e := range clicks(n+w*each, each) {
				if err := p.buffer.Append(context.Background(), e); err != nil {
					t.Error(err)
				}
				if i == each/2 {
					half <- struct{}{}
				}
			}
		})
	}
	<-half
	nodes[1].kill()
	for range writers - 1 {
		<-half
	}
	nodes[1].start(t)
	wg.Wait()
	p.settle(t)
	n += writers * each
	if c := p.counts(t); c.Events != uint64(n) {
		t.Errorf("%d events are known, want %d", c.Events, n)
	}
	b, err := p.auditor().Strike(t.Context())
	if err != nil || b.Stored != uint64(n) || b.Missing+b.Surplus+b.InFlight() != 0 || b.Accepted != b.Right() {
		t.Errorf("the balance is %+v, %v", b, err)
	}
}

// shared runs two loaders until the test ends, or one of them until stop is called, and
// returns when both have loaded; n is how many events that took.
func (p *pipe) shared(t *testing.T) (n int, stop func()) {
	t.Helper()
	l := &ingest.Loader{Buffer: p.buffer, DB: p.db, Log: quiet(), Node: "test-node", Lease: 2 * time.Second}
	other := &ingest.Loader{Buffer: ingest.NewBuffer(p.rdb, quiet()), DB: p.db, Log: quiet(), Node: "other", Lease: 2 * time.Second}
	background(t, l.Run)
	stop = background(t, other.Run)
	eventually(t, "both have loaded", func() bool {
		p.append(t, clicks(n, 200)...)
		n += 200
		return l.Stats().Loaded > 0 && other.Stats().Loaded > 0
	})
	return n, stop
}

func TestTwoLoadersShareThePartitionsAndLoadEverythingOnce(t *testing.T) {
	p := newPipe(t)
	n, stop := p.shared(t)
	stop()
	p.append(t, clicks(n, 200)...)
	n += 200
	p.settle(t)
	p.wantBalance(t, "in the end", trail.Balance{Accepted: uint64(n), Stored: uint64(n)})
}
