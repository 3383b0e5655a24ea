package outbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dealtrail/ingest"
	"dealtrail/outbox/guard"
)

// message is what one chat is told at once.
type message struct {
	ID      string // the same at every try
	At      time.Time
	Notices []Notice
}

const (
	postWait = 15 * time.Second
	// answerSize is how many bytes of an answer are read.
	answerSize = 4 << 10
)

// response is what there is to know of a message that was not taken.
type response struct {
	refused bool          // it never will be
	after   time.Duration // when the other side wants to be asked again
}

// send posts a message to a chat. It returns nil once that was taken. No error holds
// the address, which is a secret.
func (x *Outbox) send(ctx context.Context, c Chat, m message) (response, error) {
	to, err := c.URL()
	if err != nil {
		return response{}, errors.New("its url_file cannot be read")
	}
	if err := c.CheckURL(); err != nil {
		return response{refused: true}, err
	}
	body, err := c.body(m)
	if err != nil {
		return response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, postWait)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Reveal(), bytes.NewReader(body))
	if err != nil {
		return response{refused: true}, errors.New("its url is no address")
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "dealtrail")
	if c.Kind == Generic {
		secret, err := c.Secret()
		if err != nil {
			return response{}, errors.New("its secret_file cannot be read")
		}
		if err := sign(q.Header, secret, m.ID, m.At, body); err != nil {
			return response{refused: true}, err
		}
	}
	resp, err := guard.Client(c.AllowPrivate, postWait).Do(q)
	if err != nil {
		return failure(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, answerSize)) // it only explains
	return judge(resp, answer)
}

// CheckURL refuses an address that no message can go to. Where it is in a file that is
// not there, that is told when something is to be sent.
func (c Chat) CheckURL() error {
	to, err := c.URL()
	if err != nil {
		return nil
	}
	u, err := url.Parse(to.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && c.AllowPrivate) {
		return errors.New("its url cannot be used; expected an address that begins with https:// (with allow_private also http://)")
	}
	return nil
}

// failure says why nobody answered, without the address.
func failure(err error) (response, error) {
	if refused := (*guard.Refused)(nil); errors.As(err, &refused) {
		return response{refused: true}, fmt.Errorf("%w; allow_private = true in its block allows that", refused)
	}
	if e := (*url.Error)(nil); errors.As(err, &e) {
		if e.Timeout() {
			return response{}, errors.New("it did not answer in time")
		}
		err = e.Err
	}
	return response{}, err
}

// words are answers that are worth repeating, such as Slack's no_service.
var words = regexp.MustCompile(`^[A-Za-z][A-Za-z_ .]{1,60}$`)

// judge says what an answer means: taken, to be tried again, or refused for good.
func judge(resp *http.Response, answer []byte) (response, error) {
	if resp.StatusCode/100 == 2 {
		return response{}, nil
	}
	err := fmt.Errorf("it answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if text := bytes.TrimSpace(answer); words.Match(text) {
		err = fmt.Errorf("%w (%s)", err, text)
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(strings.TrimSpace(resp.Header.Get("Retry-After")))
		return response{after: time.Duration(max(seconds, 0)) * time.Second}, err
	case resp.StatusCode >= 500:
		return response{}, err
	}
	return response{refused: true}, err // redirects too: nobody chose where they lead
}

// body writes a message as the kind of chat wants it.
func (c Chat) body(m message) ([]byte, error) {
	shown := m.Notices[:min(len(m.Notices), linesAtOnce)]
	more := ""
	if left := len(m.Notices) - len(shown); left > 0 {
		more = "and " + count(left, "other", "others") + " on the pages"
	}
	switch c.Kind {
	case Slack:
		return json.Marshal(map[string]string{"text": slackText(shown, more)})
	case Teams:
		return json.Marshal(teamsCard(shown, more))
	}
	return json.Marshal(map[string]any{
		"type": "notices", "timestamp": m.At.UTC().Format(time.RFC3339), "data": map[string]any{"notices": shown, "more": len(m.Notices) - len(shown)},
	})
}

// slackEscapes are the three characters that mean something in a text for Slack:
// without them nothing in it is a link or calls anybody.
var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func slackText(notices []Notice, more string) string {
	var lines []string
	for _, n := range notices {
		lines = append(lines, slackEscapes.Replace(n.Text)+" <"+slackEscapes.Replace(n.URL)+"|Open>")
	}
	if len(lines) > 1 {
		for i := range lines {
			lines[i] = "• " + lines[i]
		}
	}
	if more != "" {
		lines = append(lines, more)
	}
	return strings.Join(lines, "\n")
}

// teamsCard is a message with an Adaptive Card, as Teams' Workflows take it. Text is in
// runs, in which Markdown means nothing: a name cannot become a link.
func teamsCard(notices []Notice, more string) any {
	type object = map[string]any
	var body []object
	for _, n := range notices {
		body = append(body, object{"type": "RichTextBlock", "inlines": []object{
			{"type": "TextRun", "text": n.Text + " "},
			{"type": "TextRun", "text": "Open", "selectAction": object{"type": "Action.OpenUrl", "url": n.URL}},
		}})
	}
	if more != "" {
		body = append(body, object{"type": "RichTextBlock", "inlines": []object{{"type": "TextRun", "text": more}}})
	}
	card := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.2", "body": body, "msteams": object{"width": "Full"}}
	return object{"type": "message", "attachments": []object{{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card}}}
}

// ParseSecret returns the key of a secret of Standard Webhooks: whsec_ and 24 to 64
// bytes in base64.
func ParseSecret(secret ingest.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(secret.Reveal()), "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("its secret cannot be used; expected whsec_ and 24 to 64 bytes in base64, such as: echo whsec_$(openssl rand -base64 32)")
	}
	return key, nil
}

// sign adds the headers of Standard Webhooks 1.0: HMAC-SHA256 over id.timestamp.body.
func sign(h http.Header, secret ingest.Secret, id string, at time.Time, body []byte) error {
	key, err := ParseSecret(secret)
	if err != nil {
		return err
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}
