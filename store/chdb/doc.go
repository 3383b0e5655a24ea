// Package chdb is an embedded ClickHouse: libchdb, loaded without cgo, in a child process of this program that answers
// ClickHouse's HTTP interface on a unix socket. clickhouse-go talks to it as to any server:
//
//	child, err := chdb.Start(ctx, chdb.Options{Dir: dir, Log: log})
//	db, err := clickhouse.Open(&clickhouse.Options{
//		Protocol:    clickhouse.HTTP,
//		Addr:        []string{"localhost"}, // not looked at
//		DialContext: child.DialContext,
//	})
//
// A child process, because a crash in C++ or an out-of-memory kill must not take this program with it, and because one
// process holds a directory. The child dies with its parent and is started again when it dies alone. It knows nothing of
// dealtrail.
//
// What differs from a server: no users, no sessions, no external tables, no compression but gzip of what is sent. A
// setting in the URL and the database hold for one query, as there. A query whose client goes away is killed, except an
// insert whose rows have arrived.
//
// libchdb 26.5 has traps that this package steps around, each told where it is met: it resets signal handlers
// (keepSignals), crashes on a second process (lock), cuts binary rows inlined in an INSERT (handler.insert), hands the
// output of a failed query to the next one (sessions.run), loses comments when it binds parameters (sessions.kill), takes
// an expression for a SELECT (settingsWith), runs one query at a time per connection (sessions), and writes Native at
// revision 0 only (sessions.hello).
package chdb
