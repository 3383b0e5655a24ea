package store_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dealtrail/trail/freeport"
)

// server is a process that the test starts, kills and starts again.
type server struct {
	program string
	args    []string
	dir     string
	cmd     *exec.Cmd
}

func (s *server) start(t *testing.T) {
	t.Helper()
	program, err := exec.LookPath(s.program)
	if err != nil {
		program, err = exec.LookPath(filepath.Join("/usr/sbin", s.program))
	}
	if err != nil {
		t.Fatalf("%v; `make deps-test` installs it", err)
	}
	s.cmd = exec.Command(program, s.args...)
	s.cmd.Dir = s.dir
	log, err := os.OpenFile(filepath.Join(s.dir, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGKILL)
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// write writes a file.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startZooKeeper starts Debian's ZooKeeper, as small as it goes, and returns its port.
func startZooKeeper(t *testing.T) int {
	t.Helper()
	port := freeport.Hold(t, 1)[0]
	dir := t.TempDir()
	write(t, dir+"/zoo.cfg", fmt.Sprintf("tickTime=500\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\nforceSync=no\n", dir, port))
	write(t, dir+"/log4j.properties", "")
	s := &server{program: "java", dir: dir, args: []string{
		"-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true",
		"-cp", dir + ":/usr/share/java/zookeeper.jar", "org.apache.zookeeper.server.quorum.QuorumPeerMain", dir + "/zoo.cfg",
	}}
	t.Cleanup(s.kill)
	s.start(t)
	soon(t, "ZooKeeper answers", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprint(conn, "srvr")
		said, _ := io.ReadAll(conn)
		return strings.Contains(string(said), "Mode: standalone")
	})
	return port
}

// startNodes starts two of Debian's clickhouse-server: a cluster called both of two
// shards. Their ports are of the native protocol.
func startNodes(t *testing.T, zookeeper int) (nodes [2]*server, tcp [2]int) {
	t.Helper()
	free := freeport.Hold(t, 4)
	tcp = [2]int{free[0], free[1]}
	var shards strings.Builder
	for _, port := range tcp {
		fmt.Fprintf(&shards, "<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>%d</port></replica></shard>", port)
	}
	for i := range nodes {
		dir := t.TempDir()
		write(t, dir+"/config.xml", fmt.Sprintf(`<yandex><logger><level>warning</level><log>%[1]s/log</log><errorlog>%[1]s/errors</errorlog></logger>
			<tcp_port>%[2]d</tcp_port><listen_host>127.0.0.1</listen_host><interserver_http_port>%[3]d</interserver_http_port><interserver_http_host>127.0.0.1</interserver_http_host>
			<path>%[1]s/data/</path><tmp_path>%[1]s/tmp/</tmp_path><users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
			<mark_cache_size>67108864</mark_cache_size><zookeeper><node><host>127.0.0.1</host><port>%[4]d</port></node><session_timeout_ms>4000</session_timeout_ms></zookeeper>
			<remote_servers><both>%[5]s</both></remote_servers><macros><shard>%[6]d</shard><replica>one</replica></macros>
			<distributed_ddl><path>/clickhouse/ddl</path></distributed_ddl></yandex>`, dir, tcp[i], free[2+i], zookeeper, shards.String(), i+1))
		write(t, dir+"/users.xml", `<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password></password>
			<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>`)
		nodes[i] = &server{program: "clickhouse-server", dir: dir, args: []string{"--config-file=" + dir + "/config.xml"}}
		t.Cleanup(nodes[i].kill)
		nodes[i].start(t)
	}
	t.Cleanup(func() {
		for _, n := range nodes {
			if t.Failed() {
				said, _ := os.ReadFile(n.dir + "/errors")
				t.Logf("errors of %s:\n%.4000s", n.dir, said)
			}
		}
	})
	return nodes, tcp
}

// soon waits until ok, looking often; it fails after five minutes.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("five minutes passed and still not: %s", what)
		}
	}
}
