package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const packaging = "../../packaging/"

// unit reads a unit of systemd: the values of each key, by section.
func unit(t *testing.T, path string) map[string]map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sections, section := map[string]map[string][]string{}, ""
	for n, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			sections[section] = map[string][]string{}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section == "" {
			t.Fatalf("%s line %d is no key with a value: %s", path, n+1, line)
		}
		sections[section][key] = append(sections[section][key], value)
	}
	return sections
}

func TestTheServiceMayDoLittle(t *testing.T) {
	service := unit(t, packaging+"dealtrail.service")["Service"]
	for key, want := range map[string]string{
		"User": "dealtrail", "StateDirectory": "dealtrail", "ProtectSystem": "strict", "ProtectHome": "yes", "NoNewPrivileges": "yes", "PrivateTmp": "yes",
		"PrivateDevices": "yes", "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE", "SystemCallFilter": "@system-service", "UMask": "0077", "Restart": "always",
		"KillMode": "mixed", "OOMPolicy": "continue", "Type": "notify", "ExecStart": "/usr/bin/dealtrail --config /etc/dealtrail/dealtrail.toml serve",
	} {
		if got := service[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %s", key, got, want)
		}
	}
	for _, key := range []string{"MemoryMax", "LimitNOFILE", "TimeoutStopSec"} {
		if len(service[key]) != 1 {
			t.Errorf("%s is not set", key)
		}
	}
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // the rest needs systemd's own word
	}
	// The program that the unit names is not installed here.
	text, _ := os.ReadFile(packaging + "dealtrail.service")
	copied := filepath.Join(t.TempDir(), "dealtrail.service")
	if err := os.WriteFile(copied, regexp.MustCompile(`/usr/bin/dealtrail\b`).ReplaceAll(text, []byte("/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(verify, "verify", "--man=no", copied).CombinedOutput(); err != nil || strings.Contains(string(out), copied) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// The package of a release, made of small files in place of program and engine.
func TestThePackageHasWhatAnAdministratorNeeds(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"program": "#!/bin/sh\n", "library": "engine", "bundle/sbom.cdx.json": "{}", "bundle/licences/x/LICENSE": "MIT"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sh := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	make := func(out string) string {
		return sh(packaging+"release.sh", "v1.2.3-4-gabc", dir+"/program", dir+"/library", dir+"/bundle", filepath.Join(dir, out))
	}
	if first, second := make("one"), make("two"); first != second {
		t.Errorf("the same files give another package:\n%s%s", first, second)
	}
	deb := filepath.Join(dir, "one", "dealtrail_1.2.3+4+gabc_amd64.deb")
	for field, want := range map[string]string{"Version": "1.2.3+4+gabc", "Architecture": "amd64", "Depends": "adduser, libc6 (>= 2.31), redis-server (>= 5:7.0)"} {
		if got := strings.TrimSpace(sh("dpkg-deb", "-f", deb, field)); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	root := filepath.Join(dir, "root")
	sh("dpkg-deb", "-R", deb, root)
	for file, mode := range map[string]os.FileMode{
		"usr/bin/dealtrail": 0o755, "usr/lib/dealtrail/libchdb.so": 0o644, "lib/systemd/system/dealtrail.service": 0o644, "usr/share/doc/dealtrail/copyright": 0o644,
		"usr/share/doc/dealtrail/sbom.cdx.json": 0o644, "usr/share/doc/dealtrail/licences/x/LICENSE": 0o644, "usr/share/doc/dealtrail/docs/pipe.md": 0o644,
		"DEBIAN/postinst": 0o755, "DEBIAN/prerm": 0o755, "DEBIAN/postrm": 0o755,
	} {
		if info, err := os.Stat(filepath.Join(root, file)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, want it with mode %v", file, err, mode)
		}
	}
	tarball := strings.Split(sh("tar", "-tzf", filepath.Join(dir, "one", "dealtrail-v1.2.3-4-gabc-linux-amd64.tar.gz")), "\n")
	for _, file := range []string{"bin/dealtrail", "lib/libchdb.so", "dealtrail.service", "LICENSE", "sbom.cdx.json"} {
		if !slices.Contains(tarball, "dealtrail-v1.2.3-4-gabc-linux-amd64/"+file) {
			t.Errorf("the tarball has no %s", file)
		}
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		sh("sh", "-n", packaging+script)
	}
}

func TestSystemdIsToldOnceWeServe(t *testing.T) {
	path := filepath.Join(shortDir(t), "notify")
	ln, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := tellSystemd("READY=1"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	if n, _, err := ln.ReadFrom(b); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("systemd heard %q: %v", b[:n], err)
	}
}
