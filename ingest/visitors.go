package ingest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"log/slog"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// visitorKey holds the key under which addresses are hashed, for visitorLife and no longer; its name comes first.
	visitorKey  = "dealtrail:visitors:key"
	visitorLife = 48 * time.Hour
	// ownKey is a sorted set of the origins at which reps were signed in, by when.
	ownKey = "dealtrail:visitors:own"
	// visitorPoll is how often the nodes' common key and own origins are read.
	visitorPoll = 2 * time.Second
)

// Visitors is what is remembered of who asks: a key for hashing addresses and
// user agents that all nodes share and that is destroyed within 48 hours, and
// where our own reps sit. Nobody can go back from a hash to an address, nor test
// a guess once the key is gone.
type Visitors struct {
	Redis redis.UniversalClient
	Log   *slog.Logger

	secret atomic.Pointer[visitorSecret]
	own    atomic.Pointer[map[string]bool]
}

type visitorSecret struct {
	name  string // tells hashes of different keys apart
	key   [32]byte
	until time.Time
}

// keyScript returns the common key and how many milliseconds it has left, and
// makes it if there is none. KEYS[1] is the key; ARGV are a fresh one and its life.
// The last value is 1 if it was made.
var keyScript = redis.NewScript(`#!lua flags=allow-oom
local v = redis.call('GET', KEYS[1])
if v then return {v, redis.call('PTTL', KEYS[1]), 0} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {ARGV[1], tonumber(ARGV[2]), 1}`)

// Run keeps key and own origins up to date until ctx ends. It returns nil.
func (v *Visitors) Run(ctx context.Context) error {
	for {
		v.refresh(ctx)
		if !wait(ctx, visitorPoll) {
			return nil
		}
	}
}

// refresh reads what the nodes share. Without Redis a key of our own does until
// it answers: requests are then told apart on this node only.
func (v *Visitors) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, visitorPoll)
	defer cancel()
	answer, err := keyScript.Run(ctx, v.Redis, []string{visitorKey}, rand.Text()+rand.Text(), visitorLife.Milliseconds()).Slice()
	if err != nil || len(answer) != 3 {
		v.alone()
		return
	}
	text, _ := answer[0].(string)
	left, _ := answer[1].(int64)
	v.secret.Store(newSecret(text, time.Now().Add(time.Duration(left)*time.Millisecond)))
	if answer[2] == int64(1) {
		// The key before is gone from memory; this takes it off the disk too.
		if err := v.Redis.BgRewriteAOF(ctx).Err(); err != nil {
			v.Log.Debug("Redis does not rewrite its log now", "err", err)
		}
	}
	from := time.Now().Add(-visitorLife).UnixMilli()
	origins, err := v.Redis.ZRangeByScore(ctx, ownKey, &redis.ZRangeBy{Min: strconv.FormatInt(from, 10), Max: "+inf"}).Result()
	if err != nil {
		return
	}
	own := make(map[string]bool, len(origins))
	for _, o := range origins {
		own[o] = true
	}
	v.own.Store(&own)
}

// alone sees to it that there is a key.
func (v *Visitors) alone() {
	if s := v.secret.Load(); s == nil || time.Now().After(s.until) {
		v.secret.Store(newSecret(rand.Text()+rand.Text(), time.Now().Add(visitorLife)))
	}
}

func newSecret(text string, until time.Time) *visitorSecret {
	name := sha256.Sum256([]byte("name\x00" + text))
	return &visitorSecret{name: originText.EncodeToString(name[:5])[:keyName], key: sha256.Sum256([]byte("key\x00" + text)), until: until}
}

// keyName is how many characters at the start of a hash name its key.
const keyName = 3

// originText writes hashes: 12 characters hold 60 bits.
var originText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (s *visitorSecret) hash(what byte, text string) string {
	var buffer [33 + 64]byte
	b := append(append(buffer[:0], s.key[:]...), what)
	sum := sha256.Sum256(append(b, text...))
	return s.name + originText.EncodeToString(sum[:8])[:12]
}

// Hash returns what an address and a user agent are called at the moment. The
// origin of an address that many share or that never comes from outside (this
// machine, a private network: most likely a proxy in front of us) is "".
func (v *Visitors) Hash(address, userAgent string) (origin, device string) {
	s := v.secret.Load()
	if s == nil || time.Now().After(s.until) {
		v.alone()
		s = v.secret.Load()
	}
	if a := customer(address); a != "" {
		origin = s.hash('a', a)
	}
	return origin, s.hash('u', userAgent)
}

// customer returns the part of an address that stands for one customer: all of it in
// IPv4, the first 64 bits in IPv6; "" for one that tells nobody apart.
func customer(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	if a = a.Unmap(); translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || shared.Contains(a) || testing.Contains(a) {
		return ""
	}
	if a.Is6() {
		a = netip.PrefixFrom(a, 64).Masked().Addr()
	}
	return a.String()
}

var (
	shared     = netip.MustParsePrefix("100.64.0.0/10") // between a provider and its customers, and inside clusters (RFC 6598)
	testing    = netip.MustParsePrefix("198.18.0.0/15") // RFC 2544
	translated = netip.MustParsePrefix("64:ff9b::/96")  // IPv4 in IPv6 (RFC 6052)
)

// Own reports whether one of our reps was signed in at an origin.
func (v *Visitors) Own(origin string) bool {
	own := v.own.Load()
	return own != nil && (*own)[origin]
}

// Note remembers that a rep is signed in at an address.
func (v *Visitors) Note(ctx context.Context, address string) {
	origin, _ := v.Hash(address, "")
	if origin == "" || v.Own(origin) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	now := time.Now()
	_, err := v.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, ownKey, redis.Z{Score: float64(now.UnixMilli()), Member: origin})
		p.ZRemRangeByScore(ctx, ownKey, "-inf", strconv.FormatInt(now.Add(-visitorLife).UnixMilli(), 10))
		return nil
	})
	if err != nil {
		v.Log.Debug("a rep's address is not noted", "err", err)
	}
}
