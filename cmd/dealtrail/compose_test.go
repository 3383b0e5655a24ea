package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// composed reads docker-compose.yml as docker would.
func composed(t *testing.T) *types.Project {
	t.Helper()
	path, err := filepath.Abs("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: filepath.Dir(path), ConfigFiles: []types.ConfigFile{{Filename: path}}, Environment: types.Mapping{"PUBLIC_URL": "https://go.example.com", "DEALTRAIL_COMPANY_DOMAINS": "example.com"},
	}, func(o *loader.Options) { o.Profiles = []string{"*"}; o.SetProjectName("dealtrail", true) })
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestContainersMayDoLittleAndPublishThePagesAndLinksAlone(t *testing.T) {
	project := composed(t)
	published := map[string]string{}
	for name, s := range project.Services {
		for _, p := range s.Ports {
			published[name] = p.HostIP + ":" + p.Published
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: the root is writable, or it keeps privileges", name)
		}
		if s.User == "" || strings.HasPrefix(s.User, "0") || strings.HasPrefix(s.User, "root") {
			t.Errorf("%s runs as %q", name, s.User)
		}
		if s.MemLimit == 0 {
			t.Errorf("%s may take all memory", name)
		}
		if name != "init" && (s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2) {
			t.Errorf("%s has no health check", name)
		}
		if s.Privileged || s.NetworkMode == "host" || s.Pid != "" {
			t.Errorf("%s shares the host's", name)
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !v.ReadOnly {
				t.Errorf("%s writes to %s of the host", name, v.Source)
			}
			if v.Source == "passwords" && name != "init" && !v.ReadOnly || v.Source == "config" && name != "init" && !v.ReadOnly {
				t.Errorf("%s may write to the volume %s", name, v.Source)
			}
			if v.Source == "config" && s.Image != project.Services["web"].Image {
				t.Errorf("%s sees our keys", name)
			}
		}
	}
	if want := map[string]string{"track": "127.0.0.1:8081", "web": "127.0.0.1:8080"}; !reflect.DeepEqual(published, want) {
		t.Errorf("published are %v, want %v", published, want)
	}
	if !project.Networks["inside"].Internal {
		t.Error("the network of Redis and ClickHouse leads outside")
	}
	for _, name := range []string{"redis", "clickhouse"} {
		if s := project.Services[name]; len(s.Networks) != 1 || len(s.Volumes) < 2 {
			t.Errorf("%s is in %d networks and has %d volumes", name, len(s.Networks), len(s.Volumes))
		}
	}
	if redis := strings.Join(project.Services["redis"].Command, " "); !strings.Contains(redis, "--appendfsync always") || !strings.Contains(redis, "--maxmemory-policy noeviction") || !strings.Contains(redis, "--requirepass") {
		t.Errorf("redis is started with %s", redis)
	}
}

func TestProcessesOfContainersAreToldWhatTheConfigurationKnows(t *testing.T) {
	project := composed(t)
	dir := t.TempDir()
	known := map[string]bool{}
	eachKey(defaults(), func(section, key string, _ reflect.Value, _ reflect.StructTag) {
		name := "DEALTRAIL_" + strings.ToUpper(section+"_"+key)
		known[name], known[name+"_FILE"] = true, true
	})
	// What the service init runs writes what the others read.
	args := slices.Clone(project.Services["init"].Command)
	for i, a := range args {
		if a == "/run/passwords" {
			args[i] = filepath.Join(dir, "passwords")
		}
	}
	config := filepath.Join(dir, "dealtrail.toml")
	var before []byte
	for range 2 { // it runs at every start
		if err := run(t.Context(), append([]string{"--config", config}, args...), &syncBuffer{}, &syncBuffer{}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "passwords", "clickhouse_url"))
		if err != nil || before != nil && string(before) != string(text) {
			t.Fatalf("the address of ClickHouse was %q and is %q: %v", before, text, err)
		}
		before = text
	}
	var did []string
	for name, s := range project.Services {
		var environ []string
		for key, value := range s.Environment {
			if !strings.HasPrefix(key, "DEALTRAIL_") {
				continue
			}
			if !known[key] {
				t.Errorf("%s is told %s, which is no key of the configuration", name, key)
			}
			if value == nil { // not in the environment of docker compose
				continue
			}
			environ = append(environ, key+"="+strings.Replace(*value, "/run/passwords", filepath.Join(dir, "passwords"), 1))
		}
		if len(environ) == 0 {
			continue
		}
		c, err := loadConfig(config, environ)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(c.Company.Domains, []string{"example.com"}) || c.Company.Zone != "UTC" {
			t.Errorf("%s has the own domains %q in the zone %s", name, c.Company.Domains, c.Company.Zone)
		}
		names := strings.Split(s.Command[len(s.Command)-1], ",")
		did = append(did, names...)
		if err := roles(names).check(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.ClickHouse.URL != string(before) || !strings.HasPrefix(c.Redis.URL, "redis://:") || c.Server.PublicURL != "https://go.example.com" {
			t.Errorf("%s has clickhouse.url %q, redis.url %q and public_url %q", name, c.ClickHouse.URL, c.Redis.URL, c.Server.PublicURL)
		}
	}
	slices.Sort(did)
	if want := slices.Sorted(slices.Values(allRoles)); !slices.Equal(did, want) {
		t.Errorf("the containers do %v, want %v", did, want)
	}
	// Docker's own word, where it is.
	if exec.Command("docker", "compose", "version").Run() == nil {
		cmd := exec.Command("docker", "compose", "-f", "../../docker-compose.yml", "config", "--quiet")
		cmd.Env = append(os.Environ(), "PUBLIC_URL=https://go.example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("docker compose config: %v\n%s", err, out)
		}
	}
}

func TestTheImageRunsAsNobodyWithoutShell(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "\nFROM scratch\n")
	for _, want := range []string{"USER 65532:65532", "ENTRYPOINT [\"/bin/dealtrail\"", "HEALTHCHECK "} {
		if !strings.Contains(last, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
	if strings.Contains(last, "RUN ") {
		t.Error("the image runs something that is not there")
	}
	if !strings.Contains(string(text), "CGO_ENABLED=0 go build -trimpath -tags noengine") {
		t.Error("the program of the image needs the C library, which is not there")
	}
}
