// Package ingest is the pipe between the sources and the store: the private
// redis-server, the [Buffer] on Redis Streams with its disk [Spool], the [Loader]
// that moves events from it into the store, the [Auditor] that counts both ends,
// the [Leases] by which processes share work, the [Corrector] that judges requests
// again, the [Consents] and [Visitors] that decide what is kept of people, the content [Catalogue] that
// redirects need, the [Files] that links serve, and the [Registry] through which
// people add content and make links.
//
// The pipe is at-least-once: a partition's position moves on only after the
// insert returned, so whatever is killed, whenever, an entry may be loaded twice
// and is never lost. IDs of events make the copies one when read. docs/pipe.md
// says what is promised and what is not.
//
// All keys in Redis begin with "dealtrail:".
package ingest
