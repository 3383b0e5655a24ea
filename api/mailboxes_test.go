package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/api"
	"dealtrail/ingest"
	"dealtrail/trail"
)

// adding posts a body to a server that adds by the given function.
func adding(t *testing.T, kind, body string, add func(context.Context, ingest.Mailbox, bool) (string, string, error)) (report api.MailboxReport) {
	t.Helper()
	e := echo.New()
	log := slog.New(slog.DiscardHandler)
	s := &api.Server{Access: &access.Access{AdminKey: "dt_admin"}, Metrics: http.NotFoundHandler(), Log: log, Mailbox: api.Mailboxes{Add: add}}
	e.HTTPErrorHandler = api.ErrorHandler(log, nil)
	s.Routes(e.Group("", s.Access.Guard))
	q := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/mailboxes?check=true", strings.NewReader(body))
	q.Header.Set("Authorization", "Bearer dt_admin")
	q.Header.Set("Content-Type", kind)
	r := httptest.NewRecorder()
	e.ServeHTTP(r, q)
	if err := json.Unmarshal(r.Body.Bytes(), &report); err != nil || r.Code != http.StatusOK {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	return report
}

// utf16le is a text as Excel saves "Unicode text".
func utf16le(text string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestMailboxFileOfASpreadsheetIsReadRowByRow(t *testing.T) {
	const rows = "Rep;Sent Folder;Password;Aliases;Port\r\nAna@ours.test;Gesendete Objekte;p;a@ours.test, b@ours.test;993\r\n" +
		"\r\nben@ours.test;;\"p;w\"\"ä\";;\r\ncleo@ours.test;;sec\"ret;;\r\ndan@ours.test;;sec;ret;;143\r\neva@ours.test;;pw;;secret\r\nANA@ours.test;;other;;\r\nfay@ours.test;;pw;;\r\n"
	for name, body := range map[string]string{"UTF-8": "\ufeff" + rows, "UTF-16": utf16le(rows), "tabs": strings.NewReplacer("p;w", "p;w", ";", "\t").Replace(rows)} {
		var mu sync.Mutex
		got := map[string]ingest.Mailbox{}
		report := adding(t, "text/csv", body, func(_ context.Context, m ingest.Mailbox, check bool) (string, string, error) {
			mu.Lock()
			defer mu.Unlock()
			got[m.Rep] = m
			if m.Rep == "fay@ours.test" {
				return "", "", errors.New("a secret of ours")
			}
			return "name", "", nil
		})
		if ana := got["ana@ours.test"]; ana.Port != 993 || ana.SentFolder != "Gesendete Objekte" || ana.Secret.Reveal() != "p" || !slices.Equal(ana.Aliases, []string{"a@ours.test", "b@ours.test"}) {
			t.Errorf("%s: ana is %+v", name, ana)
		}
		if pw := got["ben@ours.test"].Secret.Reveal(); name != "tabs" && pw != "p;w\"ä" {
			t.Errorf("%s: ben's password is %q", name, pw)
		}
		if report.Accepted != 2 || report.Rejected != 5 || len(report.Rows) != 7 {
			t.Errorf("%s: %+v", name, report)
		}
		for i, want := range []struct {
			line int
			says string
		}{{2, ""}, {4, ""}, {5, "quote"}, {6, "cells"}, {7, "port must be"}, {8, "line 2 already"}, {9, "the log says why"}} {
			if row := report.Rows[i]; row.Line != want.line || !strings.Contains(row.Reason, want.says) || row.Accepted != (want.says == "") || strings.Contains(row.Reason, "sec") {
				t.Errorf("%s: row %d is %+v, want line %d with %q", name, i, row, want.line, want.says)
			}
		}
	}
}

func TestMailboxesAreSignedInToEightAtOnce(t *testing.T) {
	var body strings.Builder
	body.WriteString("rep\n")
	for i := range 40 {
		fmt.Fprintf(&body, "rep%d@ours.test\n", i)
	}
	var mu sync.Mutex
	var at, most int
	full := make(chan struct{})
	report := adding(t, "text/csv", body.String(), func(ctx context.Context, m ingest.Mailbox, check bool) (string, string, error) {
		mu.Lock()
		if at++; at == 8 && most < 8 {
			close(full)
		}
		most = max(most, at)
		mu.Unlock()
		<-full // the first eight wait for each other
		mu.Lock()
		at--
		mu.Unlock()
		if _, bounded := ctx.Deadline(); !bounded || !check {
			t.Errorf("%s may take for ever, or is not checked", m.Rep)
		}
		return "", "", trail.Problemf(trail.Unavailable, "no")
	})
	if most != 8 || report.Rejected != 40 {
		t.Errorf("%d at once, %d rejected", most, report.Rejected)
	}
}

func TestMailboxesAsJSON(t *testing.T) {
	body := `[{"rep":"ana@ours.test","aliases":["a@ours.test"],"port":143,"password":"pw"},{"rep":"ben@ours.test"}]`
	report := adding(t, "application/json", body, func(_ context.Context, m ingest.Mailbox, _ bool) (string, string, error) {
		if m.Rep == "ana@ours.test" && (m.Port != 143 || m.Secret.Reveal() != "pw" || len(m.Aliases) != 1) {
			t.Errorf("ana is %+v", m)
		}
		return "box", "no Sent folder", nil
	})
	if len(report.Rows) != 2 || report.Rows[1].Line != 2 || !report.Rows[1].Accepted || report.Rows[0].Note != "no Sent folder" {
		t.Errorf("%+v", report)
	}
}

func TestMailboxFileThatIsNearlyRightIsReadOrSaysWhichLinesAreNot(t *testing.T) {
	for name, x := range map[string]struct {
		body string
		want []string // line, rep, reason
	}{
		"empty columns":             {"rep;host;password;;\nana@x.test;h;p;;\nben@x.test;h;p\n", []string{"2 ana@x.test ", "3 ben@x.test "}},
		"Excel's first line":        {"sep=;\nrep;host;password\r\nana@x.test;h;p,q\n", []string{"3 ana@x.test "}},
		"with a mark, in quotes":    {"\ufeff\"sep=,\"\r\nrep,host,password\nana@x.test,h,p;q;r;s\n", []string{"3 ana@x.test "}},
		"a quote that never ends":   {"rep,host,password\nana@x.test,h,\"pw\nben@x.test,h,p\ncleo@x.test,h,p\n", []string{"2  Lines 2 to 4 were"}},
		"a quote ended by the next": {"rep,host,password\nana@x.test,h,\"pw\nben@x.test,h,\"p2\ncleo@x.test,h,p\n", []string{"2  Lines 2 to 3 were", "4 cleo@x.test "}},
		"two that fit each other":   {"rep,host,password\nana@x.test,h,\"pw\nben@x.test,h,p\"\ncleo@x.test,h,p\n", []string{"2 ana@x.test Lines 2 to 3 were", "4 cleo@x.test "}},
		"aliases below each other":  {"rep,aliases\nana@x.test,\"a@x.test\nb@x.test\"\n", []string{"2 ana@x.test "}},
		"the same in other words":   {"rep,username\nana@x.test,\nana@x.test,Ana@x.test\nana@x.test,sales@x.test\n", []string{"2 ana@x.test ", "3 ana@x.test The same mailbox stands in line 2 already", "4 ana@x.test "}},
	} {
		report := adding(t, "text/csv", x.body, func(context.Context, ingest.Mailbox, bool) (string, string, error) { return "box", "", nil })
		if len(report.Rows) != len(x.want) {
			t.Errorf("%s: %+v", name, report.Rows)
			continue
		}
		for i, row := range report.Rows {
			got := fmt.Sprint(row.Line, " ", row.Rep, " ", row.Reason)
			if !strings.HasPrefix(got, x.want[i]) || row.Accepted != strings.HasSuffix(x.want[i], " ") || strings.Contains(row.Reason, "pw") {
				t.Errorf("%s: %q, want %q", name, got, x.want[i])
			}
		}
	}
}
