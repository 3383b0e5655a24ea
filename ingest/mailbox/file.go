package mailbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"mime/quotedprintable"
	"net/textproto"
	"slices"
	"strings"
)

// file is a part of a mail that is no text to read.
type file struct {
	name     string
	kind     string   // media type
	encoding string   // base64, quoted-printable, or ""
	size     int64    // bytes as stored, encoding included
	body     []byte   // as stored; nil: not fetched, or hashed
	hashes   []string // the SHA-256 that it may be registered under
}

// fileName returns the name of a part's file for display and comparison, never a
// path.
func fileName(h textproto.MIMEHeader) string {
	_, params := mediaType(h.Get("Content-Disposition"))
	name := params["filename"]
	if name == "" {
		_, params = mediaType(h.Get("Content-Type"))
		name = params["name"]
	}
	name = decodeWords(name)
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	return displayName(name)
}

func encodingOf(h textproto.MIMEHeader) string {
	switch e := strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))); e {
	case "base64", "quoted-printable":
		return e
	}
	return ""
}

// about returns between how many bytes the file has once it is decoded: servers
// tell the encoded size, and not always exactly.
func (f *file) about() (least, most int64) {
	switch f.encoding {
	case "base64": // 57 bytes are a line of 76 characters, CR and LF
		n := f.size * 57 / 78
		return n - n/20 - 64, n + n/20 + 64
	case "quoted-printable": // a byte is one to three characters
		return f.size/3 - 64, f.size + 64
	}
	if strings.HasPrefix(f.kind, "text/") { // its lines end in one byte more
		return f.size/2 - 64, f.size + 64
	}
	return f.size - f.size/20 - 64, f.size + f.size/20 + 64
}

// among reports whether one of the sizes, which ascend, may be the file's.
func (f *file) among(sizes []int64) bool {
	least, most := f.about()
	i, _ := slices.BinarySearch(sizes, least)
	return i < len(sizes) && sizes[i] <= most
}

// hash takes the SHA-256 that the file may be registered under, and lets go of
// its bytes: that of its bytes, and of a text also that with line feeds only, as
// mail has CR LF where the file may not.
func (f *file) hash() {
	if f.body == nil {
		return
	}
	data := f.decode()
	f.hashes = []string{hashOf(data)}
	if strings.HasPrefix(f.kind, "text/") && bytes.Contains(data, []byte("\r\n")) {
		f.hashes = append(f.hashes, hashOf(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))))
	}
	f.body = nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// decode undoes the transfer encoding and nothing else: libraries that know
// charsets would turn a text into other bytes than the file has.
func (f *file) decode() []byte {
	switch f.encoding {
	case "base64":
		return decodeBase64(f.body)
	case "quoted-printable":
		data, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(f.body))) // what comes before the error is the best there is
		return data
	}
	return f.body
}

// decodeBase64 reads what mail has: line breaks and other characters between,
// padding missing, and words of gateways after it.
func decodeBase64(body []byte) []byte {
	if i := bytes.IndexByte(body, '='); i >= 0 {
		body = body[:i] // padding ends the file
	}
	clean := make([]byte, 0, len(body))
	for _, c := range body {
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/' {
			clean = append(clean, c)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	data := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, _ := base64.RawStdEncoding.Decode(data, clean)
	return data[:n]
}
