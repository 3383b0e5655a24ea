package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// roles are what a process does: track answers links and pixels, load moves
// events into ClickHouse, poll reads mailboxes, jobs does what is due, web serves
// pages and API. None named means all, with a private Redis and engine where no
// other is configured.
type roles []string

var allRoles = roles{"track", "load", "poll", "jobs", "web"}

func (r roles) has(role string) bool { return len(r) == 0 || slices.Contains(r, role) }

// list returns the roles by name.
func (r roles) list() []string {
	if len(r) == 0 {
		return allRoles
	}
	return r
}

// check refuses names that are no roles, and roles without a Redis and a
// ClickHouse that the processes share.
func (r roles) check(c *Config) error {
	for _, role := range r {
		if !slices.Contains(allRoles, role) {
			return usageError{fmt.Errorf("there is no role %q; the roles are %s", role, strings.Join(allRoles, ", "))}
		}
	}
	if len(r) > 0 && (c.Redis.URL == "" || c.ClickHouse.URL == "") {
		return usageError{fmt.Errorf("--role needs redis.url and clickhouse.url in %s: processes share them, and only plain serve starts private ones", c.path)}
	}
	return nil
}

// clusterName is what a cluster may be called: the name becomes part of statements.
var clusterName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// checkCluster refuses a cluster that cannot be spoken to.
func (c *Config) checkCluster() error {
	switch name := c.ClickHouse.Cluster; {
	case name == "":
		return nil
	case !clusterName.MatchString(name):
		return fmt.Errorf("%s: clickhouse.cluster is %q; expected a name of letters, digits, - and _, as system.clusters has it", c.path, name)
	case !strings.HasPrefix(c.ClickHouse.URL, "clickhouse://"):
		return fmt.Errorf("%s: clickhouse.cluster needs clickhouse.url as clickhouse://user:password@host:9000,host:9000/database", c.path)
	}
	return nil
}
