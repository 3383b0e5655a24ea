package feed

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// unmatchedMost is how many persons are listed who are to be erased and whom nobody knows.
const unmatchedMost = 200

// unmatchedScript lists a person unless there are too many. KEYS is the list; ARGV are the
// CRM's ID, the time in milliseconds, how long the list is kept, and how many there may be.
var unmatchedScript = redis.NewScript(`
if redis.call('HLEN', KEYS[1]) < tonumber(ARGV[4]) then redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`)

// meetPeople takes down which address persons of the CRM's have, as hashes: one who is on no
// deal may have to be erased later, when the CRM does not have the address any more.
func (f *Feeds) meetPeople(ctx context.Context, s *Source, changes []Change) error {
	var pairs []any
	for _, c := range changes {
		if c.Is.ID != "" && c.Is.Address != "" {
			pairs = append(pairs, c.Is.ID, string(f.contactOf(c.Is.Address)))
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	if err := f.Redis.HSet(ctx, s.key("people"), pairs...).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// whoIs returns the contact's ID or the address of a person of the CRM's: as it said on a
// deal or in a delivery, or says when it is asked now. "" if nobody knows.
func (f *Feeds) whoIs(ctx context.Context, s *Source, api asked, id string) (string, error) {
	contact, err := f.Redis.HGet(ctx, s.key("people"), id).Result()
	if err = ignoreNil(err); err != nil {
		return "", unavailable(err)
	}
	if contact != "" {
		return contact, nil
	}
	if h, ok := api.(*hubspotAPI); ok {
		address, err := h.address(ctx, id)
		return trail.NormalAddress(address), err
	}
	return "", nil
}

// unmatched lists a person who is to be erased and whom nobody here knows, for people to see.
func (f *Feeds) unmatched(ctx context.Context, s *Source, id string) error {
	f.Log.Warn("a CRM wants a person erased whose address is not known", "crm", s.Name, "id", id)
	err := unmatchedScript.Run(ctx, f.Redis, []string{s.key("unmatched")}, id, strconv.FormatInt(f.now().UnixMilli(), 10), asideLife.Milliseconds(), unmatchedMost).Err()
	if err != nil {
		return unavailable(err)
	}
	return nil
}
