package storetest

import (
	"context"
	"fmt"
	"sync"

	"dealtrail/store"
)

// emptied are the databases that tests of this process have left.
var emptied pool

type pool struct {
	mu     sync.Mutex
	schema string   // what a database is like that was just made
	names  []string // of those that are like it
}

// take returns an empty database's name, or "" when there is none.
func (p *pool) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.names)
	if n == 0 {
		return ""
	}
	name := p.names[n-1]
	p.names = p.names[:n-1]
	return name
}

// learn notes what a database that was just made is like.
func (p *pool) learn(ctx context.Context, db *store.DB, database string) error {
	schema, err := look(ctx, db, database)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.schema == "" {
		p.schema = schema
	}
	return err
}

// put empties a database for the next test, and drops one that a test has changed, or
// in which something is still going on.
func (p *pool) put(ctx context.Context, other *store.DB, database string) error {
	schema, err := look(ctx, other, database)
	if err != nil {
		return err
	}
	p.mu.Lock()
	same := schema == p.schema
	p.mu.Unlock()
	if !same {
		return drop(ctx, other, database)
	}
	full, err := texts(ctx, other, "SELECT DISTINCT table FROM system.parts WHERE database = '"+database+"' AND table != 'migrations' ORDER BY table")
	if err != nil {
		return err
	}
	for _, table := range full {
		if err := other.Exec(ctx, fmt.Sprintf("TRUNCATE TABLE %s.%s SYNC", database, table)); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names = append(p.names, database)
	return nil
}

// look returns what a database is like, apart from its name and its rows: its tables
// with all their settings, its views, what was applied to it, what changed rows, and what is
// going on there.
func look(ctx context.Context, db *store.DB, database string) (string, error) {
	all, err := texts(ctx, db, fmt.Sprintf(`
		SELECT toString(cityHash64(groupArray(line))) FROM (
			SELECT line FROM (
				SELECT concat(name, ' ', replaceAll(create_table_query, '%[1]s.', '')) AS line FROM system.tables WHERE database = '%[1]s'
				UNION ALL SELECT concat('applied ', name, ' ', checksum) FROM %[1]s.migrations
				UNION ALL SELECT concat('changed ', mutation_id) FROM system.mutations WHERE database = '%[1]s'
				UNION ALL SELECT concat('asks ', query_id) FROM system.processes WHERE current_database = '%[1]s' AND query NOT LIKE '%%system.processes%%'
			) ORDER BY line)`, database))
	if err != nil || len(all) != 1 {
		return "", fmt.Errorf("look at the schema of a test: %d rows, %w", len(all), err)
	}
	return all[0], nil
}

func texts(ctx context.Context, db *store.DB, query string) (all []string, err error) {
	rows, err := db.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
