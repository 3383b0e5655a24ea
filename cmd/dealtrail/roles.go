package main

import (
	"fmt"
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
