package trail

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// LinesAMinute is how many lines of one kind the log gets within a minute.
const LinesAMinute = 30

// Lines bounds what the log gets of something that anybody can cause: whoever tries a
// lot must not fill the disk, nor hide one kind behind many of another. Kinds are few
// and known. The zero Lines is ready, and may be used by many at once.
type Lines[Kind cmp.Ordered] struct {
	mu     sync.Mutex
	minute time.Time
	n      map[Kind]int // within the minute
}

// Add counts one more of a kind, and reports whether it is worth a line. The first of
// another minute calls more, in the order of kinds, for those of which n had none since.
func (l *Lines[Kind]) Add(kind Kind, now time.Time, more func(kind Kind, n int, since time.Time)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.minute) >= time.Minute {
		for _, kind := range slices.Sorted(maps.Keys(l.n)) {
			if n := l.n[kind] - LinesAMinute; n > 0 {
				more(kind, n, l.minute)
			}
		}
		l.minute, l.n = now, map[Kind]int{}
	}
	l.n[kind]++
	return l.n[kind] <= LinesAMinute
}
