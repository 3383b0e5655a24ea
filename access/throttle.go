package access

import (
	"context"
	"net/netip"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// How often one may be wrong within throttleFor. A success gives an account all of its
// tries back; a network keeps what it has used, so that one good account does not pay
// for guessing others.
const (
	throttleFor  = 15 * time.Minute
	accountTries = 10
	networkTries = 60
)

// try takes one of the tries that are left for something, known or not. It counts
// before the answer is known, so that many at once are no more than one after another.
func (a *Access) try(ctx context.Context, kind, what string, limit int64) error {
	key := throttleOf + kind + ":" + hashed(what)[:32]
	pipe := a.Redis.TxPipeline()
	n := pipe.Incr(ctx, key)
	pipe.ExpireNX(ctx, key, throttleFor)
	if _, err := pipe.Exec(ctx); err != nil {
		return a.unavailable("count tries", err)
	}
	if n.Val() > limit {
		if a.Log != nil && n.Val() == limit+1 {
			a.Log.Warn("too many tries to sign in", "by", kind, "network_or_account", hashed(what)[:12])
		}
		return trail.Problemf(trail.TooMany, "That was tried too often. Wait a quarter of an hour, or ask an admin for a sign-in link.")
	}
	return nil
}

// forgive gives the tries of something back.
func (a *Access) forgive(ctx context.Context, kind, what string) {
	a.Redis.Del(ctx, throttleOf+kind+":"+hashed(what)[:32])
}

// backScript returns a try, unless all are forgotten by now: a count that begins here would have no end.
var backScript = redis.NewScript(`if redis.call("EXISTS", KEYS[1]) == 1 then redis.call("DECR", KEYS[1]) end return 1`)

// giveBack returns one try of a network, which was right.
func (a *Access) giveBack(ctx context.Context, kind, what string) {
	backScript.Run(ctx, a.Redis, []string{throttleOf + kind + ":" + hashed(what)[:32]})
}

// network is what one customer of a provider has: an address, or a /64 of IPv6.
func network(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() && !ip.Is4In6() {
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return address
}
