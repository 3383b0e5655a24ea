package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"

	"dealtrail/ingest"
	"dealtrail/ingest/crm"
)

type importCmd struct {
	Table   string `arg:"" enum:"content,contacts,deals,stages,touches" help:"content, contacts, deals, stages or touches."`
	File    string `arg:"" help:"A CSV or XLSX file; for content also a folder, a ZIP or a sitemap." type:"path"`
	DryRun  bool   `help:"Check every row and store nothing."`
	Replace bool   `help:"The file is all there is: what earlier imports of the table brought and the file has no row for is retracted. Not for content."`
	Force   bool   `help:"With --replace: retract even more than half of what is there."`
}

// Run uploads the file and prints what became of its rows.
func (cmd importCmd) Run(e *env) error {
	if cmd.Force && !cmd.Replace {
		return usageError{errors.New("--force belongs to --replace: other imports retract nothing")}
	}
	if cmd.Replace {
		if err := crm.MayReplace(cmd.Table); err != nil {
			return err // a folder of content never gets to the server's word
		}
	}
	info, err := os.Stat(cmd.File)
	if err != nil {
		return err
	}
	ext := strings.ToLower(filepath.Ext(cmd.File))
	if cmd.Table == "content" && (info.IsDir() || ext == ".zip") {
		return cmd.folder(e, info.IsDir())
	}
	if info.IsDir() {
		return usageError{fmt.Errorf("%s is a folder; %s come from a CSV or XLSX file", cmd.File, cmd.Table)}
	}
	f, err := os.Open(cmd.File)
	if err != nil {
		return err
	}
	defer f.Close()
	var body io.Reader = f
	size, name := info.Size(), filepath.Base(cmd.File)
	if cmd.Table == "content" && ext == ".xml" {
		rows, err := sitemap(f)
		if err != nil {
			return fmt.Errorf("%s: %w", cmd.File, err)
		}
		body, size, name = bytes.NewReader(rows), int64(len(rows)), "sitemap.csv"
	}
	if e.tty {
		bar := progressbar.DefaultBytes(size, "sending")
		body = io.TeeReader(body, bar)
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	q := url.Values{"name": {name}}
	for param, set := range map[string]bool{"dry_run": cmd.DryRun, "replace": cmd.Replace, "force": cmd.Force} {
		if set {
			q.Set(param, "true")
		}
	}
	var report crm.Report
	if err := c.Do(e.ctx, "POST", "/v1/imports/"+cmd.Table+"?"+q.Encode(), "application/octet-stream", body, &report); err != nil {
		return err
	}
	if err := printReport(e.out, report); err != nil {
		return err
	}
	if report.Accepted == 0 && report.Rejected > 0 || report.Refused != "" {
		return errTrouble
	}
	return nil
}

// Help lists the columns, which kong shows with --help.
func (cmd importCmd) Help() string {
	return `Columns, in any order; exports of HubSpot and Salesforce are taken as they are:

    content:  id,title,kind,url,other_urls,stage,persona,version,tags,owner,cost,currency,published_at,expires_at
    contacts: email,name,account,domain,title,role,owner,status,source,created_at,consent,consent_basis,consent_at
    deals:    id,name,account,domain,amount,currency,stage,status,owner,created_at,closed_at,loss_reason,contacts,merged_into
    stages:   deal,stage,at
    touches:  at,kind,content,contact,deal,rep,agent`
}

func printReport(w io.Writer, r crm.Report) error {
	done, gone := "stored", "retracted"
	if r.DryRun {
		done, gone = "would be stored", "would be retracted"
	}
	fmt.Fprintf(w, "%s: %d rows read, %d accepted (%d new and %d changed %s, %d unchanged), %d rejected", r.Table, r.Read, r.Accepted, r.New, r.Changed, done, r.Unchanged, r.Rejected)
	if r.Retracted > 0 {
		fmt.Fprintf(w, "; %d without a row %s", r.Retracted, gone)
	}
	fmt.Fprintln(w)
	if r.Refused != "" {
		fmt.Fprintf(w, "  would be refused: %s\n", r.Refused)
	}
	for _, name := range r.Gone {
		fmt.Fprintf(w, "  %s: %s\n", gone, name)
	}
	if more := r.Retracted - len(r.Gone); len(r.Gone) > 0 && more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "  note: %s\n", warning)
	}
	for _, row := range r.Rows {
		fmt.Fprintf(w, "  line %d: %s\n", row.Line, row.Reason)
	}
	if more := r.Rejected - len(r.Rows); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
	return nil
}

// folder sends a folder, as one ZIP, and lets the server name and check its
// files; a ZIP goes as it is.
func (cmd importCmd) folder(e *env, dir bool) error {
	if cmd.DryRun {
		return usageError{errors.New("--dry-run is for CSV and XLSX: files have no rows that could be wrong")}
	}
	body, write := io.Pipe()
	form := multipart.NewWriter(write)
	go func() { write.CloseWithError(cmd.pack(form, dir)) }()
	defer body.Close()
	c, err := e.client()
	if err != nil {
		return err
	}
	var out struct{ Rows []ingest.FileReport }
	if err := c.Do(e.ctx, "POST", "/v1/content", form.FormDataContentType(), body, &out); err != nil {
		return err
	}
	rejected := 0
	for _, r := range out.Rows {
		if r.Reason != "" {
			rejected++
			fmt.Fprintf(e.out, "%s: %s\n", r.Name, r.Reason)
			continue
		}
		unchanged := ""
		if !r.Changed {
			unchanged = " (unchanged)"
		}
		fmt.Fprintf(e.out, "%s: content %s%s\n", r.Name, r.Content, unchanged)
	}
	fmt.Fprintf(e.out, "content: %d files accepted, %d rejected\n", len(out.Rows)-rejected, rejected)
	if rejected > 0 {
		return errTrouble
	}
	return nil
}

// pack writes the folder or the ZIP into the form.
func (cmd importCmd) pack(form *multipart.Writer, dir bool) error {
	part, err := form.CreateFormFile("file", strings.TrimSuffix(filepath.Base(cmd.File), ".zip")+".zip")
	if err != nil {
		return err
	}
	if dir {
		z := zip.NewWriter(part)
		if err := errors.Join(z.AddFS(os.DirFS(cmd.File)), z.Close()); err != nil {
			return err
		}
		return form.Close()
	}
	f, err := os.Open(cmd.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(part, f); err != nil {
		return err
	}
	return form.Close()
}

// sitemap turns a sitemap into the content CSV: each page is content under its
// path, titled by its last part.
func sitemap(r io.Reader) ([]byte, error) {
	var doc struct {
		URLs []struct {
			Loc string `xml:"loc"`
		} `xml:"url"`
	}
	if err := xml.NewDecoder(io.LimitReader(r, 50<<20)).Decode(&doc); err != nil {
		return nil, fmt.Errorf("not a sitemap: %w", err)
	}
	if len(doc.URLs) == 0 {
		return nil, fmt.Errorf("the sitemap lists no page; an index of sitemaps must be given one by one")
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"id", "title", "kind", "url"}}
	for _, page := range doc.URLs {
		target := strings.TrimSpace(page.Loc)
		id := target // of what is no URL; the import refuses the row and says why
		if u, err := url.Parse(target); err == nil {
			id = cmp.Or(strings.Trim(u.Path, "/"), u.Hostname())
		}
		title := strings.ReplaceAll(strings.TrimSuffix(path.Base(id), path.Ext(id)), "-", " ")
		rows = append(rows, []string{id, title, "page", target})
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
