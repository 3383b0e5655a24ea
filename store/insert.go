package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// insertRows is how many rows go into one INSERT. Each becomes one part of the
// table as a whole or not at all.
const insertRows = 50_000

// InsertEvents stores events. People go first and into their own table, so that
// whoever finds an event finds its contact. Inserting an event again changes no
// report; an error means that some of the events may be stored.
func (db *DB) InsertEvents(ctx context.Context, events []trail.Event) error {
	err := insert(ctx, db, "InsertPeople", peopleOf(events), func(b driver.Batch, p person) error {
		return b.Append(p.contact, p.Address, p.Name, p.Title, p.rank)
	})
	if err != nil {
		return err
	}
	return insertByID(ctx, db, "InsertEvents", events, func(e trail.Event) trail.ID { return e.ID }, func(b driver.Batch, e trail.Event) error {
		return b.Append(e.ID[:], e.Revision, string(e.Kind), moment(e.At), moment(e.ReceivedAt), moment(e.RevisedAt), e.Source,
			e.Content, string(e.Share), e.Message, string(e.Contact), e.Account, e.Rep, e.Deal, e.Stage,
			string(e.Agent), e.Probability, list(e.Rules), e.Signal, e.RuleSet, e.Signs, e.Network, e.Origin, e.Device, e.LedTo, string(e.Withheld), e.Note, attrs(b, e.Attrs))
	})
}

// person is a row of people.
type person struct {
	trail.Person
	contact string
	rank    uint64
}

// peopleOf returns who the contacts of the events are: of each contact the
// person that ranks highest, in the order of contacts.
func peopleOf(events []trail.Event) []person {
	best := map[string]person{}
	for _, e := range events {
		if e.Person == nil || e.Contact == "" {
			continue
		}
		p := person{Person: *e.Person, contact: string(e.Contact), rank: rank(e)}
		if before, ok := best[p.contact]; !ok || p.rank > before.rank {
			best[p.contact] = p
		}
	}
	return slices.SortedFunc(maps.Values(best), func(a, b person) int { return cmp.Compare(a.contact, b.contact) })
}

// rank says whose word counts on who a contact is: the CRM's over any mail's,
// its newest first; among mails the first. That is one bit for the CRM and 48 of
// milliseconds. The last 15 are of the event's ID, so that two words of one
// millisecond do not depend on which was inserted last.
func rank(e trail.Event) uint64 {
	const crm = 1 << 48
	ms := uint64(e.ReceivedAt.UnixMilli()) & (crm - 1)
	tie := (uint64(e.ID[14])<<8 | uint64(e.ID[15])) & (1<<15 - 1)
	if e.Kind == trail.ContactKind {
		return (crm+ms)<<15 | tie
	}
	return (crm-1-ms)<<15 | tie
}

// Entry is the place of an entry in the streams.
type Entry struct {
	Epoch     string // the streams' life
	Partition uint8
	Ms, Seq   uint64 // the ID that Redis gave
}

// String is how a place is written in reports and commands.
func (e Entry) String() string { return fmt.Sprintf("%s-%d-%d-%d", e.Epoch, e.Partition, e.Ms, e.Seq) }

// Arrival says which event an entry of the streams became.
type Arrival struct {
	Event    trail.ID
	Revision uint16
	Entry    Entry
}

// InsertArrivals keeps where events came from. It comes after InsertEvents.
func (db *DB) InsertArrivals(ctx context.Context, arrivals []Arrival) error {
	return insertByID(ctx, db, "InsertArrivals", arrivals, func(a Arrival) trail.ID { return a.Event }, func(b driver.Batch, a Arrival) error {
		return b.Append(a.Event[:], a.Revision, a.Entry.Epoch, a.Entry.Partition, a.Entry.Ms, a.Entry.Seq)
	})
}

// insert sends rows under query/name.sql, in batches.
func insert[T any](ctx context.Context, db *DB, name string, rows []T, put func(driver.Batch, T) error) error {
	for chunk := range slices.Chunk(rows, insertRows) {
		if err := insertChunk(ctx, db, name, chunk, put); err != nil {
			return fmt.Errorf("insert %d rows with %s: %w", len(chunk), name, explain(err))
		}
	}
	return nil
}

func insertChunk[T any](ctx context.Context, db *DB, name string, rows []T, put func(driver.Batch, T) error) error {
	conn, err := db.connect(ctx)
	if err != nil {
		return err
	}
	return send(ctx, conn, db.text.query[name], rows, put)
}

// insertByID is insert into a table that lies in pieces on a cluster: each shard is sent its
// own rows, at once.
func insertByID[T any](ctx context.Context, db *DB, name string, rows []T, id func(T) trail.ID, put func(driver.Batch, T) error) error {
	_, err := db.connect(ctx)
	if err != nil {
		return err
	}
	c := db.ready.Load()
	if len(c.shards) == 0 {
		return insert(ctx, db, name, rows, put)
	}
	into := intoTable.ReplaceAllString(db.text.query[name], "INSERT INTO ${1}_local ")
	g, ctx := errgroup.WithContext(ctx)
	for i, part := range byShard(rows, len(c.shards), id) {
		g.Go(func() error {
			for chunk := range slices.Chunk(part, insertRows) {
				if err := send(ctx, c.shards[i], into, chunk, put); err != nil {
					return fmt.Errorf("insert %d rows with %s into shard %d: %w", len(chunk), name, i+1, explain(err))
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// intoTable is how an insert begins.
var intoTable = regexp.MustCompile(`^INSERT INTO (\w+) `)

// send inserts rows as one block.
func send[T any](ctx context.Context, conn driver.Conn, statement string, rows []T, put func(driver.Batch, T) error) error {
	b, err := conn.PrepareBatch(ctx, statement)
	if err != nil {
		return err
	}
	defer b.Close()
	for i, row := range rows {
		if err := put(b, row); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return b.Send()
}

// moment is a time as the tables keep it: no time is the epoch.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.UnixMilli(0).UTC()
	}
	return t.UTC().Truncate(time.Millisecond)
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// attrs are the attributes as the last column of a batch takes them: servers before
// 21.1 have no maps, and their tables keep JSON.
func attrs(b driver.Batch, m map[string]string) any {
	if columns := b.Columns(); columns[len(columns)-1].Type() == "String" {
		text, _ := json.Marshal(m) // texts cannot fail
		return string(text)
	}
	if m == nil {
		return map[string]string{}
	}
	return m
}
