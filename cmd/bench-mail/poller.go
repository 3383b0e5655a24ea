package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

const (
	rep      = "ana@harbor.example"
	page     = "https://www.harbor.example/roi-guide"
	content  = trail.ContentID("roi-guide")
	fileSize = 100_000
)

// fixed returns a file that is registered, always the same.
func fixed() []byte {
	b := make([]byte, 0, fileSize+sha256.Size)
	for sum := sha256.Sum256([]byte("a file")); len(b) < fileSize; sum = sha256.Sum256(sum[:]) {
		b = append(b, sum[:]...)
	}
	return b[:fileSize]
}

// pipe is a private Redis that keeps what a poller hands over and remembers, as
// in the program: each write is on the disk before it is answered.
type pipe struct {
	server *ingest.Redis
	rdb    redis.UniversalClient
	buffer *ingest.Buffer
}

func (b *bench) pipe(ctx context.Context, name string) (*pipe, error) {
	log := slog.New(slog.DiscardHandler)
	server, err := ingest.StartRedis(ctx, ingest.RedisOptions{Dir: filepath.Join(b.dir, name), Memory: 2 << 30, Log: log})
	if err != nil {
		return nil, err
	}
	rdb, err := ingest.Connect(server.URL())
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return &pipe{server: server, rdb: rdb, buffer: ingest.NewBuffer(rdb, log)}, nil
}

func (p *pipe) close() error { return errors.Join(p.rdb.Close(), p.server.Close()) }

// poller returns a poller that does all that the program's does.
func (p *pipe) poller(keys *trail.Keyring, emit trail.Emit, boxes ...mailbox.Box) *mailbox.Poller {
	return &mailbox.Poller{
		Boxes: boxes, Reader: reader(keys), Emit: emit, Memory: memory(p.rdb), Log: slog.New(slog.DiscardHandler),
		Every: time.Hour, Settle: time.Hour, Now: time.Now,
	}
}

// reader knows a content by its links, its page and its file.
func reader(keys *trail.Keyring) *mailbox.Reader {
	sum := sha256.Sum256(fixed())
	file := hex.EncodeToString(sum[:])
	return &mailbox.Reader{
		Keys: keys, Contacts: trail.ContactKey("a key for measuring"), OwnDomains: []string{trail.Domain(rep)},
		ByKey: func(k trail.ContentKey) (trail.ContentID, bool, error) {
			return content, k == trail.KeyOf(content), nil
		},
		ByURL:     func(url string) (trail.ContentID, time.Time, bool) { return content, time.Time{}, url == page },
		ByFile:    func(sha256 string) (trail.ContentID, time.Time, bool) { return content, time.Time{}, sha256 == file },
		FileSizes: func() []int64 { return []int64{fileSize} },
		Account:   trail.Domain,
	}
}

// memory keeps in Redis what the program's poller keeps there, in the same way.
func memory(rdb redis.UniversalClient) mailbox.Memory {
	const cursors, marks, sighted = "cursors", "marks", "sighted:"
	members := func(names []string) []any {
		out := make([]any, len(names))
		for i, n := range names {
			out[i] = n
		}
		return out
	}
	return mailbox.Memory{
		Load: func(ctx context.Context, key string) (string, error) {
			v, err := rdb.HGet(ctx, cursors, key).Result()
			if errors.Is(err, redis.Nil) {
				return "", nil
			}
			return v, err
		},
		Save:     func(ctx context.Context, key, value string) error { return rdb.HSet(ctx, cursors, key, value).Err() },
		MarkSent: func(ctx context.Context, names ...string) error { return rdb.SAdd(ctx, marks, members(names)...).Err() },
		WasSent: func(ctx context.Context, names ...string) (map[string]bool, error) {
			is, err := rdb.SMIsMember(ctx, marks, members(names)...).Result()
			if err != nil {
				return nil, err
			}
			known := map[string]bool{}
			for i, n := range names {
				known[n] = is[i]
			}
			return known, nil
		},
		Sight: func(ctx context.Context, thing, rep string) (int, error) {
			if err := rdb.SAdd(ctx, sighted+thing, rep).Err(); err != nil {
				return 0, err
			}
			n, err := rdb.SCard(ctx, sighted+thing).Result()
			return int(n), err
		},
	}
}

// box is a user's mailbox on a server, at a port of its proxy or its own.
func box(s *mailtest.Server, user string, port int) mailbox.Box {
	return mailbox.Box{
		Name: user, Rep: rep, Host: s.Host, Port: port, Security: "none", Username: user, Since: 3 * 365 * 24 * time.Hour,
		Password: func() (string, error) { return s.Password(user), nil },
	}
}
