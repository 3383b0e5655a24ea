package ingest

import (
	"encoding/json"
	"fmt"
	"os"

	"dealtrail/trail"
)

// snapshotFile is the catalogue on disk.
type snapshotFile struct {
	Version uint64         `json:"version"`
	Targets []trail.Target `json:"targets"`
}

// saveSnapshot writes the file if something changed. A disk that refuses is
// logged; Run tries again.
func (c *Catalogue) saveSnapshot() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	changed := c.changed
	c.changed = false
	c.mu.Unlock()
	if !changed {
		return
	}
	data, err := json.Marshal(snapshotFile{Version: c.Version(), Targets: c.All()})
	if err == nil {
		err = writeFile(c.snapshot, append(data, '\n'))
	}
	if err != nil {
		c.log.Error("catalogue snapshot is not written", "err", err)
		c.mu.Lock()
		c.changed = true
		c.mu.Unlock()
	}
}

func (c *Catalogue) readSnapshot() error {
	data, err := os.ReadFile(c.snapshot)
	if err != nil {
		return fmt.Errorf("read the catalogue's snapshot: %w", err)
	}
	var f snapshotFile
	if err := json.Unmarshal(data, &f); err != nil {
		c.log.Error("catalogue snapshot cannot be read", "err", err)
		return fmt.Errorf("read the catalogue's snapshot: %w", err)
	}
	c.remember(f.Targets...)
	c.setVersion(f.Version)
	return nil
}
