package ingest

import (
	"cmp"
	"fmt"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Connect returns a client for a Redis, a Sentinel group or a Cluster, made as
// this package needs it: deadlines of contexts count, and nothing is sent twice
// behind the caller's back. It dials when first used.
//
//	redis://user:password@host:6379/0, rediss://..., unix:///path/redis.sock
//	redis://host1:6379?addr=host2:6379&addr=host3:6379      a Cluster
//	redis://sentinel1:26379/0?master_name=dealtrail&addr=sentinel2:26379
func Connect(rawURL string) (redis.UniversalClient, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("redis.url cannot be read; it looks like redis://host:6379/0 or unix:///path/redis.sock")
	}
	const (
		once  = -1 // no retries
		dial  = 2 * time.Second
		wait  = 10 * time.Second // for an answer, when the context sets no earlier deadline
		conns = 64               // to one server, unless the address says pool_size
	)
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch query := u.Query(); {
	case query.Has("master_name"):
		o, err := redis.ParseFailoverURL(rawURL)
		if err != nil {
			return nil, fmt.Errorf("redis.url: %w", err)
		}
		o.MaxRetries, o.ContextTimeoutEnabled, o.DialTimeout, o.ReadTimeout, o.DialerRetries = once, true, dial, wait, 1
		o.PoolSize = cmp.Or(o.PoolSize, conns)
		return redis.NewFailoverClient(o), nil
	case query.Has("addr"):
		o, err := redis.ParseClusterURL(rawURL)
		if err != nil {
			return nil, fmt.Errorf("redis.url: %w", err)
		}
		o.MaxRetries, o.ContextTimeoutEnabled, o.DialTimeout, o.ReadTimeout, o.DialerRetries = once, true, dial, wait, 1
		o.PoolSize, o.MaintNotificationsConfig = cmp.Or(o.PoolSize, conns), quiet
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("redis.url: %w", err)
	}
	o.MaxRetries, o.ContextTimeoutEnabled, o.DialTimeout, o.ReadTimeout, o.DialerRetries = once, true, dial, wait, 1
	o.PoolSize, o.MaintNotificationsConfig = cmp.Or(o.PoolSize, conns), quiet
	return redis.NewClient(o), nil
}
