package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// On a cluster the tables of events lie in pieces: each shard keeps those whose IDs are
// its own in events_local, on every replica, and events reads all of them. All other
// tables are small, and whole on every node. What a file of schema/ says for one server
// is told to the cluster in words of its own, so that there is one schema.

// cluster is what Options.Cluster names.
type cluster struct {
	name     string // as system.clusters has it
	database string
}

// sharded are the tables that lie in pieces. Each has the column id, and all copies of
// an ID are on one shard: FINAL and GROUP BY id are then as exact as on one server.
var sharded = []string{"events", "arrivals"}

// buckets is how many parts IDs fall into. Bucket b lies on the shard b % shards, as
// Distributed tables have it; it is of the ID's random part, so that no report's time
// lies on one shard. The streams divide events by share instead: that changes when a
// person is erased or a mail's share is found later, and copies must meet.
const buckets = 16

// bucketOf is which part an ID falls into: 0 to 15.
func bucketOf(id trail.ID) int { return int(id[15]) % buckets }

// bucketSQL is the same of a column, also for servers of 2018.
const bucketSQL = "reinterpretAsUInt8(substring(id, 16, 1)) % 16"

var (
	createTable  = regexp.MustCompile(`(?s)^\s*CREATE TABLE (?:IF NOT EXISTS )?(\w+)(.*?)\bENGINE = (\w+)(?:\(([^)]*)\))?(.*)$`)
	alterTable   = regexp.MustCompile(`(?s)^\s*ALTER TABLE (\w+)\s(.*)$`)
	mutation     = regexp.MustCompile(`^(UPDATE|DELETE)\b`)
	columnChange = regexp.MustCompile(`\b(ADD|DROP|MODIFY|RENAME) COLUMN\b`)
	dropTable    = regexp.MustCompile(`^\s*DROP TABLE IF EXISTS (\w+)\s*$`)
	replaceView  = regexp.MustCompile(`^\s*CREATE OR REPLACE VIEW (\w+) AS\b`)
	optimize     = regexp.MustCompile(`^\s*OPTIMIZE TABLE (\w+)\b`)
)

// statements returns what the cluster is told where one server would be told statement,
// in order. What would have to change rows on all nodes at once is an error: half of it
// must not look like all.
func (c cluster) statements(statement string) ([]string, error) {
	on := " ON CLUSTER '" + c.name + "'"
	if m := createTable.FindStringSubmatch(statement); m != nil {
		return c.create(m[1], strings.TrimRight(m[2], " \n"), m[3], m[4], strings.TrimRight(m[5], " \n")), nil
	}
	if m := alterTable.FindStringSubmatch(statement); m != nil {
		table, change := m[1], strings.TrimSpace(m[2])
		if mutation.MatchString(change) {
			return nil, trail.Problemf(trail.Unavailable, "On a cluster dealtrail cannot change stored rows on every node at once, as erasing and expiring must. Nothing was changed. docs/scale.md says what to do.")
		}
		if !slices.Contains(sharded, table) {
			return []string{statement}, nil // replicas tell each other
		}
		all := []string{"ALTER TABLE " + c.at(table+"_local") + on + " " + change}
		if columnChange.MatchString(change) {
			all = append(all, "CREATE OR REPLACE TABLE "+c.at(table)+on+c.distributed(table))
		}
		return all, nil
	}
	if m := dropTable.FindStringSubmatch(statement); m != nil {
		all := []string{"DROP TABLE IF EXISTS " + c.at(m[1]) + on + " SYNC"}
		if slices.Contains(sharded, m[1]) {
			all = append(all, "DROP TABLE IF EXISTS "+c.at(m[1]+"_local")+on+" SYNC")
		}
		return all, nil
	}
	if m := replaceView.FindStringSubmatchIndex(statement); m != nil {
		return []string{"CREATE OR REPLACE VIEW " + c.at(statement[m[2]:m[3]]) + on + statement[m[3]:]}, nil
	}
	if m := optimize.FindStringSubmatchIndex(statement); m != nil && slices.Contains(sharded, statement[m[2]:m[3]]) {
		return []string{"OPTIMIZE TABLE " + c.at(statement[m[2]:m[3]]+"_local") + on + statement[m[3]:]}, nil
	}
	return []string{statement}, nil
}

// create returns how a table is made. SYNC at its end, and paths by name, let one that
// was dropped be made again.
func (c cluster) create(table, columns, engine, arguments, rest string) []string {
	on := " ON CLUSTER '" + c.name + "'"
	if !strings.HasSuffix(engine, "MergeTree") { // it has no replicas
		if arguments != "" {
			engine += "(" + arguments + ")"
		}
		return []string{"CREATE TABLE IF NOT EXISTS " + c.at(table) + on + columns + "\nENGINE = " + engine + rest}
	}
	// A node is a replica of its shard in what lies in pieces, and of one shard of all nodes in the rest.
	name, place, replica := table, "all", "{shard}-{replica}"
	if slices.Contains(sharded, table) {
		name, place, replica = table+"_local", "{shard}", "{replica}"
	}
	if arguments != "" {
		arguments = ", " + arguments
	}
	all := []string{fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s%s\nENGINE = Replicated%s('/clickhouse/tables/%s/%s/%s', '%s'%s)%s",
		c.at(name), on, columns, engine, c.database, place, name, replica, arguments, rest)}
	if name != table {
		all = append(all, "CREATE TABLE IF NOT EXISTS "+c.at(table)+on+c.distributed(table))
	}
	return all
}

// distributed is the rest of the statement that makes the table that reads all pieces of
// another.
func (c cluster) distributed(table string) string {
	return fmt.Sprintf(" AS %s ENGINE = Distributed('%s', '%s', '%s_local', %s)", c.at(table+"_local"), c.name, c.database, table, bucketSQL)
}

func (c cluster) at(table string) string { return c.database + "." + table }

// wanted are the settings that queries need there beside those of every server.
func (c cluster) wanted() clickhouse.Settings {
	return clickhouse.Settings{
		"distributed_product_mode":                           "global", // a table in pieces is joined as a whole
		"insert_distributed_sync":                            1,        // in case somebody inserts through the table of all pieces
		"distributed_ddl_output_mode":                        "none",
		"prefer_localhost_replica":                           1,
		"skip_unavailable_shards":                            0, // half a report would look like a report
		"fallback_to_stale_replicas_for_distributed_queries": 1,
	}
}

// node is one server of the cluster.
type node struct {
	shard uint32 // from 1
	host  string
	port  uint16
}

// connectShards returns a connection for each shard in order, to whichever of its
// replicas answers. They speak the protocol of servers, whatever d does.
func (c cluster) connectShards(ctx context.Context, conn driver.Conn, d clickhouse.Options) (shards []driver.Conn, err error) {
	rows, err := conn.Query(ctx, readTexts().query["Nodes"], clickhouse.Named("cluster", c.name))
	if err != nil {
		return nil, fmt.Errorf("ask for the nodes of the cluster: %w", err)
	}
	defer rows.Close()
	addresses := map[uint32][]string{}
	for rows.Next() {
		var n node
		if err := rows.Scan(&n.shard, &n.host, &n.port); err != nil {
			return nil, err
		}
		addresses[n.shard] = append(addresses[n.shard], net.JoinHostPort(n.host, fmt.Sprint(n.port)))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(addresses) == 0 || len(addresses) > buckets {
		return nil, trail.Problemf(trail.Unavailable, "ClickHouse knows %d shards of the cluster %s, expected 1 to %d: clickhouse.cluster must name one of system.clusters.", len(addresses), c.name, buckets)
	}
	defer func() {
		if err != nil {
			closeAll(shards)
		}
	}()
	for i := range len(addresses) {
		o := d
		o.Addr = addresses[uint32(i+1)]
		if len(o.Addr) == 0 {
			return shards, fmt.Errorf("the cluster %s has no shard %d", c.name, i+1)
		}
		o.Protocol, o.ConnOpenStrategy = clickhouse.Native, clickhouse.ConnOpenInOrder
		shard, err := clickhouse.Open(&o)
		if err != nil {
			return shards, fmt.Errorf("open shard %d: %w", i+1, err)
		}
		shards = append(shards, shard)
	}
	return shards, nil
}

func closeAll(conns []driver.Conn) (err error) {
	for _, c := range conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

// exec runs a statement on one server, or what takes its place on a cluster.
func (db *DB) exec(ctx context.Context, conn driver.Conn, statement string, args ...any) error {
	if db.cluster.name == "" {
		return conn.Exec(ctx, statement, args...)
	}
	all, err := db.cluster.statements(statement)
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := conn.Exec(ctx, s, args...); err != nil {
			return err
		}
	}
	return nil
}

// byShard divides rows among shards by their IDs.
func byShard[T any](rows []T, shards int, id func(T) trail.ID) [][]T {
	parts := make([][]T, shards)
	for _, row := range rows {
		i := bucketOf(id(row)) % shards
		parts[i] = append(parts[i], row)
	}
	return parts
}

// layouts is the query Layouts where what was inserted is told by the blocks of every
// node: each replica of each piece has numbers of its own.
func (c cluster) layouts(query string) string {
	return strings.NewReplacer(
		"FROM system.parts", "FROM clusterAllReplicas('"+c.name+"', system.parts)",
		"currentDatabase()", "'"+c.database+"'",
		"'events'", "'events_local'",
		"GROUP BY table", "GROUP BY hostName(), table",
	).Replace(query)
}
