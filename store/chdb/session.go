package chdb

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// session is a connection with the database and settings that are in force on it.
type session struct {
	conn     *connection
	database string
	settings map[string]string
	mark     string // ends log_comment, and so finds what runs here in system.processes
}

// sessions is the pool. One connection runs one query at a time, so their number is the number of queries at once.
type sessions struct {
	lib  *library
	dir  string
	free chan *session // nil stands for a session that is yet to be connected

	// control is kept for KILL QUERY, which must not wait for a free session, and keeps the engine open.
	control *connection
	killing sync.Mutex
	serial  atomic.Int64
}

func openSessions(lib *library, dir string, n int) (*sessions, error) {
	control, err := lib.connect(dir)
	if err != nil {
		return nil, err
	}
	p := &sessions{lib: lib, dir: dir, control: control, free: make(chan *session, n)}
	for range n {
		p.free <- nil
	}
	return p, nil
}

// close ends all sessions and with them the engine, once no query uses them.
func (p *sessions) close() {
	for range cap(p.free) {
		if s := <-p.free; s != nil {
			s.conn.close()
		}
	}
	p.control.close()
}

// defaultDatabase is where a fresh connection is.
const defaultDatabase = "default"

func (p *sessions) connect() (*session, error) {
	conn, err := p.lib.connect(p.dir)
	if err != nil {
		return nil, err
	}
	mark := fmt.Sprintf("engine session %d.", p.serial.Add(1))
	return &session{conn: conn, database: defaultDatabase, mark: mark}, nil
}

// job is one statement with where and how it runs.
type job struct {
	statement
	database string
	settings map[string]string
	streamed bool // answer block by block; only SELECT can
	finish   bool // run to the end even when ctx is done: the rows of an INSERT have been taken
	keep     bool // leaves nothing behind in its session
}

// run executes j on a free session and hands the answer to write; see connection.query and connection.streamed. When ctx
// ends first, the query is killed and its error, usually QUERY_WAS_CANCELLED, is returned.
func (p *sessions) run(ctx context.Context, j job, write func([]byte) error) (err error) {
	var s *session
	select {
	case s = <-p.free:
	case <-ctx.Done():
		return fmt.Errorf("wait for a free connection: %w", ctx.Err())
	}
	ended := false
	defer func() {
		// A failed query leaves what it had written so far in its connection, and the next query would return it; so does a
		// panic or a stream that was given up. Opening another one costs half a millisecond.
		if s != nil && (!ended || err != nil || !j.keep) {
			s.conn.close()
			s = nil
		}
		p.free <- s
	}()
	// libchdb keeps state of a query in thread locals.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if s == nil {
		if s, err = p.connect(); err != nil {
			return err
		}
	}
	if err = s.prepare(j.database, j.settings); err != nil {
		return err
	}
	if !j.finish {
		defer p.killWhenDone(ctx, s.mark)()
	}
	err = s.execute(j, write)
	ended = true
	return err
}

// execute runs j. What the engine will not stream, such as WITH ... INSERT, it says before it has begun.
func (s *session) execute(j job, write func([]byte) error) error {
	if !j.streamed {
		return s.conn.query(j.statement, write)
	}
	err := s.conn.streamed(j.statement, write)
	if err != nil && strings.Contains(err.Error(), "Streaming query is not supported for query") {
		return s.conn.query(j.statement, write)
	}
	return err
}

// prepare brings the session to database and settings. Nearly always both are as the query before left them.
func (s *session) prepare(database string, settings map[string]string) error {
	if database != s.database {
		if err := s.conn.query(statement{text: "USE " + quoteName(database)}, nil); err != nil {
			return err
		}
		s.database = database
	}
	wanted := s.settingsWith(settings)
	var changes []string
	for name, value := range wanted {
		if old, ok := s.settings[name]; !ok || old != value {
			if !settingName.MatchString(name) {
				return newException(fmt.Sprintf("Code: 115. DB::Exception: Setting %q is not a name. (UNKNOWN_SETTING)", name))
			}
			changes = append(changes, name+" = "+quoteText(value))
		}
	}
	for name := range s.settings {
		if _, ok := wanted[name]; !ok {
			changes = append(changes, name+" = DEFAULT")
		}
	}
	if len(changes) == 0 {
		return nil
	}
	slices.Sort(changes)
	if err := s.conn.query(statement{text: "SET " + strings.Join(changes, ", ")}, nil); err != nil {
		return err
	}
	s.settings = wanted
	return nil
}

// settingsWith adds what every query here needs.
func (s *session) settingsWith(settings map[string]string) map[string]string {
	// libchdb takes a bare expression for a SELECT, and so answers a typing error with "unknown identifier"; a server does not.
	wanted := map[string]string{"implicit_select": "0"}
	maps.Copy(wanted, settings)
	wanted["log_comment"] = strings.TrimSpace(settings["log_comment"] + " " + s.mark)
	return wanted
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var textQuoter = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

func quoteText(s string) string { return "'" + textQuoter.Replace(s) + "'" }

func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

// killInterval is the time between two attempts to kill a query; the first can come before the engine knows the query.
const killInterval = 50 * time.Millisecond

// killWhenDone kills what runs in the session with mark when ctx ends before the returned function is called.
func (p *sessions) killWhenDone(ctx context.Context, mark string) (stop func()) {
	stopped, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		select {
		case <-stopped:
			return
		case <-ctx.Done():
		}
		again := time.NewTicker(killInterval)
		defer again.Stop()
		for {
			p.kill(mark)
			select {
			case <-stopped:
				return
			case <-again.C:
			}
		}
	}()
	return func() {
		close(stopped)
		<-left
	}
}

// kill ends what runs in the session with mark. The C calls take no query ID, and a comment in the text is lost when the
// engine puts parameters into it; so the mark is in a setting. That nothing runs there is no error, and nothing can be
// done about one: the query then runs to its end, as does one whose text sets log_comment itself.
func (p *sessions) kill(mark string) {
	p.killing.Lock()
	defer p.killing.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = p.control.query(statement{
		text:   "KILL QUERY WHERE endsWith(Settings['log_comment'], " + quoteText(mark) + ") ASYNC",
		format: "Null",
	}, func([]byte) error { return nil })
}
