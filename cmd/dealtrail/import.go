package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
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
	Table  string `arg:"" enum:"content,contacts,deals,stages,touches" help:"content, contacts, deals, stages or touches."`
	File   string `arg:"" help:"A CSV or XLSX file; for content also a folder, a ZIP or a sitemap." type:"path"`
	DryRun bool   `help:"Check every row and store nothing."`
}

// Run uploads the file and prints what became of its rows.
func (cmd importCmd) Run(e *env) error {
	info, err := os.Stat(cmd.File)
	if err != nil {
		return err
	}
	ext := strings.ToLower(filepath.Ext(cmd.File))
	if cmd.Table == "content" && (info.IsDir() || ext == ".zip") {
		return cmd.folder(e, info.IsDir())
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
	if cmd.DryRun {
		q.Set("dry_run", "true")
	}
	var report crm.Report
	if err := c.Do(e.ctx, "POST", "/v1/imports/"+cmd.Table+"?"+q.Encode(), "application/octet-stream", body, &report); err != nil {
		return err
	}
	return printReport(e.out, report)
}

func printReport(w io.Writer, r crm.Report) error {
	done := "stored"
	if r.DryRun {
		done = "would be stored"
	}
	fmt.Fprintf(w, "%s: %d rows read, %d accepted (%d new and %d changed %s, %d unchanged), %d rejected\n", r.Table, r.Read, r.Accepted, r.New, r.Changed, done, r.Unchanged, r.Rejected)
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

// folder sends every file of a folder or a ZIP, one request a file so that a
// large folder is neither one large body nor all or nothing.
func (cmd importCmd) folder(e *env, dir bool) error {
	var files fs.FS = os.DirFS(cmd.File)
	if !dir {
		z, err := zip.OpenReader(cmd.File)
		if err != nil {
			return err
		}
		defer z.Close()
		files = z
	}
	sent, rejected := 0, 0
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(path.Base(name), ".") && name != "."
		if err != nil || hidden && d.IsDir() {
			if hidden {
				return fs.SkipDir
			}
			return err
		}
		if d.IsDir() || hidden {
			return nil
		}
		if cmd.DryRun {
			sent++
			_, err := fmt.Fprintf(e.out, "would register %s\n", name)
			return err
		}
		reports, err := cmd.upload(e, files, name)
		if err != nil {
			rejected++
			fmt.Fprintf(e.out, "%s: %v\n", name, err)
			return e.ctx.Err()
		}
		for _, r := range reports {
			if r.Reason != "" {
				rejected++
				fmt.Fprintf(e.out, "%s: %s\n", r.Name, r.Reason)
				continue
			}
			sent++
			fmt.Fprintf(e.out, "%s: content %s\n", r.Name, r.Content)
		}
		return nil
	})
	fmt.Fprintf(e.out, "content: %d files accepted, %d rejected\n", sent, rejected)
	return err
}

func (cmd importCmd) upload(e *env, files fs.FS, name string) ([]ingest.FileReport, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", path.Base(name))
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(part, f); err != nil {
		return nil, err
	}
	if err := form.Close(); err != nil {
		return nil, err
	}
	c, err := e.client()
	if err != nil {
		return nil, err
	}
	var out struct{ Rows []ingest.FileReport }
	return out.Rows, c.Do(e.ctx, "POST", "/v1/content", form.FormDataContentType(), &b, &out)
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
		u, err := url.Parse(strings.TrimSpace(page.Loc))
		if err != nil {
			return nil, fmt.Errorf("page %q: %w", page.Loc, err)
		}
		id := strings.Trim(u.Path, "/")
		if id == "" {
			id = u.Hostname()
		}
		title := strings.ReplaceAll(strings.TrimSuffix(path.Base(id), path.Ext(id)), "-", " ")
		rows = append(rows, []string{id, title, "page", u.String()})
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
