package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
)

func leases(rdb redis.UniversalClient, node string, names int) *ingest.Leases {
	l := &ingest.Leases{Redis: rdb, Node: node, Group: "test", TTL: 400 * time.Millisecond, Log: quiet()}
	for i := range names {
		l.Names = append(l.Names, fmt.Sprintf("lease:%02d", i))
	}
	return l
}

// shared reports whether members hold every name between them, none twice, and
// nobody more than a fair share.
func shared(names int, members ...*ingest.Leases) bool {
	var all []string
	for _, m := range members {
		held := m.Held()
		if len(held) == 0 || len(held) > (names+len(members)-1)/len(members) {
			return false
		}
		all = append(all, held...)
	}
	slices.Sort(all)
	return len(slices.Compact(all)) == names
}

func TestMembersShareLeasesFairlyAndTakeOverFromWhoIsGone(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	a, b, c := leases(rdb, "a", 16), leases(rdb, "b", 16), leases(rdb, "c", 16)
	stopA := background(t, a.Keep)
	eventually(t, "the only member has everything", func() bool { return shared(16, a) })
	background(t, b.Keep)
	eventually(t, "two have half each", func() bool { return shared(16, a, b) })

	ctx := t.Context() // c is not kept: after these turns it is silent, like a process that was killed
	eventually(t, "three have a share each", func() bool { ingest.Turn(c, ctx); return shared(16, a, b, c) })
	eventually(t, "what the silent one had is the others'", func() bool { return shared(16, a, b) })

	stopA()
	if len(a.Held()) != 0 {
		t.Errorf("who left in order still holds %v", a.Held())
	}
	eventually(t, "the last has everything", func() bool { return shared(16, b) })
}

func TestWorkUnderALeaseIsDoneByOneAndBegunAgain(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	const names = 6
	var mu sync.Mutex
	doing, begun := map[string]int{}, map[string]int{}
	var twice atomic.Bool
	work := func(ctx context.Context, name string) {
		mu.Lock()
		doing[name]++
		begun[name]++
		if doing[name] > 1 {
			twice.Store(true)
		}
		again := begun[name]%2 == 1
		mu.Unlock()
		if !again { // every other time the work ends by itself
			<-ctx.Done()
		}
		mu.Lock()
		doing[name]--
		mu.Unlock()
	}
	run := func(node string) func() {
		l := leases(rdb, node, names)
		l.TTL = 4 * time.Second // a machine that is busy for less must not let a lease run out
		return background(t, func(ctx context.Context) error { return l.Each(ctx, work) })
	}
	stop := run("a")
	run("b")
	all := func(atLeast int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			for i := range names {
				name := fmt.Sprintf("lease:%02d", i)
				if begun[name] < atLeast || doing[name] != 1 {
					return false
				}
			}
			return true
		}
	}
	eventually(t, "all work was begun again", all(2))
	stop()
	eventually(t, "the other does all of it", all(2))
	if twice.Load() {
		t.Error("two did the same work at once")
	}
}

func TestAloneExcludesUntilReleased(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	_, release, ok := ingest.Alone(t.Context(), rdb, ingest.RunLease)
	if !ok {
		t.Fatal("nobody holds it, and yet it was refused")
	}
	if _, _, ok := ingest.Alone(t.Context(), rdb, ingest.RunLease); ok {
		t.Error("two hold it")
	}
	release()
	_, again, ok := ingest.Alone(t.Context(), rdb, ingest.RunLease)
	if !ok {
		t.Fatal("it was released, and yet it was refused")
	}
	again()
}

// Who works alone must hear that they do so no more: another has the lease, or could have it.
func TestAloneEndsTheWorkOfWhoLostTheLease(t *testing.T) {
	server := startRedis(t, t.TempDir())
	rdb := connect(t, server)
	lost := func(held context.Context) {
		t.Helper()
		select {
		case <-held.Done():
		case <-time.After(time.Minute):
			t.Fatal("the work goes on")
		}
		if why := context.Cause(held); !errors.Is(why, ingest.ErrLost) {
			t.Errorf("it ended because of %v", why)
		}
	}
	held, release, ok := ingest.AloneFor(t.Context(), rdb, ingest.RunLease, 400*time.Millisecond)
	if !ok {
		t.Fatal("nobody holds it, and yet it was refused")
	}
	if err := rdb.Set(t.Context(), ingest.RunLease, "another", 0).Err(); err != nil {
		t.Fatal(err)
	}
	lost(held)
	release()
	if who := rdb.Get(t.Context(), ingest.RunLease).Val(); who != "another" {
		t.Errorf("who lost it gave it back for %q", who)
	}
	silent, release, ok := ingest.AloneFor(t.Context(), rdb, ingest.HoldoutLease, 400*time.Millisecond)
	if !ok {
		t.Fatal("nobody holds it, and yet it was refused")
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	lost(silent)
	release()
}

func TestLeasesThatAreNoLongerWantedCostTheOthersNothing(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	var mu sync.Mutex
	wanted, begun, doing := []string{"lease:a", "lease:b"}, map[string]int{}, map[string]bool{}
	l := leases(rdb, "a", 0)
	turns := 0
	l.Ask = func() []string {
		mu.Lock()
		defer mu.Unlock()
		turns++
		return slices.Clone(wanted)
	}
	want := func(names ...string) {
		mu.Lock()
		defer mu.Unlock()
		wanted, turns = names, 0
	}
	leave := make(chan struct{})
	background(t, func(ctx context.Context) error {
		return l.Each(ctx, func(ctx context.Context, name string) {
			mu.Lock()
			begun[name]++
			doing[name] = true
			mu.Unlock()
			<-ctx.Done()
			if name == "lease:b" {
				<-leave // work that is slow to end
			}
			mu.Lock()
			doing[name] = false
			mu.Unlock()
		})
	})
	is := func(name string) bool {
		mu.Lock()
		defer mu.Unlock()
		return doing[name]
	}
	eventually(t, "both are done", func() bool { return is("lease:a") && is("lease:b") })
	want("lease:a")
	eventually(t, "some turns have passed", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return turns > 3
	})
	want("lease:a", "lease:c")
	eventually(t, "a new one is done", func() bool { return is("lease:c") })
	close(leave)
	eventually(t, "what nobody wants has ended and is free", func() bool { return !is("lease:b") && !slices.Contains(l.Held(), "lease:b") })
	mu.Lock()
	defer mu.Unlock()
	if begun["lease:a"] != 1 {
		t.Errorf("the work of a was begun %d times while others came and went", begun["lease:a"])
	}
}
