package chdb

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// handler answers ClickHouse's HTTP interface, as far as clickhouse-go and curl use it: no sessions, no users, no
// compression of answers.
type handler struct {
	pool  *sessions
	spool string // directory for the rows of inserts under way
	hello []byte
}

// helloQuery is what clickhouse-go sends first on every connection.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

// notSettings are the URL keys that are not settings of the query.
var notSettings = map[string]bool{
	"query": true, "database": true, "default_format": true, "client_protocol_version": true,
	"query_id": true, "quota_key": true, "user": true, "password": true, "role": true,
	"stacktrace": true, "buffer_size": true, "wait_end_of_query": true, "session_timeout": true, "session_check": true,
	"compress": true, "decompress": true, "close_session": true, "session_id": true,
}

// notImplemented and notSeveral look like ClickHouse's own errors, so that the driver makes an Exception of them.
func notImplemented(what string) error {
	return newException("Code: 48. DB::Exception: The embedded engine does not take " + what + ". (NOT_IMPLEMENTED)")
}

var errSeveral = newException("Code: 62. DB::Exception: Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)")

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{w: w}
	if r.URL.Path == "/ping" {
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	if err := h.serve(a, r); err != nil {
		a.fail(err)
	}
}

func (h *handler) serve(a *answer, r *http.Request) error {
	q := r.URL.Query()
	body, err := plainBody(r, q)
	if err != nil {
		return err
	}
	defer body.Close()
	text := q.Get("query")
	if text == "" {
		all, err := io.ReadAll(body)
		if err != nil {
			return fmt.Errorf("read the query: %w", err)
		}
		text, body = string(all), http.NoBody
	}
	if q.Get("client_protocol_version") != "" && strings.TrimSpace(text) == helloQuery {
		return a.write(h.hello)
	}
	s := shapeOf(text)
	switch {
	case s.verb == "":
		return a.write([]byte("Ok.\n"))
	case s.several:
		return errSeveral
	}
	j := h.jobOf(q, text, s)
	if s.verb == "INSERT" {
		return h.insert(r.Context(), a, j, s, body)
	}
	more, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("read the query: %w", err)
	}
	if len(more) > 0 { // ClickHouse lets the query begin in the URL and go on in the body
		j.text += "\n" + string(more)
	}
	return h.pool.run(r.Context(), j, a.write)
}

// plainBody returns the body without its compression, or an error for what this server does not take.
func plainBody(r *http.Request, q url.Values) (io.ReadCloser, error) {
	for _, key := range []string{"compress", "decompress"} {
		if v := q.Get(key); v != "" && v != "0" && v != "false" {
			return nil, notImplemented("native compression (LZ4, ZSTD): leave clickhouse.Options.Compression unset")
		}
	}
	if q.Get("session_id") != "" {
		return nil, notImplemented("session_id: each query stands alone")
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, notImplemented("external tables")
	}
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return r.Body, nil
	case "gzip":
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("read the gzip body: %w", err)
		}
		return unzipped, nil
	default:
		return nil, notImplemented("Content-Encoding " + encoding + ": use gzip or none")
	}
}

// jobOf reads the URL keys: param_NAME binds a parameter, what is not known here is a setting.
func (h *handler) jobOf(q url.Values, text string, s shape) job {
	j := job{
		statement: statement{text: text, format: "TabSeparated"},
		database:  defaultDatabase,
		settings:  map[string]string{},
	}
	if d := q.Get("database"); d != "" {
		j.database = d
	}
	if f := q.Get("default_format"); f != "" {
		j.format = f
	}
	for key := range maps.Keys(q) {
		if name, ok := strings.CutPrefix(key, "param_"); ok {
			j.params = append(j.params, parameter{name, q.Get(key)})
		} else if !notSettings[key] {
			j.settings[key] = q.Get(key)
		}
	}
	format := s.format
	if format == "" {
		format = j.format
	}
	switch s.verb {
	case "SELECT", "WITH", "(":
		// Other formats have a head and a tail around all blocks.
		j.streamed = strings.EqualFold(format, "Native")
		j.keep = true
	case "INSERT", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN":
		j.keep = true
	}
	return j
}

// insert runs an INSERT. Rows after FORMAT, in the text or the body, go through a file: libchdb cuts inlined binary rows
// at the first empty line.
func (h *handler) insert(ctx context.Context, a *answer, j job, s shape, body io.Reader) error {
	if s.rows == "VALUES" || s.rows == "SELECT" {
		more, err := io.ReadAll(body)
		if err != nil {
			return fmt.Errorf("read the rows: %w", err)
		}
		j.text += string(more)
		return h.pool.run(ctx, j, a.write)
	}
	text, inlined := j.text, ""
	if s.rows == "FORMAT" && s.format != "" {
		inlined = strings.TrimPrefix(strings.TrimLeft(text[s.dataAt:], " \t\r"), "\n")
		text = text[:s.dataAt]
	} else {
		text += " FORMAT Values"
		s.infileAt = len(j.text)
	}
	file, err := h.spooled(io.MultiReader(strings.NewReader(inlined), body))
	if err != nil {
		return err
	}
	defer os.Remove(file)
	j.text = text[:s.infileAt] + " FROM INFILE " + quoteText(file) + " " + text[s.infileAt:]
	j.finish = true
	return h.pool.run(ctx, j, a.write)
}

// spooled writes rows to a file and returns its path.
func (h *handler) spooled(rows io.Reader) (path string, err error) {
	f, err := os.CreateTemp(h.spool, "insert-*.rows")
	if err != nil {
		return "", fmt.Errorf("keep the rows of an insert: %w", err)
	}
	_, err = io.Copy(f, rows)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("keep the rows of an insert: %w", err)
	}
	return f.Name(), nil
}

// answer is a response of which the status is decided by the first write.
type answer struct {
	w     http.ResponseWriter
	tag   string // announces a failure within the body
	begun bool
	gone  bool // the client no longer reads
}

func (a *answer) write(b []byte) error {
	if !a.begun {
		a.begun = true
		a.tag = rand.Text()[:16]
		a.w.Header().Set("X-ClickHouse-Exception-Tag", a.tag)
		a.w.Header().Set("Content-Type", "application/octet-stream")
	}
	if _, err := a.w.Write(b); err != nil {
		a.gone = true
		return fmt.Errorf("answer the client: %w", err)
	}
	return nil
}

// fail reports err as ClickHouse does: as status 500 with the code in a header or, when part of the answer is out, in a
// block at its end that the driver looks for.
func (a *answer) fail(err error) {
	if a.gone {
		return
	}
	var e *exception
	if !errors.As(err, &e) {
		e = newException(fmt.Sprintf("Code: %d. DB::Exception: %v. (UNKNOWN_EXCEPTION)", unknownException, err))
	}
	if !a.begun {
		a.w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
		a.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		a.w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(a.w, e.text)
		return
	}
	text := e.text[:min(len(e.text), 8<<10)] // the driver looks at the last 16 KiB
	fmt.Fprintf(a.w, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", a.tag, text, len(text), a.tag)
}

// hello is the answer to helloQuery, in Native format of the revision that clickhouse-go assumes before it knows better.
// It says revision 0, since libchdb writes Native without what later revisions added.
func (p *sessions) hello(ctx context.Context) ([]byte, error) {
	var line bytes.Buffer
	err := p.run(ctx, job{
		statement: statement{text: "SELECT displayName(), version(), timezone()", format: "TabSeparated"},
		database:  defaultDatabase,
		keep:      true,
	}, func(b []byte) error { line.Write(b); return nil })
	values := strings.Split(strings.TrimSuffix(line.String(), "\n"), "\t")
	if err == nil && len(values) != 3 {
		err = errors.New("unexpected answer")
	}
	if err != nil {
		return nil, fmt.Errorf("ask the engine for its version: %w", err)
	}
	var b []byte
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	b = append(b, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0) // block info: not overflows, no bucket
	b = append(b, 4, 1)                               // columns, rows
	for _, c := range []struct{ name, kind, value string }{
		{"displayName()", "String", values[0]},
		{"version()", "String", values[1]},
		{"revision()", "UInt32", ""},
		{"timezone()", "String", values[2]},
	} {
		text(c.name)
		text(c.kind)
		b = append(b, 0) // no custom serialization
		if c.kind == "UInt32" {
			b = binary.LittleEndian.AppendUint32(b, 0)
		} else {
			text(c.value)
		}
	}
	return b, nil
}
