package main

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"dealtrail/ingest"
)

// sample returns dealtrail.toml with every key, its default and what it means.
func (c *Config) sample() []byte {
	var b bytes.Buffer
	b.WriteString("# dealtrail's configuration. Environment variables win over it: DEALTRAIL_SERVER_LISTEN for server.listen,\n# or DEALTRAIL_REDIS_URL_FILE for a file that holds redis.url.\n")
	last := ""
	eachKey(c, func(section, key string, field reflect.Value, tag reflect.StructTag) {
		if section != last {
			fmt.Fprintf(&b, "\n[%s]\n", section)
			last = section
		}
		fmt.Fprintf(&b, "# %s", tag.Get("doc"))
		if d, ok := tag.Lookup("default"); ok && d != "" {
			fmt.Fprintf(&b, " Default: %s.", d)
		}
		switch v := field.Interface().(type) {
		case string:
			fmt.Fprintf(&b, "\n%s = %q\n", key, v)
		case Duration:
			fmt.Fprintf(&b, "\n%s = %q\n", key, shortDuration(v))
		case Past:
			fmt.Fprintf(&b, "\n%s = %q\n", key, v)
		case []string:
			fmt.Fprintf(&b, "\n%s = [%s]\n", key, quoted(v))
		case map[string]string:
			fmt.Fprintf(&b, "\n# %s = %s\n", key, tag.Get("example"))
		default:
			fmt.Fprintf(&b, "\n%s = %v\n", key, v)
		}
	})
	b.WriteString("\n# One block for each credit model of your own, beside first, last, linear, decay, u, w, full, markov and shapley.\n")
	blocks(&b, "model", c.Models, CreditModel{Name: "ours", Title: "Our weights", First: 30, Lead: 10, Opportunity: 20, Last: 30, Others: 10, Kinds: map[string]float64{"replied": 2}, Contents: map[string]float64{"price-list": 0.5}})
	b.WriteString("\n# Sign-in by OAuth2: one block for each of Google, Microsoft or another provider. Reps connect their mailboxes themselves\n# in the browser, or an administrator lets all of them be read.\n")
	provider := Provider{Name: "google", Kind: "google", ClientID: "123.apps.googleusercontent.com", ClientSecretFile: "secrets/google", ServiceAccountFile: "secrets/google.json", Mailboxes: []string{"ana@example.com", "sales@example.com=ana@example.com"}}
	blocks(&b, "provider", c.Providers, provider)
	b.WriteString("\n# One block for each rep's mailbox. It is only ever read.\n")
	blocks(&b, "mailbox", c.Boxes, Mailbox{Rep: "anna@example.com", Host: "imap.example.com", Port: 993, Security: "tls", PasswordFile: "secrets/anna"})
	b.WriteString("\n# One block for each chat that is told when the review is ready (review_ready), when people click or answer in an open deal\n# (hot_deal), and when a request is late (late_request).\n")
	blocks(&b, "chat", c.Chats, Chat{Name: "sales", Kind: "slack", URLFile: "secrets/sales-chat", Events: []string{"review_ready", "hot_deal", "late_request"}, Quiet: "18:00-08:00", Zone: "Europe/Berlin"})
	b.WriteString("\n# One block for each CRM that delivers its deals by itself, is asked for them, or both. See docs/crm.md.\n")
	c.crmBlocks(&b)
	return b.Bytes()
}

// blocks writes a block of TOML for each value, the first with what its keys
// mean; for no values the example as a comment.
func blocks[T any](b *bytes.Buffer, name string, values []T, example T) {
	if len(values) == 0 {
		for line := range strings.Lines(block(name, example, true)) {
			b.WriteString("# " + line)
		}
	}
	for i, v := range values {
		b.WriteString(block(name, v, i == 0))
	}
}

// block returns a struct as a block of TOML, explained or plain.
func block(name string, value any, explained bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[%s]]\n", name)
	b.WriteString(keys(value, explained))
	return b.String()
}

// keys returns the fields of a struct as lines of TOML.
func keys(value any, explained bool) string {
	var b strings.Builder
	v := reflect.ValueOf(value)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		value := fmt.Sprint(v.Field(i))
		switch f := v.Field(i).Interface().(type) {
		case string:
			value = strconv.Quote(f)
		case ingest.Secret:
			value = strconv.Quote(f.String())
		case Duration:
			value = strconv.Quote(shortDuration(f))
		case []string:
			value = "[" + quoted(f) + "]"
		case map[string]float64:
			var pairs []string
			for _, k := range slices.Sorted(maps.Keys(f)) {
				pairs = append(pairs, fmt.Sprintf("%q = %v", k, f[k]))
			}
			value = "{ " + strings.Join(pairs, ", ") + " }"
		}
		fmt.Fprintf(&b, "%s = %s", f.Tag.Get("toml"), value)
		if explained {
			b.WriteString("  # " + f.Tag.Get("doc"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// crmBlocks writes a block for each CRM, the first with what its keys mean; for none an
// example as a comment.
func (c *Config) crmBlocks(b *bytes.Buffer) {
	if len(c.CRMs) == 0 {
		example := CRM{Type: "hubspot", TokenFile: "secrets/hubspot-token", ClientSecretFile: "secrets/hubspot-app", Portal: "1234567", Every: Duration(time.Hour), Months: 24}
		for line := range strings.Lines("[crm.hubspot]\n" + keys(example, true)) {
			b.WriteString("# " + line)
		}
	}
	for i, name := range slices.Sorted(maps.Keys(c.CRMs)) {
		one := c.CRMs[name]
		if one.Every == 0 {
			one.Every = Duration(time.Hour)
		}
		if one.Months == 0 {
			one.Months = 24
		}
		fmt.Fprintf(b, "[crm.%s]\n%s", name, keys(one, i == 0))
	}
}

func shortDuration(d Duration) string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func quoted(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = strconv.Quote(s)
	}
	return strings.Join(q, ", ")
}
