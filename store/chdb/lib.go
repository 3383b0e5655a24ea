package chdb

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"unsafe"
)

// library is libchdb, bound without cgo. All handles that it gives out are C memory: an opaque pointer here, never
// looked into.
type library struct {
	sigaction func(signal int32, action, old *byte) int32

	setSignalHandlers func(enabled int32)
	connectTo         func(argc int32, argv **byte) *unsafe.Pointer
	closeConn         func(conn *unsafe.Pointer)

	query  starter
	stream starter
	fetch  func(conn, stream unsafe.Pointer) unsafe.Pointer
	cancel func(conn, stream unsafe.Pointer)

	resultBuffer func(result unsafe.Pointer) *byte
	resultLength func(result unsafe.Pointer) uintptr
	resultError  func(result unsafe.Pointer) string
	destroy      func(result unsafe.Pointer)
}

// starter is the signature of the two C functions that start a statement: with the whole answer, or with a stream.
type starter = func(conn unsafe.Pointer, text *byte, textLen uintptr, format *byte, formatLen uintptr,
	names, nameLens, values, valueLens unsafe.Pointer, n uintptr) unsafe.Pointer

// lastSignal covers the standard signals on Linux and macOS. The real-time signals are left alone: glibc keeps two of
// them to itself.
const lastSignal = 31

// keepSignals runs f and puts back whatever signal handlers it replaced. libchdb resets the deadly ones to their
// defaults even when told to keep its hands off, and without Go's handler a nil dereference or a preemption kills us.
func (l *library) keepSignals(f func()) {
	// A struct sigaction is 152 bytes with glibc and 16 on macOS; it is only carried, never read.
	var saved [lastSignal + 1][256]byte
	var kept [lastSignal + 1]bool
	for s := range saved {
		kept[s] = s > 0 && l.sigaction(int32(s), nil, &saved[s][0]) == 0
	}
	defer func() {
		for s := range saved {
			if kept[s] {
				l.sigaction(int32(s), &saved[s][0], nil)
			}
		}
	}()
	f()
}

// connection is one session of the engine. It runs one query at a time, and its calls belong to one goroutine.
type connection struct {
	lib *library
	at  *unsafe.Pointer
}

// connect opens the database in dir. The first connection of a process starts the engine there; later ones share it and
// must name the same dir. The caller must hold the lock of dir: libchdb crashes when another process has it open.
func (l *library) connect(dir string) (*connection, error) {
	args := [][]byte{
		[]byte("clickhouse\x00"), []byte("--path=" + dir + "\x00"),
		[]byte("--\x00"), []byte("--max_parts_cleaning_thread_pool_size=4\x00"), // else the first merge starts 128 threads that stay
	}
	argv := make([]*byte, len(args)+1)
	var pin runtime.Pinner
	defer pin.Unpin()
	for i, a := range args {
		argv[i] = &a[0]
		pin.Pin(argv[i])
	}
	var at *unsafe.Pointer
	l.keepSignals(func() { at = l.connectTo(int32(len(args)), &argv[0]) })
	if at == nil || *at == nil {
		return nil, fmt.Errorf("connect to the engine: libchdb could not open %s: "+
			"was it written by a newer version, is the disk full or read-only?", dir)
	}
	return &connection{lib: l, at: at}, nil
}

// close ends the session. Closing the last one of the process shuts the engine down.
func (c *connection) close() { c.lib.closeConn(c.at) }

// parameter is the value of a {name:Type} placeholder, escaped as in TSV.
type parameter struct{ name, value string }

// statement is one query for the engine: text, the format of its answer unless the text names one, and parameters.
type statement struct {
	text   string
	format string
	params []parameter
}

// cstrings holds parameters in the two arrays of pointers and two of lengths that libchdb takes.
type cstrings struct {
	pin             runtime.Pinner
	names, values   []*byte
	nameLens, sizes []uintptr
}

func newCStrings(params []parameter) *cstrings {
	c := &cstrings{}
	for _, p := range params {
		// The NUL makes the pointer valid for an empty value too; it is not counted.
		name, value := []byte(p.name+"\x00"), []byte(p.value+"\x00")
		c.pin.Pin(&name[0])
		c.pin.Pin(&value[0])
		c.names, c.nameLens = append(c.names, &name[0]), append(c.nameLens, uintptr(len(p.name)))
		c.values, c.sizes = append(c.values, &value[0]), append(c.sizes, uintptr(len(p.value)))
	}
	return c
}

// run starts s and returns its result, or the error in it.
func (c *connection) run(call starter, s statement) (unsafe.Pointer, error) {
	text, format := []byte(s.text+"\x00"), []byte(s.format+"\x00")
	p := newCStrings(s.params)
	defer p.pin.Unpin()
	result := call(*c.at, &text[0], uintptr(len(s.text)), &format[0], uintptr(len(s.format)),
		unsafe.Pointer(unsafe.SliceData(p.names)), unsafe.Pointer(unsafe.SliceData(p.nameLens)),
		unsafe.Pointer(unsafe.SliceData(p.values)), unsafe.Pointer(unsafe.SliceData(p.sizes)), uintptr(len(s.params)))
	if result == nil {
		return nil, errors.New("libchdb gave no answer")
	}
	if err := c.lib.errorOf(result); err != nil {
		c.lib.destroy(result)
		return nil, err
	}
	return result, nil
}

// query runs s to its end and hands the whole answer to write, once, unless it is empty. The bytes are the engine's
// and valid only during the call.
func (c *connection) query(s statement, write func([]byte) error) error {
	result, err := c.run(c.lib.query, s)
	if err != nil {
		return err
	}
	defer c.lib.destroy(result)
	if answer := c.lib.bytesOf(result); len(answer) > 0 {
		return write(answer)
	}
	return nil
}

// streamed runs s and hands its answer to write block by block, so that only one block is in memory. An error before
// the first write means that nothing was written. When write fails the query is cancelled.
func (c *connection) streamed(s statement, write func([]byte) error) error {
	stream, err := c.run(c.lib.stream, s)
	if err != nil {
		return err
	}
	defer c.lib.destroy(stream)
	for {
		done, err := c.next(stream, write)
		if done {
			return err
		}
		if err != nil {
			c.lib.cancel(*c.at, stream)
			return err
		}
	}
}

// next writes one block. done is true at the end of the stream and after an error of the engine, which has ended the
// stream; an error of write leaves it open.
func (c *connection) next(stream unsafe.Pointer, write func([]byte) error) (done bool, err error) {
	block := c.lib.fetch(*c.at, stream)
	if block == nil {
		return true, errors.New("libchdb gave no answer")
	}
	defer c.lib.destroy(block)
	if err := c.lib.errorOf(block); err != nil {
		return true, err
	}
	answer := c.lib.bytesOf(block)
	if len(answer) == 0 {
		return true, nil
	}
	return false, write(answer)
}

func (l *library) bytesOf(result unsafe.Pointer) []byte {
	return unsafe.Slice(l.resultBuffer(result), l.resultLength(result))
}

// exception is an error that the engine reports, with ClickHouse's error code.
type exception struct {
	code int
	text string
}

func (e *exception) Error() string { return e.text }

// codeInText finds the code in "Code: 60. DB::Exception: Unknown table ...", which libchdb sometimes prefixes.
var codeInText = regexp.MustCompile(`\bCode: (\d+)\.`)

// unknownException is ClickHouse's UNKNOWN_EXCEPTION, for text without a code.
const unknownException = 1002

func (l *library) errorOf(result unsafe.Pointer) error {
	text := l.resultError(result)
	if text == "" {
		return nil
	}
	return newException(text)
}

func newException(text string) *exception {
	if at := codeInText.FindStringSubmatchIndex(text); at != nil {
		if code, err := strconv.Atoi(text[at[2]:at[3]]); err == nil {
			return &exception{code: code, text: text[at[0]:]}
		}
	}
	return &exception{code: unknownException, text: text}
}
