package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"dealtrail/trail"
)

// Client speaks to a running dealtrail. The commands and the tests use it.
type Client struct {
	URL  string // as server.public_url or the address it listens on
	Key  string
	HTTP *http.Client // http.DefaultClient if nil
}

// Get asks for a path with parameters (empty values are left out) and decodes
// the JSON answer into out.
func (c *Client) Get(ctx context.Context, path string, params map[string]string, out any) error {
	q := url.Values{}
	for k, v := range params {
		if v != "" {
			q.Set(k, v)
		}
	}
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return c.Do(ctx, http.MethodGet, path, "", nil, out)
}

// Post sends in as JSON and decodes the answer into out.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.Do(ctx, http.MethodPost, path, "application/json", bytes.NewReader(body), out)
}

// Do sends one request. A problem that the server names comes back as a
// *trail.Problem. out may be nil, an io.Writer for the raw body, or a value to
// decode JSON into.
func (c *Client) Do(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("Accept", "application/json")
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no answer from %s: is `dealtrail serve` running? (%w)", c.URL, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		var p problem
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxJSON)).Decode(&p); err != nil || p.Detail == "" {
			return fmt.Errorf("%s %s: the server answered %s", method, path, resp.Status)
		}
		return &trail.Problem{Code: p.Code, Text: p.Detail}
	}
	switch out := out.(type) {
	case nil:
		return nil
	case io.Writer:
		_, err := io.Copy(out, resp.Body)
		return err
	}
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
