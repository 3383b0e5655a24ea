package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// pixelled starts dealtrail with pixels and a share of one content with one buyer.
func pixelled(t *testing.T) (*running, ingest.Share) {
	t.Helper()
	r := start(t, func(c *Config) { c.Tracking.Pixel = "on" })
	if err := r.api.Post(t.Context(), "/v1/content", map[string]string{"id": "DECK", "url": "https://www.example.com/deck"}, nil); err != nil {
		t.Fatal(err)
	}
	s, err := r.postShare("DECK", "bruno@buyer.test")
	if err != nil || s.PixelURL == "" {
		t.Fatalf("share: %+v, %v", s, err)
	}
	return r, s
}

// asMail asks for a link or a pixel as the browser inside a mail program does.
func asMail(client *http.Client, method, url string) (status, size int, err error) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, 0, err
	}
	for name, value := range browser {
		req.Header.Set(name, value)
	}
	if strings.HasSuffix(url, ".gif") {
		req.Header.Set("Accept", "image/avif,image/webp,image/png,*/*;q=0.8")
		req.Header.Set("Sec-Fetch-Mode", "no-cors")
		req.Header.Set("Sec-Fetch-Dest", "image")
		req.Header.Del("Sec-Fetch-User")
		req.Header.Del("Upgrade-Insecure-Requests")
	}
	resp, err := client.Transport.RoundTrip(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, len(body), err
}

// settled waits until reports show all that was accepted before.
func (r *running) settled(id string) {
	r.t.Helper()
	if err := r.api.Post(r.t.Context(), "/v1/content", map[string]string{"id": id, "url": "https://www.example.com/"}, nil); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "what comes after is in the report", func() bool {
		return r.api.Get(r.t.Context(), "/v1/content/"+id, nil, nil) == nil
	})
}

// Services that make previews ask three times for the head, as browsers.
func TestHeadsOfALinkAndOfAPixelAreNoEvents(t *testing.T) {
	r, s := pixelled(t)
	before := r.events()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, c := range []struct {
		url          string
		status, size int
	}{{s.URL, 302, 0}, {s.PixelURL, 200, 43}} {
		for _, method := range []string{"HEAD", "GET", "HEAD", "HEAD"} {
			want := c.size
			if method == "HEAD" {
				want = 0
			}
			if status, size, err := asMail(client, method, c.url); status != c.status || size != want || err != nil {
				t.Errorf("%s %s: %d with %d bytes, %v", method, c.url, status, size, err)
			}
		}
	}
	r.settled("AFTER")
	if n := r.events() - before - 1; n != 2 {
		t.Errorf("%d events of one GET and three HEAD each, want 2", n)
	}
	if d := ask1[trail.ContentDetail](r, "/v1/content/DECK?agents=all"); d.Clicks != 1 || d.Clicked != 1 || d.Opened != 1 {
		t.Errorf("%d clicks, %d clicked and %d opened, want 1 of each", d.Clicks, d.Clicked, d.Opened)
	}
}

func TestThousandOpensAtOnceAreThousandEventsOfOneOpenedShare(t *testing.T) {
	const opens = 1000
	r, s := pixelled(t)
	before := r.events()
	var ready, all sync.WaitGroup
	begin := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{}} // as many connections as requests
	defer client.CloseIdleConnections()
	wrong := make(chan string, opens)
	for range opens {
		ready.Add(1)
		all.Go(func() {
			ready.Done()
			<-begin
			if status, size, err := asMail(client, "GET", s.PixelURL); status != 200 || size != 43 || err != nil {
				wrong <- fmt.Sprintf("%d with %d bytes, %v", status, size, err)
			}
		})
	}
	ready.Wait()
	close(begin)
	all.Wait()
	if n := len(wrong); n > 0 {
		t.Errorf("%d opens are answered badly, one with %s", n, <-wrong)
	}
	eventually(t, "every open is an event", func() bool { return r.events()-before >= opens })
	r.settled("AFTER")
	if n := r.events() - before - 1; n != opens {
		t.Errorf("%d events of %d opens", n, opens)
	}
	d := ask1[trail.ContentDetail](r, "/v1/content/DECK?agents=all")
	if d.Opened != 1 || d.Clicks != 0 || d.Machine > opens {
		t.Errorf("%d shares opened, %d clicks, %d by machines", d.Opened, d.Clicks, d.Machine)
	}
	shown := map[trail.ID]bool{} // the newest of them
	for _, row := range ask1[trail.ContactDetail](r, "/v1/contacts/bruno@buyer.test?agents=all").Events {
		if row.Kind != trail.Opened {
			continue
		}
		if row.Content != "DECK" || !slices.Equal(row.Contacts, []string{"bruno@buyer.test"}) || shown[row.ID] {
			t.Errorf("in the contact's trail: %+v", row)
		}
		shown[row.ID] = true
	}
	if len(shown) < 50 {
		t.Errorf("the contact's trail shows %d of %d opens", len(shown), opens)
	}
	if status := ask1[trail.Status](r, "/v1/status"); status.Lost != 0 {
		t.Errorf("%d events are lost", status.Lost)
	}
}
