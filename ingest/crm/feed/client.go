package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

const (
	answerSize = 32 << 20 // bytes of one answer at most
	answerWait = 30 * time.Second
	tries      = 5
	maxPause   = 2 * time.Minute
	maxPages   = 100_000 // of one list: a CRM that pages in circles is in trouble
)

// client asks one CRM: JSON, a bounded number of times, as slowly as the CRM wants.
type client struct {
	source  *Source
	base    string
	sign    func(q *http.Request, token string)
	wait    func(ctx context.Context, d time.Duration) error // between tries
	renewed func(ctx context.Context) error                  // on a 401: signs in again; nil: a 401 is final
}

// client returns what asks the source.
func (s *Source) client() *client {
	c := &client{source: s, base: strings.TrimSuffix(s.URL, "/"), wait: s.pause}
	if c.wait == nil {
		c.wait = pause
	}
	bearer := func(q *http.Request, token string) { q.Header.Set("Authorization", "Bearer "+token) }
	switch c.sign = bearer; s.Kind {
	case Pipedrive:
		c.sign = func(q *http.Request, token string) { q.Header.Set("x-api-token", token) }
	case Close:
		c.sign = func(q *http.Request, token string) { q.SetBasicAuth(token, "") }
	}
	return c
}

// Hosts are where sources are asked unless a URL says otherwise.
var Hosts = map[string]string{HubSpot: "https://api.hubapi.com", Close: "https://api.close.com", Attio: "https://api.attio.com"}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// trouble is an answer that is none.
type trouble struct {
	status int
	retry  time.Duration // what the CRM asks for; 0: nothing
	said   string        // its own code, such as INVALID_FIELD
}

func (t *trouble) Error() string {
	if t.said != "" {
		return fmt.Sprintf("it answers %d %s (%s)", t.status, http.StatusText(t.status), t.said)
	}
	return fmt.Sprintf("it answers %d %s", t.status, http.StatusText(t.status))
}

// get asks for a path and decodes the answer into out.
func (c *client) get(ctx context.Context, path string, params url.Values, out any) error {
	if len(params) > 0 {
		path += "?" + params.Encode()
	}
	return c.do(ctx, http.MethodGet, path, nil, out)
}

// post sends in as JSON. It must be a question: it may be asked several times.
func (c *client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, body, out)
}

// do asks until there is an answer, the CRM refuses, or it was tried often enough.
// An error names the source, never its token.
func (c *client) do(ctx context.Context, method, path string, body []byte, out any) error {
	signedIn := false
	for try := 1; ; try++ {
		err := c.once(ctx, method, path, body, out)
		var t *trouble
		again := true
		after := time.Second << min(try-1, 5)
		if errors.As(err, &t) {
			again = t.status == http.StatusTooManyRequests || t.status >= 500
			after = max(after, t.retry)
			if t.status == http.StatusUnauthorized && c.renewed != nil && !signedIn {
				signedIn = true
				if err := c.renewed(ctx); err != nil {
					// Not wrapped: what was asked is not to blame.
					return fmt.Errorf("%w (%v)", trail.Problemf(trail.Unavailable, "%s does not let us sign in: %s", c.source.Name, sentence(err)), err)
				}
				continue
			}
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !again || try == tries || errors.Is(err, errAnswer):
			return c.explain(path, err)
		}
		if err := c.wait(ctx, min(after, maxPause)); err != nil {
			return err
		}
	}
}

// explain says what a person can do about it.
func (c *client) explain(path string, err error) error {
	path, _, _ = strings.Cut(path, "?")
	var t *trouble
	if errors.As(err, &t) {
		switch t.status {
		case http.StatusUnauthorized:
			return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "%s does not accept the token; make a new one and put it into the file.", c.source.Name), err)
		case http.StatusForbidden:
			return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "The token may not read %s of %s; give it the scopes that docs/crm.md lists.", path, c.source.Name), err)
		}
	}
	return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "%s cannot be asked at the moment: %s", c.source.Name, sentence(err)), fmt.Errorf("%s: %w", path, err))
}

func sentence(err error) string {
	s := err.Error()
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.TrimSuffix(s, ".") + "."
}

// errAnswer is an answer that asking again does not mend.
var errAnswer = errors.New("its answer cannot be read")

func (c *client) once(ctx context.Context, method, path string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return errors.New("its url is no address")
	}
	token, err := c.source.Token()
	if err != nil {
		return fmt.Errorf("read its token: %w", err)
	}
	c.sign(q, token)
	q.Header.Set("Accept", "application/json")
	q.Header.Set("User-Agent", "dealtrail")
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	return c.send(q, out)
}

// send sends one request and decodes the answer.
func (c *client) send(q *http.Request, out any) error {
	resp, err := c.source.HTTP.Do(q)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err // the address may hold what is asked
		}
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerSize+1))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return &trouble{status: resp.StatusCode, retry: retryAfter(resp.Header.Get("Retry-After")), said: code(answer)}
	}
	if len(answer) > answerSize {
		return fmt.Errorf("%w: it is larger than %d MB", errAnswer, answerSize>>20)
	}
	if out == nil {
		return nil
	}
	if err := decode(answer, out); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	return nil
}

// retryAfter reads seconds or a date; nothing is 0.
func retryAfter(s string) time.Duration {
	if n, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && n >= 0 && n < 86400 {
		return time.Duration(n * float64(time.Second))
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// code returns the CRM's word for what is wrong if it is one: never its sentence, which
// may name people.
func code(answer []byte) string {
	var said struct {
		Category, Code, ErrorCode, Error text
	}
	var list []struct {
		Code text `json:"errorCode"`
	}
	switch {
	case json.Unmarshal(answer, &list) == nil && len(list) > 0:
		said.Code = list[0].Code
	default:
		_ = json.Unmarshal(answer, &said) // what cannot be read says nothing
	}
	word := first(said.Category, said.Code, said.ErrorCode, said.Error)
	if len(word) > 60 || strings.ContainsFunc(word, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_')
	}) {
		return ""
	}
	return word
}
