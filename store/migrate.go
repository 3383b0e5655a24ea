package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Migrate brings the schema up to date: it applies each file of schema/ once, in
// the order of names, and replaces all views. A file that was applied and has
// changed since is an error that names it.
func (db *DB) Migrate(ctx context.Context) error {
	conn, err := db.connect(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return explain(db.bringUp(ctx, conn))
}

// bringUp is Migrate on a connection that nobody else uses yet.
func (db *DB) bringUp(ctx context.Context, conn driver.Conn) error {
	tables := sqlFiles("schema")
	// The first file makes the table of what was applied; it may run again.
	if err := db.apply(ctx, conn, tables[0]); err != nil {
		return err
	}
	applied, err := db.applied(ctx, conn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := db.applyNew(ctx, conn, tables, applied); err != nil {
		return err
	}
	for _, file := range sqlFiles("view") {
		if err := db.apply(ctx, conn, file); err != nil {
			return err
		}
	}
	return nil
}

// applyNew applies the files that were not yet, and notes all of them at once, also
// when one fails: each may be applied again.
func (db *DB) applyNew(ctx context.Context, conn driver.Conn, tables []string, applied map[string]string) (err error) {
	var names, checksums []string
	defer func() {
		if len(names) == 0 {
			return
		}
		noted := conn.Exec(ctx, db.text.query["InsertMigrations"], clickhouse.Named("names", names), clickhouse.Named("checksums", checksums))
		if noted != nil {
			err = errors.Join(err, fmt.Errorf("migrate: note what is applied: %w", noted))
		}
	}()
	for _, file := range tables {
		b, _ := files.ReadFile(file)
		sum := sha256.Sum256(b)
		name, checksum := path.Base(file), hex.EncodeToString(sum[:])
		switch before, known := applied[name]; {
		case known && before != checksum:
			return fmt.Errorf("migrate: %s was applied to this database and has changed since; put the old text back and make the change in a new file", name)
		case known:
			continue
		}
		if err := db.apply(ctx, conn, file); err != nil {
			return err
		}
		names, checksums = append(names, name), append(checksums, checksum)
		db.log.Debug("schema file applied", "source", name)
	}
	return nil
}

// applied returns the checksums of the files that were applied, by name.
func (db *DB) applied(ctx context.Context, conn driver.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, db.text.query["Migrations"])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	checksums := map[string]string{}
	for rows.Next() {
		var name, checksum string
		if err := rows.Scan(&name, &checksum); err != nil {
			return nil, err
		}
		checksums[name] = checksum
	}
	return checksums, rows.Err()
}

func (db *DB) apply(ctx context.Context, conn driver.Conn, file string) error {
	if err := db.exec(ctx, conn, db.text.expand(readFile(file))); err != nil {
		return fmt.Errorf("migrate: apply %s: %w", file, err)
	}
	return nil
}
