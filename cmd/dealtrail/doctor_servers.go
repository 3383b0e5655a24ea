package main

import (
	"context"
	"fmt"
	"os/exec"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/chdb"
)

// oldestClickHouse is the oldest server on which the tables can be made.
const oldestClickHouse = "24.8"

// redis looks for the program that serve starts, or at the server of redis.url.
func (d *doctor) redis(ctx context.Context) {
	address := d.config.Redis.URL
	if address == "" {
		if _, err := exec.LookPath("redis-server"); err != nil {
			d.mend("redis", "redis-server is not installed; install the package redis-server, or set redis.url")
		} else {
			d.well("redis", "redis-server is installed")
		}
		return
	}
	rdb, err := ingest.Connect(address)
	if err != nil {
		d.mend("redis", "%v", err)
		return
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(ctx, doctorWait)
	defer cancel()
	if err := rdb.Ping(ctx).Err(); err != nil {
		d.mend("redis", "redis.url: %v; start the server, or mend the address", err)
		return
	}
	// Who may not ask for settings is told nothing of them.
	settings, err := rdb.ConfigGet(ctx, "append*").Result()
	if err == nil && (settings["appendonly"] != "yes" || settings["appendfsync"] != "always") {
		d.mend("redis", "it keeps events with appendonly %s and appendfsync %s; set them to yes and always, or what was accepted is lost when it dies", settings["appendonly"], settings["appendfsync"])
		return
	}
	d.well("redis", "redis.url answers")
}

// clickhouse looks for the engine that serve starts, or at the server of clickhouse.url.
func (d *doctor) clickhouse(ctx context.Context) {
	c := d.config.ClickHouse
	if c.URL == "" {
		if path, err := chdb.FindLibrary(d.config.beside(c.Library)); err != nil {
			d.mend("engine", "%v", err)
		} else {
			d.well("engine", "%s", path)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorWait)
	defer cancel()
	writer, err := store.AskServer(ctx, c.URL)
	switch {
	case err != nil:
		d.mend("clickhouse", "clickhouse.url: %v; start the server, or mend the address", err)
		return
	case !newEnough(writer.Version):
		d.mend("clickhouse", "it is version %s; expected %s or newer", writer.Version, oldestClickHouse)
		return
	case writer.Readonly != 0:
		d.mend("clickhouse", "the user of clickhouse.url may only read (readonly = %d); name one who may make tables", writer.Readonly)
		return
	}
	d.well("clickhouse", "version %s", writer.Version)
	if c.ReadURL == "" {
		return
	}
	switch reader, err := store.AskServer(ctx, c.ReadURL); {
	case err != nil:
		d.mend("clickhouse", "clickhouse.read_url: %v; start the server, or mend the address", err)
	case reader.Readonly != 2:
		d.mend("clickhouse", "the user of clickhouse.read_url has readonly = %d; give their profile readonly = 2, or reports are not kept from writing or cannot set their limits", reader.Readonly)
	default:
		d.well("clickhouse", "clickhouse.read_url may only read")
	}
}

// newEnough reports whether a server has what the tables need.
func newEnough(version string) bool {
	var major, minor, least, below int
	fmt.Sscanf(oldestClickHouse, "%d.%d", &least, &below)
	n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return n == 2 && (major > least || major == least && minor >= below)
}
