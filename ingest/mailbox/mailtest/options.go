package mailtest

import (
	"crypto/x509"
	"strings"
)

// TB is what a server needs of a test. Programs that measure have their own.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Options make a server one of those that are out there.
type Options struct {
	NoIdle      bool // it cannot tell of new mail by itself
	NoCondstore bool // its folders have no HIGHESTMODSEQ, as those of Microsoft 365
}

// extensions are what our Dovecot says that it can do.
const extensions = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT " +
	"MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES " +
	"WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE"

func (o Options) config() string {
	if !o.NoIdle && !o.NoCondstore {
		return ""
	}
	var can []string
	for _, name := range strings.Fields(extensions) {
		lacks := o.NoIdle && name == "IDLE" || o.NoCondstore && (name == "CONDSTORE" || name == "QRESYNC")
		if !lacks {
			can = append(can, name)
		}
	}
	return "imap_capability = " + strings.Join(can, " ") + "\n"
}

// index says where the server keeps its notes on mail. Without a file it cannot
// number changes, and says NOMODSEQ.
func (o Options) index() string {
	if o.NoCondstore {
		return ":INDEX=MEMORY"
	}
	return ""
}

// StrangerCAs trusts a certificate that no server of ours has.
func StrangerCAs(t TB) *x509.CertPool {
	t.Helper()
	cert, _, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}
