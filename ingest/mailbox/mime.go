package mailbox

import (
	"bufio"
	"bytes"
	"errors"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/jhillyerd/enmime/v2"
	"github.com/jhillyerd/enmime/v2/mediatype"
)

// Bounds on structure.
const (
	maxDepth     = 50
	maxParts     = 5000
	maxBoundary  = 200
	maxMediaType = 10_000 // bytes of one Content-Type header
)

var errParts = errors.New("too many parts")

// walk calls leaf for every part of a mail that is not a multipart, with its
// header, media type and body as stored. It takes a mail apart by
// itself, because a multipart parser that nests readers spends minutes on a few
// megabytes of nested parts; what is left to enmime is what it is good at:
// broken headers, encodings and charsets.
//
// What is broken is read as a mail program would: a multipart without a
// boundary takes the first line that looks like one, a missing end is the end
// of the part around it.
func walk(header textproto.MIMEHeader, body []byte, leaf func(header textproto.MIMEHeader, kind string, body []byte)) error {
	count := 0
	var part func(header textproto.MIMEHeader, body []byte, depth int) error
	part = func(header textproto.MIMEHeader, body []byte, depth int) error {
		if count++; count > maxParts {
			return errParts
		}
		kind, params := mediaType(header.Get("Content-Type"))
		if !strings.HasPrefix(kind, "multipart/") {
			leaf(header, kind, body)
			return nil
		}
		boundary := params["boundary"]
		if boundary == "" || len(boundary) > maxBoundary {
			boundary = guess(body)
		}
		if boundary == "" {
			leaf(header, "text/plain", body)
			return nil
		}
		if depth == maxDepth {
			return nil
		}
		for _, inner := range cutParts(body, boundary) {
			header, body := split(inner)
			if err := part(header, body, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return part(header, body, 0)
}

// nothing collects the parser's complaints.
type nothing struct{}

func (nothing) AddError(string, string, ...any)   {}
func (nothing) AddWarning(string, string, ...any) {}

// split returns the header and the body of a mail or a part.
func split(raw []byte) (textproto.MIMEHeader, []byte) {
	end := 0
	for end < len(raw) {
		line := raw[end:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		end += len(line)
	}
	if end == 0 {
		return textproto.MIMEHeader{}, body(raw)
	}
	header, err := enmime.ReadHeader(bufio.NewReader(bytes.NewReader(fields(raw[:end]))), nothing{})
	if err != nil || header == nil {
		header = textproto.MIMEHeader{} // what is left of a header that makes no sense does not help
	}
	return header, body(raw[end:])
}

// body returns what follows the empty line that ends a header.
func body(rest []byte) []byte {
	return bytes.TrimPrefix(bytes.TrimPrefix(rest, []byte("\r")), []byte("\n"))
}

var field = regexp.MustCompile(`(?m)^([!-9;-~]+)[ \t]*:`)

// fields returns a header as the parser wants it: what stands before the first
// field hides all others from it, and blanks before a colon the field.
func fields(header []byte) []byte {
	at := field.FindIndex(header)
	if at == nil {
		return nil
	}
	header = header[at[0]:]
	if bytes.Contains(header, []byte(" :")) || bytes.Contains(header, []byte("\t:")) {
		return field.ReplaceAll(header, []byte("$1:"))
	}
	return header
}

// mediaType returns the kind of a part, in lower case, and its parameters. What
// cannot be read is text.
func mediaType(header string) (kind string, params map[string]string) {
	if strings.TrimSpace(header) == "" {
		return "text/plain", nil
	}
	kind, params, _, err := mediatype.Parse(cut(header, maxMediaType))
	if err != nil || kind == "" || kind == "text" {
		return "text/plain", nil
	}
	return strings.ToLower(kind), params
}

// guess returns the boundary that a body seems to have, or "".
func guess(body []byte) string {
	for rest := body; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		line = bytes.TrimRight(line, " \t\r")
		if bytes.HasPrefix(line, []byte("--")) && len(line) > 2 && len(line) <= 72 {
			return string(line[2:])
		}
	}
	return ""
}

// cutParts returns what stands between the boundaries of a multipart's body.
func cutParts(body []byte, boundary string) [][]byte {
	mark := []byte("--" + boundary)
	var parts [][]byte
	begin := -1 // of the part that is open
	for at := 0; at < len(body); {
		i := bytes.Index(body[at:], mark)
		if i < 0 {
			break
		}
		i += at
		rest := body[i+len(mark):]
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			rest = rest[:n+1]
		}
		at = i + len(mark)
		said := strings.TrimSpace(string(rest[:min(len(rest), 100)]))
		if i > 0 && body[i-1] != '\n' || said != "" && said != "--" {
			continue
		}
		if begin >= 0 {
			parts = append(parts, withoutBreak(body[begin:i]))
		}
		at += len(rest)
		if begin = at; said == "--" {
			return parts
		}
	}
	if begin >= 0 && begin < len(body) {
		parts = append(parts, body[begin:])
	}
	return parts
}

// withoutBreak returns a part without the line break before the boundary, which
// belongs to that (RFC 2046 section 5.1.1).
func withoutBreak(part []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(part, []byte("\n")), []byte("\r"))
}

// text returns the decoded text of a part, in UTF-8, of which only the broken
// pieces are missing.
func text(header textproto.MIMEHeader, body []byte) string {
	var raw bytes.Buffer
	for _, name := range []string{"Content-Type", "Content-Transfer-Encoding"} { // the parser shall not read all others again
		if v := header.Get(name); v != "" {
			raw.WriteString(name + ": " + cut(v, maxMediaType) + "\r\n")
		}
	}
	raw.WriteString("\r\n")
	raw.Write(body)
	parser := enmime.NewParser(
		enmime.SkipMalformedParts(true),
		enmime.MultipartWOBoundaryAsSinglePart(true),
		enmime.SetReadPartErrorPolicy(enmime.AllowCorruptTextPartErrorPolicy),
		enmime.MaxStoredPartErrors(10),
		enmime.DisableCharacterDetection(true),
		enmime.SetCustomParseMediaType(func(header string) (string, map[string]string, []string, error) {
			kind, params := mediaType(header)
			if !strings.HasPrefix(kind, "text/") {
				kind = "text/plain"
			}
			charset := params["charset"]
			if charset == "" {
				charset = "utf-8" // else it is guessed, and guesses change
			}
			return kind, map[string]string{"charset": charset}, nil, nil
		}),
	)
	part, err := parser.ReadParts(&raw)
	if err != nil || part == nil || len(part.Content) == 0 {
		return string(body)
	}
	return string(part.Content)
}
