package ingest

import (
	"archive/zip"
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"dealtrail/trail"
)

// save stores a file and returns what a content's state says of it.
func (r *Registry) save(name string, file io.Reader) (map[string]string, error) {
	name = path.Base(strings.ReplaceAll(name, `\`, "/")) // some browsers send the whole path
	buffered := bufio.NewReader(file)
	start, _ := buffered.Peek(512) // an error comes again below
	sha, size, err := r.Files.Save(buffered, cmp.Or(r.MaxFile, defaultMaxFile))
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, trail.Problemf(trail.Invalid, "The file %q is empty.", name)
	}
	return map[string]string{
		"file": sha, "file_name": name, "file_type": mediaType(name, start), "file_size": strconv.FormatInt(size, 10),
	}, nil
}

// mediaTypes are the files that marketers send. The table is ours, since what a
// machine's own table says differs from machine to machine.
var mediaTypes = map[string]string{
	".pdf": "application/pdf", ".txt": "text/plain; charset=utf-8", ".csv": "text/csv; charset=utf-8",
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".md": "text/markdown; charset=utf-8",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".svg": "image/svg+xml",
	".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime", ".mp3": "audio/mpeg", ".zip": "application/zip",
	".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".odt":  "application/vnd.oasis.opendocument.text", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
	".odp": "application/vnd.oasis.opendocument.presentation", ".key": "application/vnd.apple.keynote",
}

func mediaType(name string, start []byte) string {
	if t, ok := mediaTypes[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return http.DetectContentType(start)
}

// FileReport says what became of one file.
type FileReport struct {
	Name    string          `json:"name"`
	Content trail.ContentID `json:"content,omitzero"` // what it was registered as
	Changed bool            `json:"changed"`          // the content is new or not what it was
	Visible bool            `json:"visible"`          // reports show it already
	Reason  string          `json:"reason,omitzero"`  // why it was not registered
}

// AddFile stores an uploaded file and registers it as a content whose links
// serve it, unless attrs or an earlier registration give a url. Without an ID,
// the content is named after the file, so that the same name again is the next
// version of the same content. A ZIP without an ID counts as the folder that it
// holds, and takes no attrs. More than MaxFile bytes are a *trail.Problem
// TooLarge.
func (r *Registry) AddFile(ctx context.Context, name string, file io.ReaderAt, size int64, id trail.ContentID, attrs map[string]string, source string) ([]FileReport, error) {
	if strings.EqualFold(path.Ext(name), ".zip") && id == "" {
		if len(attrs) > 0 {
			return nil, trail.Problemf(trail.Invalid, "A title and the like belong to one file; give the ZIP %q an ID to make it one content.", name)
		}
		folder, err := zip.NewReader(file, size)
		if err != nil {
			return nil, trail.Problemf(trail.Invalid, "The ZIP %q cannot be read: %s.", name, err)
		}
		return r.AddFolder(ctx, folder, source)
	}
	if id == "" {
		id = slug(withoutExt(path.Base(strings.ReplaceAll(name, `\`, "/"))))
	}
	if err := checkID(id); err != nil {
		return nil, err
	}
	stored, err := r.save(name, io.NewSectionReader(file, 0, size))
	if err != nil {
		return nil, err
	}
	maps.Copy(stored, attrs)
	changed, visible, err := r.registerOne(ctx, id, stored, source)
	if err != nil {
		return nil, err
	}
	return []FileReport{{Name: name, Content: id, Changed: changed, Visible: visible}}, nil
}

// folderChunk is how many files are registered in one step, and maxFolder how
// many a folder may hold.
const (
	folderChunk = 200
	maxFolder   = 10_000
)

// AddFolder registers every file of a folder, or of a ZIP ([zip.Reader] is an
// [fs.FS]), under an ID made of its path, and reports on each. Hidden files and
// those that systems leave behind are skipped. A file that cannot be registered
// is only reported; more than MaxFolder bytes, and any other error, end it.
func (r *Registry) AddFolder(ctx context.Context, folder fs.FS, source string) ([]FileReport, error) {
	var reports []FileReport
	var items []*registration
	var positions []int // of the items in reports
	ids := map[trail.ContentID]string{}
	left := cmp.Or(r.MaxFolder, defaultMaxFolder)
	flush := func() error {
		if err := r.register(ctx, source, items); err != nil {
			return err
		}
		for i, item := range items {
			report := &reports[positions[i]]
			if report.Changed = item.changed; item.refused != nil {
				report.Content, report.Reason = "", item.refused.Error()
			}
		}
		items, positions = nil, nil
		return nil
	}
	err := walkFiles(ctx, folder, func(name string) error {
		if len(reports) == maxFolder {
			return trail.Problemf(trail.TooLarge, "The folder holds more than %d files.", maxFolder)
		}
		item, err := r.folderFile(folder, name, ids, &left)
		if left < 0 {
			return trail.Problemf(trail.TooLarge, "The files of the folder have more than %d MB together.", cmp.Or(r.MaxFolder, defaultMaxFolder)>>20)
		}
		if p := (*trail.Problem)(nil); errors.As(err, &p) {
			reports = append(reports, FileReport{Name: name, Reason: p.Text})
			return nil
		}
		if err != nil {
			return err
		}
		items, positions = append(items, item), append(positions, len(reports))
		reports = append(reports, FileReport{Name: name, Content: item.id})
		if len(items) < folderChunk {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return reports, fmt.Errorf("add folder: %w", err)
	}
	visible := r.visible(ctx)
	for i := range reports {
		reports[i].Visible = reports[i].Content != "" && (visible || !reports[i].Changed)
	}
	return reports, nil
}

// walkFiles calls do for every file that a person put into a folder.
func walkFiles(ctx context.Context, folder fs.FS, do func(name string) error) error {
	return fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case skipped(name) && d.IsDir():
			return fs.SkipDir
		case skipped(name) || !d.Type().IsRegular():
			return nil
		}
		return do(name)
	})
}

// folderFile stores one file of a folder. Two files that differ only in what an
// ID cannot hold, such as deck.pdf and deck.pptx, keep their endings.
func (r *Registry) folderFile(folder fs.FS, name string, names map[trail.ContentID]string, left *int64) (*registration, error) {
	id := slug(withoutExt(name))
	if _, taken := names[id]; taken || id == "" {
		id = slug(name)
	}
	if first, taken := names[id]; taken {
		return nil, trail.Problemf(trail.Conflict, "%s and %s would have the same ID %q; rename one of them.", first, name, id)
	}
	if err := checkID(id); err != nil {
		return nil, err
	}
	f, err := folder.Open(name)
	if err != nil {
		return nil, trail.Problemf(trail.Invalid, "The file cannot be opened: %s.", err)
	}
	defer f.Close()
	attrs, err := r.save(name, &meter{f, left})
	if err != nil {
		return nil, err
	}
	names[id] = name
	return &registration{id: id, attrs: attrs}, nil
}

// meter reads until what is left for all files together is used up.
type meter struct {
	io.Reader
	left *int64
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.Reader.Read(b)
	if *m.left -= int64(n); *m.left < 0 {
		return n, errors.New("the folder is too large")
	}
	return n, err
}

// skipped reports whether a file or folder is none that a person put there.
func skipped(name string) bool {
	base := path.Base(name)
	return name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "~$") ||
		base == "__MACOSX" || strings.EqualFold(base, "Thumbs.db") || strings.EqualFold(base, "desktop.ini"))
}

func withoutExt(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

// slug makes an ID of a name: lower case, letters and digits of any language,
// and single hyphens.
func slug(name string) trail.ContentID {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	id := strings.Join(words, "-")
	for len(id) > maxContentID {
		_, size := utf8.DecodeLastRuneInString(id)
		id = id[:len(id)-size]
	}
	return strings.TrimRight(id, "-")
}
