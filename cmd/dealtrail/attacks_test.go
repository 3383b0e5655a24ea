package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/ingest/crm/feed"
	"dealtrail/trail"
)

// attacked is a whole program with secrets of every sort, none of whose partners is there.
type attacked struct {
	*running
	target string // where its one tracked link leads
	link   string // its path
}

const (
	elsewhere  = "evil.example"
	shopSecret = "whsec_Y2FuYXJ5LXNlY3JldC1vZi10aGUtc2hvcC1hbmQtbW9yZQ=="
)

func startAttacked(t *testing.T) *attacked {
	neighbour := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a neighbour was asked") }))
	t.Cleanup(neighbour.Close)
	r := start(t, func(c *Config) {
		secret := func(name string) string {
			if err := os.WriteFile(filepath.Join(filepath.Dir(c.path), name), []byte("canary-secret-of-"+name+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return name
		}
		c.Company.Domains = []string{"ours.test"}
		c.OIDC.Issuer, c.OIDC.ClientID, c.OIDC.ClientSecretFile, c.OIDC.DefaultRole = neighbour.URL, "dealtrail", secret("oidc"), "rep"
		c.SMTP.Host, c.SMTP.Port, c.SMTP.Username, c.SMTP.From, c.SMTP.PasswordFile = "127.0.0.1", 1, "canary", "dealtrail@ours.test", secret("smtp")
		c.Chats = []Chat{{Name: "sales", Kind: "slack", URLFile: "chat", Events: []string{"review_ready"}}}
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.path), "chat"), []byte("https://"+neighbour.Listener.Addr().String()+"/canary-secret-of-a-chat\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.CRMs = map[string]CRM{"hubspot": {ClientSecretFile: secret("hubspot"), TokenFile: secret("token"), URL: "https://" + neighbour.Listener.Addr().String()}, "shop": {Type: "standard", SecretFile: secret("shop")}}
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.path), "shop"), []byte(shopSecret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Mailboxes.AllowPrivate = false
	})
	a := &attacked{running: r, target: "https://www.example.com/deck?a=b"}
	r.register("deck", a.target)
	a.link = "/c/" + r.linkTo("deck", "bo@buyer.test").Token
	was := slog.Default()
	slog.SetDefault(r.program.log) // as serve does
	t.Cleanup(func() { slog.SetDefault(was) })
	return a
}

// raw sends a request as it is written, which http.Client would mend or refuse.
func (a *attacked) raw(request string) (*http.Response, string) {
	a.t.Helper()
	conn, err := net.Dial("tcp", a.main.Addr().String())
	if err != nil {
		a.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, request); err != nil {
		a.t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		a.t.Fatalf("%.80q: %v", request, err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer, string(body)
}

// ask sends a request with the admin's key, unless the header says otherwise.
func (a *attacked) ask(method, path, body string, header ...string) (*http.Response, string) {
	a.t.Helper()
	q, err := http.NewRequestWithContext(a.t.Context(), method, a.api.URL+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+a.api.Key)
	for i := 0; i < len(header); i += 2 {
		switch {
		case header[i] == "Host":
			q.Host = header[i+1]
		case header[i+1] == "":
			q.Header.Del(header[i])
		default:
			q.Header.Set(header[i], header[i+1])
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(q) // follows nothing
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer, string(text)
}

// leaves fails the test unless the log got a line with all of the words since.
func (a *attacked) leaves(t *testing.T, before int, words ...string) {
	t.Helper()
lines:
	for line := range strings.Lines(a.log.String()[before:]) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		return
	}
	t.Errorf("the log has no line with %q:\n%s", words, a.log.String()[before:])
}

// TestAttacksGetNowhereAndLeaveALine attacks one whole program in many ways.
func TestAttacksGetNowhereAndLeaveALine(t *testing.T) {
	a := startAttacked(t)
	for _, attack := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"workbooks that unpack into too much", a.bombs}, // first: within a minute the log has room for thirty such answers
		{"redirects to elsewhere", a.redirects},
		{"another host's name", a.hosts},
		{"methods in disguise", a.methods},
		{"compressed, deep and oversized bodies", a.bodies},
		{"names of files", a.fileNames},
		{"line breaks in what becomes a mail", a.mails},
		{"servers of the network around", a.neighbours},
		{"forged deliveries", a.deliveries},
		{"pages of other sites", a.otherSites},
		{"keys, codes and sessions that are none", a.guesses},
		{"paths out of the folder", a.paths}, // late: it uses up what a minute's log has for such answers
		{"what browsers are told", a.headers},
		{"guessed tokens", a.tokens}, // the last: it uses up what a network may ask
	} {
		t.Run(attack.name, attack.run)
	}
	if n := len(secretsOf(a.program)); n < 9 {
		t.Errorf("only %d secrets were looked for in the log", n)
	}
}

// wrongAddresses are forms of an address that some browser or server takes for one of another site.
func wrongAddresses() (all []string) {
	for _, f := range strings.Fields(`//¤ ///¤ ////¤ \\\\¤ /\¤ \/¤ /\\¤ \\/¤ //¤/.. /..//¤ /./\¤ //¤:80/ //x@¤ //x:y@¤ //¤%2f.. /%2f/¤ /%2f¤ /%5c¤ /%5c%5c¤ /%09/¤ /%0a/¤ /%0d/¤ /%0d%0a/¤
		%2f%2f¤ %5c%5c¤ https://¤ https:¤ https:/¤ https:///¤ http:¤ HTTPS://¤ hTtPs:\\¤ javascript:alert(1)//¤ javascript://¤/%0aalert(1) data:text/html,¤ vbscript:¤ .¤ @¤ :¤ ;¤ ?//¤ #//¤
		/;//¤ /;@¤ /?@¤ /#@¤ //¤? //¤# //¤\ /%E2%80%8B/¤ /%00/¤ //%00¤ /%FF/¤ /%u002f¤ /%252f%252f¤ /%252f¤ /%c0%af%c0%af¤ /.//¤ /..;//¤ //[::ffff:1.2.3.4]/¤ //1.2.3.4/¤ //0x01020304/¤`) {
		all = append(all, strings.ReplaceAll(f, "¤", elsewhere))
	}
	return append(all, "/\t/"+elsewhere, "/\n/"+elsewhere, "/\r/"+elsewhere, "\t//"+elsewhere, " //"+elsewhere, "/\r\nLocation: https://"+elsewhere, "/\u2044/"+elsewhere, "\uff0f\uff0f"+elsewhere)
}

func (a *attacked) redirects(t *testing.T) {
	before := len(a.log.String())
	all := wrongAddresses()
	if len(all) < 60 {
		t.Fatalf("only %d forms", len(all))
	}
	site, _ := url.Parse(a.api.URL)
	// stays reports whether an answer leads nowhere, to the link's own target or to this site.
	stays := func(to string) bool {
		if to == "" || to == a.target {
			return true
		}
		u, err := site.Parse(to)
		return err == nil && u.Host == site.Host && !strings.HasPrefix(u.Path, "//") && !strings.ContainsAny(to, "\\\t\r\n")
	}
	followed := 0
	for _, f := range all {
		escaped := strings.NewReplacer(" ", "%20", "\r", "%0d", "\n", "%0a", "\t", "%09").Replace(f)
		for _, path := range []string{escaped, a.link + escaped, a.link + "?url=" + url.QueryEscape(f), a.link + "?next=" + url.QueryEscape(f), "/signin?next=" + url.QueryEscape(f)} {
			if !strings.HasPrefix(path, "/") {
				path = "/" + path
			}
			answer, _ := a.raw("GET " + path + " HTTP/1.1\r\nHost: " + site.Host + "\r\nConnection: close\r\n\r\n")
			if to := answer.Header.Get("Location"); !stays(to) || len(answer.Header.Values("Location")) > 1 {
				t.Errorf("GET %q leads to %q", path, to)
			} else if to == a.target {
				followed++
			}
			if to := answer.Header.Get("Refresh"); to != "" {
				t.Errorf("GET %q leads to %q", path, to)
			}
		}
	}
	if followed < len(all) {
		t.Errorf("only %d requests got the link's own target: the others test nothing", followed)
	}
	// Signing in goes on to the page that was asked for, and to no other site.
	for _, f := range all {
		link, err := a.access.SignInLink(t.Context(), a.somebody())
		if err != nil {
			t.Fatal(err)
		}
		_, code, _ := strings.Cut(link, "code=")
		a.told.Write([]byte(code + " "))
		answer, _ := a.ask("POST", "/signin", url.Values{"code": {code}, "next": {f}}.Encode(), "Content-Type", echo.MIMEApplicationForm, "Authorization", "")
		if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || !stays(to) {
			t.Errorf("sign-in with next %q: %d to %q", f, answer.StatusCode, to)
		}
	}
	a.leaves(t, before, "not gone on to", "route=/signin")
	if strings.Contains(a.log.String()[before:], elsewhere) {
		t.Error("the log says where to")
	}
}

// somebody is a rep who may sign in.
func (a *attacked) somebody() string {
	const rep = "rita@ours.test"
	admin, roles := access.Admin, access.Rep
	for who, r := range map[string]*access.Roles{"ada@ours.test": &admin, rep: &roles} {
		if _, err := a.access.Set(a.t.Context(), who, access.Change{Roles: r}); err != nil && who == rep {
			if _, err = a.access.Set(a.t.Context(), who, access.Change{Roles: r}); err != nil {
				a.t.Fatal(err)
			}
		}
	}
	return rep
}

func (a *attacked) paths(t *testing.T) {
	before := len(a.log.String())
	host := a.main.Addr().String()
	for _, up := range []string{"../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..\\", "....//", "%252e%252e%252f", "..%c0%af", "..%00/", "/../"} {
		for _, file := range []string{"etc/passwd", "dealtrail.secrets.toml", "templates/frame.html", "site.go"} {
			for _, root := range []string{"/static/x/", "/static/", "/static/x/vendor/", "/c/", "/o/", "/v1/content/", "/"} {
				path := root + strings.Repeat(up, 6) + file
				answer, body := a.raw("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + a.api.Key + "\r\nConnection: close\r\n\r\n")
				if answer.StatusCode == http.StatusOK && answer.Header.Get("Content-Type") != "image/gif" || strings.Contains(body, "root:") || strings.Contains(body, a.secrets.ContactKey.Reveal()) || strings.Contains(body, "{{") || strings.Contains(body, "package dashboards") {
					t.Errorf("GET %s: %d %.200s", path, answer.StatusCode, body)
				}
			}
		}
	}
	a.leaves(t, before, "request refused", "status=404")
}

func (a *attacked) hosts(t *testing.T) {
	for _, header := range [][]string{{"Host", elsewhere}, {"X-Forwarded-Host", elsewhere}, {"X-Original-Host", elsewhere}, {"Forwarded", "host=" + elsewhere + ";proto=https"}, {"X-Forwarded-Proto", "https"}, {"X-Original-URL", "/v1/keys"}, {"X-Rewrite-URL", "/v1/keys"}} {
		for _, path := range []string{"/signin", "/opensearch.xml", "/nothing"} {
			answer, body := a.ask("GET", path, "", append(header, "Accept", "text/html")...)
			if strings.Contains(body, elsewhere) && path != "/opensearch.xml" || strings.Contains(fmt.Sprint(answer.Header), elsewhere) || answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Strict-Transport-Security") != "" || strings.Contains(body, `"rows"`) {
				t.Errorf("%s with %q: %.300s", path, header, body)
			}
		}
		if header[0] != "Host" && header[0] != "Forwarded" {
			continue // a link takes a second
		}
		answer, body := a.ask("POST", "/v1/shares", `{"content":"deck","rep":"rita@ours.test"}`, header...)
		if answer.StatusCode > 202 || strings.Contains(body, elsewhere) || !strings.Contains(body, a.config0().Server.PublicURL+"/c/") {
			t.Errorf("a link made with %q: %d %s", header, answer.StatusCode, body)
		}
	}
}

func (a *attacked) methods(t *testing.T) {
	before := len(a.log.String())
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		answer, _ := a.ask("GET", "/v1/keys", `{"name":"disguised","scope":["all"]}`, header, "POST", "Content-Type", "application/json")
		if answer.StatusCode != http.StatusOK {
			t.Errorf("GET with %s: %d", header, answer.StatusCode)
		}
		if answer, _ = a.ask("POST", "/v1/contacts/bo@buyer.test", "_method=DELETE", header, "DELETE", "Content-Type", echo.MIMEApplicationForm); answer.StatusCode != http.StatusMethodNotAllowed && answer.StatusCode != http.StatusNotFound {
			t.Errorf("POST with %s: %d", header, answer.StatusCode)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "PROPFIND", "DEBUG", "TRACK", "PATCH"} {
		answer, body := a.raw(method + " /v1/keys HTTP/1.1\r\nHost: " + a.main.Addr().String() + "\r\nAuthorization: Bearer " + a.api.Key + "\r\nConnection: close\r\n\r\n")
		if answer.StatusCode < 400 || strings.Contains(body, a.api.Key) {
			t.Errorf("%s: %d %.200s", method, answer.StatusCode, body)
		}
	}
	if keys := ask1[struct{ Rows []access.Key }](a.running, "/v1/keys"); len(keys.Rows) != 0 {
		t.Errorf("keys were made: %+v", keys.Rows)
	}
	a.leaves(t, before, "request refused", "method=other", "status=404")
}

func (a *attacked) bodies(t *testing.T) {
	before := len(a.log.String())
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprintf(z, `{"id":"zipped","url":"https://www.example.com/zipped","title":%q}`, strings.Repeat("0", 64<<20))
	z.Close()
	deep := strings.Repeat("[", 500_000)
	for _, path := range []string{"/v1/content", "/v1/shares", "/v1/requests", "/v1/notes", "/v1/consents", "/v1/keys", "/v1/users", "/v1/goals", "/v1/lists", "/v1/assignments"} {
		for _, c := range []struct {
			what, body string
			code       int
			header     []string
		}{
			{"compressed", zipped.String(), http.StatusBadRequest, []string{"Content-Encoding", "gzip", "Content-Type", "application/json"}},
			{"deep", `{"id":` + deep + `}`, http.StatusBadRequest, []string{"Content-Type", "application/json"}},
			{"deep in objects", strings.Repeat(`{"id":`, 150_000), http.StatusBadRequest, []string{"Content-Type", "application/json"}},
			{"oversized", `{"id":"` + strings.Repeat("x", 2<<20) + `"}`, http.StatusRequestEntityTooLarge, []string{"Content-Type", "application/json"}},
		} {
			answer, text := a.ask("POST", path, c.body, c.header...)
			var p struct{ Code, Detail string }
			if err := json.Unmarshal([]byte(text), &p); err != nil || answer.StatusCode != c.code && answer.StatusCode != http.StatusBadRequest || p.Detail == "" || len(text) > 2000 {
				t.Errorf("%s, %s: %d %.300s", path, c.what, answer.StatusCode, text)
			}
		}
	}
	answer, _ := a.ask("POST", "/requests", "text="+strings.Repeat("x", 2<<20), "Content-Type", echo.MIMEApplicationForm)
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("an oversized form: %d", answer.StatusCode)
	}
	answer, _ = a.ask("POST", "/v1/imports/deals", zipped.String(), "Content-Encoding", "gzip")
	if answer.StatusCode < 400 {
		t.Errorf("a compressed import: %d", answer.StatusCode)
	}
	head, _ := a.raw("GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 40<<10) + "\r\nConnection: close\r\n\r\n")
	if head.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("an oversized head: %d", head.StatusCode)
	}
	if rows := ask1[struct{ Rows []trail.ContentRow }](a.running, "/v1/content").Rows; len(rows) != 1 {
		t.Errorf("content was made: %+v", rows)
	}
	a.leaves(t, before, "request refused", "route=/v1/shares", "status=413")
	a.leaves(t, before, "request refused", "status=400")
}

// bombs hands in workbooks through each way that takes one.
func (a *attacked) bombs(t *testing.T) {
	bomb := workbookBomb(t)
	for _, path := range []string{"/v1/imports/deals?name=bomb.xlsx", "/v1/lists?name=bomb&file=bomb.xlsx", "/v1/review/2026-W47/xlsx", "/v1/mailboxes?file=bomb.xlsx"} {
		at := len(a.log.String())
		answer, text := a.ask("POST", path, bomb, "Content-Type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
		if answer.StatusCode < 400 || len(text) > 2000 {
			t.Errorf("a workbook that unpacks into 100 MB to %s: %d %.300s", path, answer.StatusCode, text)
		}
		a.leaves(t, at, "request refused", "status="+fmt.Sprint(answer.StatusCode))
	}
}

// workbookBomb is a workbook whose sheet unpacks into far more than it is large.
func workbookBomb(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"[Content_Types].xml":      `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
		"xl/workbook.xml":          `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheets><sheet name="a" sheetId="1"/></sheets></workbook>`,
		"xl/worksheets/sheet1.xml": "<worksheet>" + strings.Repeat(" ", 100<<20) + "</worksheet>",
	} {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// fileNames uploads files whose names would end a header, leave a folder or run.
func (a *attacked) fileNames(t *testing.T) {
	for i, name := range []string{"a\r\nSet-Cookie: taken=1.html", `a"; filename="taken.exe`, "../../../../etc/taken.html", `..\..\taken.html`, "\u202elmth.exe", "a;b=c.svg", strings.Repeat("n", 3000) + ".html"} {
		id := fmt.Sprint("file", i)
		var b bytes.Buffer
		form := multipart.NewWriter(&b)
		_ = form.WriteField("id", id)
		part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename*=UTF-8''` + url.PathEscape(name)}})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, "<script>document.title='taken'</script>")
		form.Close()
		if answer, text := a.ask("POST", "/v1/content", b.String(), "Content-Type", form.FormDataContentType()); answer.StatusCode > 202 {
			if answer.StatusCode >= 500 {
				t.Errorf("%.60q: %d %s", name, answer.StatusCode, text)
			}
			continue
		}
		answer, _ := a.ask("GET", "/c/"+a.linkTo(id).Token, "", "Authorization", "")
		said := answer.Header.Get("Content-Disposition")
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Set-Cookie") != "" || strings.ContainsAny(said, "/\\\r\n\u202e") || strings.Contains(said, ".exe\";") || len(said) > 700 || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%.60q is served as %d %v", name, answer.StatusCode, answer.Header)
		}
		if kind := answer.Header.Get("Content-Type"); (strings.Contains(kind, "html") || strings.Contains(kind, "xml")) && answer.Header.Get("Content-Security-Policy") != "sandbox" {
			t.Errorf("%.60q would run as %s", name, kind)
		}
	}
	err := filepath.WalkDir(filepath.Dir(filepath.Dir(a.running.config)), func(path string, _ os.DirEntry, err error) error {
		if strings.Contains(filepath.Base(path), "taken") {
			t.Errorf("%s was written", path)
		}
		return err
	})
	if err != nil {
		t.Log(err) // a file of Redis went meanwhile
	}
}

func (a *attacked) mails(t *testing.T) {
	for _, to := range []string{"rita@ours.test\r\nBcc: all@" + elsewhere, "rita@ours.test\nSubject: taken", "rita@ours.test, all@" + elsewhere, "\"x\r\nBcc: y\"@ours.test", "rita@ours.test>\r\nRCPT TO:<all@" + elsewhere, "rita@ours.test\x00@" + elsewhere} {
		body, _ := json.Marshal(map[string]string{"to": to})
		if answer, text := a.ask("POST", "/v1/outbox/test", string(body)); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("a mail to %q: %d %s", to, answer.StatusCode, text)
		}
		if _, err := a.access.Set(t.Context(), to, access.Change{}); err == nil {
			t.Errorf("%q is somebody now", to)
		}
	}
}

// neighbours has the program speak to servers that it may not speak to, and to mail and
// chat servers that do not work, whose errors must not hold what was to be sent.
func (a *attacked) neighbours(t *testing.T) {
	before := len(a.log.String())
	if answer, body := a.ask("POST", "/signin/oidc", "next=/", "Content-Type", echo.MIMEApplicationForm); answer.StatusCode != http.StatusUnauthorized || strings.Contains(body, "127.0.0.1:") {
		t.Errorf("an issuer on this machine: %d", answer.StatusCode)
	}
	a.leaves(t, before, "sign-in by the provider refused", "private network")
	const refused = "was not dialled"
	for _, host := range []string{"localhost", "169.254.169.254", "::ffff:127.0.0.1"} {
		before := len(a.log.String())
		body, _ := json.Marshal([]map[string]any{{"rep": "rita@ours.test", "host": host, "port": 993, "security": "tls", "username": "rita", "password": "canary-password-of-a-mailbox"}})
		if answer, text := a.ask("POST", "/v1/mailboxes?check=true", string(body), "Content-Type", "application/json"); !strings.Contains(text, "private network") || !strings.Contains(text, `"accepted":0`) {
			t.Errorf("a mailbox at %s: %d %s", host, answer.StatusCode, text)
		}
		a.leaves(t, before, refused, map[string]string{"169.254.169.254": "address=169.254.169.254"}[host])
	}
	a.told.Write([]byte("canary-password-of-a-mailbox "))
	for _, to := range []string{"sales", "rita@ours.test"} {
		body, _ := json.Marshal(map[string]string{"to": to})
		if answer, text := a.ask("POST", "/v1/outbox/test", string(body)); answer.StatusCode < 400 || strings.Contains(text, "canary-secret") {
			t.Errorf("a message to %s: %d %s", to, answer.StatusCode, text)
		}
		if to == "sales" {
			a.leaves(t, before, refused)
		}
	}
	before = len(a.log.String())
	if answer, text := a.ask("POST", "/v1/crm/hubspot/check", ""); answer.StatusCode < 400 || strings.Contains(text, "canary-secret") {
		t.Errorf("a CRM on this machine: %d %s", answer.StatusCode, text)
	}
	a.leaves(t, before, refused)
}

func (a *attacked) deliveries(t *testing.T) {
	before := len(a.log.String())
	stamp := fmt.Sprint(time.Now().Unix())
	for name, header := range map[string][]string{
		"hubspot": {"X-HubSpot-Request-Timestamp", stamp + "000", "X-HubSpot-Signature-v3", "Y2FuYXJ5LWZvcmdlZC1zaWduYXR1cmU="},
		"shop":    {"webhook-id", "m1", "webhook-timestamp", stamp, "webhook-signature", "v1,Y2FuYXJ5LWZvcmdlZC1zaWduYXR1cmU="},
	} {
		answer, _ := a.ask("POST", "/v1/webhooks/"+name, `{"type":"deal.won","data":{"deal_id":"forged","contacts":[{"email":"canary@buyer.test"}]}}`, header...)
		if answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("a forged delivery to %s: %d", name, answer.StatusCode)
		}
		a.leaves(t, before, "is not the CRM's and was refused", "crm="+name)
	}
	if strings.Contains(a.log.String()[before:], "canary@buyer.test") {
		t.Error("the log holds what was delivered")
	}
	// One that is old, and one that comes again.
	key, _, err := feed.ParseKey(shopSecret)
	deliver := func(id string, at time.Time) int {
		t.Helper()
		const body = `{"type":"invoice.paid"}`
		stamp := fmt.Sprint(at.Unix())
		mac := hmac.New(sha256.New, key)
		io.WriteString(mac, id+"."+stamp+"."+body)
		answer, _ := a.ask("POST", "/v1/webhooks/shop", body, "Authorization", "", "webhook-id", id, "webhook-timestamp", stamp, "webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		return answer.StatusCode
	}
	if err != nil {
		t.Fatal(err)
	}
	before = len(a.log.String())
	if code := deliver("old", time.Now().Add(-time.Hour)); code != http.StatusUnauthorized {
		t.Errorf("a stale delivery: %d", code)
	}
	a.leaves(t, before, "is not the CRM's and was refused", "crm=shop")
	before = len(a.log.String())
	if first, again := deliver("twice", time.Now()), deliver("twice", time.Now()); first/100 != 2 || again/100 != 2 {
		t.Errorf("a delivery and the same again: %d, %d", first, again)
	}
	a.leaves(t, before, "came again and changes nothing", "crm=shop")
}

func (a *attacked) otherSites(t *testing.T) {
	before := len(a.log.String())
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://" + elsewhere}, {"Origin", "null"}} {
		for _, path := range []string{"/calculate", "/signin", "/signout", "/v1/runs", "/v1/keys"} {
			answer, text := a.ask("POST", path, "model=linear", append(header, "Content-Type", echo.MIMEApplicationForm)...)
			if answer.StatusCode != http.StatusForbidden || !strings.Contains(text, "another site") {
				t.Errorf("POST %s with %q: %d %.200s", path, header, answer.StatusCode, text)
			}
		}
	}
	a.leaves(t, before, "request refused", "route=/calculate", "status=403")
}

func (a *attacked) guesses(t *testing.T) {
	before := len(a.log.String())
	for _, key := range []string{"dt_canary-key-of-a-guess", "", "dt_" + strings.Repeat("x", 5000)} {
		if answer, _ := a.ask("GET", "/v1/deals", "", "Authorization", "Bearer "+key); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("key %.20q: %d", key, answer.StatusCode)
		}
	}
	a.leaves(t, before, "request refused", "route=/v1/deals", "status=401")
	before = len(a.log.String())
	for _, form := range []url.Values{{"code": {"CANARYCODEOFAGUESS"}}, {"email": {"ada@ours.test"}, "password": {"canary-password-of-a-guess"}}, {"email": {"canary-password-in-the-wrong-field"}, "password": {"x"}}} {
		if answer, _ := a.ask("POST", "/signin", form.Encode(), "Content-Type", echo.MIMEApplicationForm, "Authorization", ""); answer.StatusCode != http.StatusUnauthorized || len(answer.Cookies()) > 0 {
			t.Errorf("%v: %d %v", form, answer.StatusCode, answer.Cookies())
		}
	}
	a.leaves(t, before, "sign-in refused")
	a.told.Write([]byte("dt_canary-key-of-a-guess CANARYCODEOFAGUESS canary-password-of-a-guess canary-password-in-the-wrong-field "))
	// A real session, and a real key: neither gets into the log.
	link, err := a.access.SignInLink(t.Context(), a.somebody())
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(link, "code=")
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	answer, err := browser.PostForm(a.api.URL+"/signin", url.Values{"code": {code}, "next": {"/start"}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	site, _ := url.Parse(a.api.URL)
	if len(jar.Cookies(site)) == 0 {
		t.Fatalf("nobody is signed in: %s", answer.Status)
	}
	a.told.Write([]byte(code + " " + jar.Cookies(site)[0].Value + " "))
	before = len(a.log.String())
	if answer, err = browser.Get(a.api.URL + "/people?code=" + code); err != nil || answer.StatusCode != http.StatusForbidden {
		t.Errorf("a rep opens the people: %v %v", answer.Status, err)
	}
	answer.Body.Close()
	a.leaves(t, before, "request refused", "route=/people", "status=403", "who=rita@ours.test")
}

// headers asks every page and every route for what it tells browsers.
func (a *attacked) headers(t *testing.T) {
	var routes []string
	for _, route := range access.Routes() {
		if path, is := strings.CutPrefix(route, "GET "); is && !tracked(path) && path != "/healthz" && path != "/readyz" && path != "/metrics" {
			routes = append(routes, strings.NewReplacer(":id", "deck", ":email", "bo@buyer.test", ":domain", "buyer.test", ":", "", "*", "site.css").Replace(path))
		}
	}
	if len(routes) < 80 {
		t.Fatalf("only %d routes", len(routes))
	}
	inParallel(len(routes), func(i int) {
		path := routes[i]
		answer, _ := a.ask("GET", path, "", "Accept", "text/html")
		h := answer.Header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
		if p := h.Get("Referrer-Policy"); p != "same-origin" && p != "no-referrer" {
			t.Errorf("%s: referrer policy %q", path, p)
		}
		if c := h.Get("Cache-Control"); c != "no-store" && !strings.HasPrefix(path, "/static/") {
			t.Errorf("%s may be kept: %q", path, c)
		}
		if h.Get("Server") != "" || h.Get("X-Powered-By") != "" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s tells too much: %v", path, h)
		}
	})
}

func (a *attacked) tokens(t *testing.T) {
	before := len(a.log.String())
	codes := map[int]int{}
	for i := range 150 {
		token := a.link[len("/c/"):]
		guess := token[:5] + fmt.Sprintf("%04d", i) + token[9:]
		answer, _ := a.ask("GET", "/c/"+guess, "", "Authorization", "")
		codes[answer.StatusCode]++
		if answer.Header.Get("Location") != "" {
			t.Errorf("a guess leads to %s", answer.Header.Get("Location"))
		}
	}
	if codes[http.StatusNotFound] > 100 || codes[http.StatusTooManyRequests] < 50 {
		t.Errorf("150 guesses are answered %v", codes)
	}
	a.leaves(t, before, "slowed down")
	for _, way := range []string{"/o/", "/stop/", "/shared/"} {
		answer, body := a.ask("GET", way+"guess"+a.link[len("/c/")+5:], "", "Authorization", "")
		if answer.Header.Get("Location") != "" || strings.Contains(body, "bo@buyer.test") {
			t.Errorf("a guess at %s: %d %s", way, answer.StatusCode, body)
		}
	}
	if answer, _ := a.ask("GET", a.link, "", "Authorization", ""); answer.Header.Get("Location") != a.target {
		t.Errorf("the real link does not work beside it: %d", answer.StatusCode)
	}
}
