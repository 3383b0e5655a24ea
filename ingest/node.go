package ingest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	nodesKey = "dealtrail:nodes"
	// nodeEvery is how often a node says how it is doing, and nodeForgotten after how long a silent one is no longer
	// worth a word.
	nodeEvery     = 2 * time.Second
	nodeForgotten = 7 * 24 * time.Hour
)

// NodeID returns the name of the process that works on a data directory: the same
// after a restart, and another's nowhere else.
func NodeID(dir string) (string, error) {
	path := filepath.Join(dir, "node")
	if b, err := os.ReadFile(path); err == nil && len(strings.TrimSpace(string(b))) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "local"
	}
	id := host + "-" + strings.ToLower(rand.Text()[:8])
	if err := writeFile(path, []byte(id+"\n")); err != nil {
		return "", fmt.Errorf("name this node: %w", err)
	}
	return id, nil
}

// Nodes is where the processes of an installation say how they are doing, so that
// each can tell of all.
type Nodes struct {
	Redis redis.UniversalClient
	Own   func() trail.NodeStatus // this process, now
}

// Run says how this process is doing until ctx ends, and then that it is gone.
func (n *Nodes) Run(ctx context.Context) error {
	for {
		n.say(ctx)
		if !wait(ctx, nodeEvery) {
			break
		}
	}
	own := n.Own()
	if own.Spooled > 0 {
		return nil // somebody should know that events wait here
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = n.Redis.HDel(ctx, nodesKey, own.Node).Err() // else it is forgotten after a while
	return nil
}

func (n *Nodes) say(ctx context.Context) {
	own := n.Own()
	text, err := json.Marshal(own)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, nodeEvery)
	defer cancel()
	_ = evenFull(ctx, n.Redis, nodesKey, "HSET", nodesKey, own.Node, text) // Redis away is said elsewhere
}

// All returns how every process is doing: this one now, the others as they last
// said. The error is Redis's; this one is there in any case.
func (n *Nodes) All(ctx context.Context) ([]trail.NodeStatus, error) {
	own := n.Own()
	all := []trail.NodeStatus{own}
	fields, err := n.Redis.HGetAll(ctx, nodesKey).Result()
	for name, text := range fields {
		var node trail.NodeStatus
		if name == own.Node || json.Unmarshal([]byte(text), &node) != nil || time.Since(node.At) > nodeForgotten {
			continue
		}
		all = append(all, node)
	}
	return all, err
}
