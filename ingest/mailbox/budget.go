package mailbox

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"dealtrail/trail"
)

// metered counts what arrives on a connection.
type metered struct {
	net.Conn
	n *atomic.Int64
}

func (m metered) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.n.Add(int64(n))
	return n, err
}

// budget is what was read of a mailbox today, in bytes.
type budget struct {
	day  string // in UTC
	read int64
}

func (w *watch) budgetKey() string { return "mailbox/" + w.b.Name + "/bytes" }

// afford counts what the connection brought since the last time, and refuses
// when that is as much as may be read in a day: providers lock mailboxes over it.
func (w *watch) afford(ctx context.Context) error {
	if w.b.DailyBytes <= 0 {
		return nil
	}
	today := w.p.now().UTC().Format(time.DateOnly)
	if w.spent.day == "" {
		text, err := w.p.Memory.Load(ctx, w.budgetKey())
		if err != nil {
			return stored(fmt.Errorf("load what was read today: %w", err))
		}
		if _, err := fmt.Sscan(text, &w.spent.day, &w.spent.read); err != nil {
			w.spent = budget{}
		}
	}
	if w.spent.day != today {
		w.spent = budget{day: today}
	}
	brought := w.session.arrived.Swap(0)
	w.spent.read += brought
	if brought > 0 {
		if err := w.p.Memory.Save(ctx, w.budgetKey(), fmt.Sprint(w.spent.day, " ", w.spent.read)); err != nil {
			return stored(fmt.Errorf("save what was read today: %w", err))
		}
	}
	if w.spent.read >= w.b.DailyBytes {
		return trail.Problemf(trail.Unavailable, "%d MB were read from this mailbox today, which is mailboxes.daily_mb; the rest is read from tomorrow on.", w.spent.read>>20)
	}
	return nil
}
