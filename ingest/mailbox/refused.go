package mailbox

import (
	"context"
	"encoding/json"
	"time"
)

// Refused sign-ins are remembered beyond a restart: a program that is started
// again and again must not lock an account.

func (w *watch) refusedKey() string { return "mailbox/" + w.b.Name + "/refused" }

func (w *watch) recallRefused(ctx context.Context) {
	text, err := w.p.Memory.Load(ctx, w.refusedKey())
	var times []time.Time
	if err == nil && json.Unmarshal([]byte(text), &times) == nil {
		w.refused = times
	}
}

// rememberRefused does its best: a store that is away costs no more than a few
// tries.
func (w *watch) rememberRefused(ctx context.Context) {
	if text, err := json.Marshal(w.refused); err == nil {
		_ = w.p.Memory.Save(ctx, w.refusedKey(), string(text))
	}
}

// forgive forgets them once a sign-in went well.
func (w *watch) forgive(ctx context.Context) {
	if len(w.refused) > 0 {
		w.refused = nil
		w.rememberRefused(ctx)
	}
}
