package mailbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// folder is one folder on the server that is read.
type folder struct {
	name string // as LIST gave it
	kind Folder
}

// choose returns the folders to read, Sent before Inbox, so that the mail a
// reply answers is known when the reply is read. The configured Sent folder
// counts before the server's \Sent attribute, and that before a name that Sent
// folders have. Without any Sent folder the text says so, for people. A folder of
// all mail (\All, as Gmail has it) stands for the Inbox: answers that were
// archived are only there.
func choose(list []*imap.ListData, configured string) (folders []folder, problem string) {
	var inbox, all string
	var attributed, named []folder
	for _, f := range list {
		if slices.Contains(f.Attrs, imap.MailboxAttrNoSelect) || slices.Contains(f.Attrs, imap.MailboxAttrNonExistent) {
			continue
		}
		last := f.Mailbox
		if f.Delim != 0 {
			last = last[strings.LastIndex(last, string(f.Delim))+1:]
		}
		switch {
		case marked(f, imap.MailboxAttrAll):
			all = f.Mailbox
		case strings.EqualFold(f.Mailbox, "INBOX"):
			inbox = f.Mailbox
		case f.Mailbox == configured:
			folders = append(folders, folder{name: f.Mailbox, kind: Sent})
		case marked(f, imap.MailboxAttrSent):
			attributed = append(attributed, folder{name: f.Mailbox, kind: Sent})
		case sentNames[strings.ToLower(last)]:
			named = append(named, folder{name: f.Mailbox, kind: Sent})
		}
	}
	switch {
	case configured != "" && len(folders) == 0:
		problem = fmt.Sprintf("There is no folder %q; set sent_folder to one of those that dealtrail mailbox check lists.", configured)
	case len(folders) > 0:
	case len(attributed) > 0:
		folders = attributed
	case len(named) > 0:
		folders = named
	default:
		problem = "Sent folder unknown; set sent_folder to one of those that dealtrail mailbox check lists."
	}
	return append(folders, folder{name: cmp.Or(all, inbox, "INBOX"), kind: Inbox}), problem // every server has an INBOX, listed or not
}

// marked reports whether the server says what a folder is for.
func marked(f *imap.ListData, attr imap.MailboxAttr) bool {
	return slices.ContainsFunc(f.Attrs, func(a imap.MailboxAttr) bool { return strings.EqualFold(string(a), string(attr)) })
}

// sentNames are the names of Sent folders, in lower case, on servers that do
// not mark theirs.
var sentNames = func() map[string]bool {
	names := map[string]bool{}
	for _, name := range strings.Split(strings.ToLower(`Sent|Sent Items|Sent Messages|Sent Mail|Sent Email|
Gesendet|Gesendete Elemente|Gesendete Objekte|Gesendete Nachrichten|Envoyés|Envoyé|Éléments envoyés|Messages envoyés|Objets envoyés|Courrier envoyé|
Enviados|Enviado|Elementos enviados|Mensajes enviados|Correo enviado|Itens enviados|Mensagens enviadas|Inviata|Inviati|Posta inviata|Messaggi inviati|Elementi inviati|
Verzonden|Verzonden items|Verzonden berichten|Skickat|Skickade|Skickade objekt|Sendt|Sendt post|Sendte elementer|Lähetetyt|Lähetetyt viestit|
Wysłane|Elementy wysłane|Odeslané|Odeslaná pošta|Odoslané|Odoslaná pošta|Elküldött|Elküldött elemek|Trimise|Poslano|Poslane|
Отправленные|Надіслані|Изпратени|Gönderilmiş Öğeler|Gönderilenler|Gönderilmiş|Απεσταλμένα|
送信済み|送信済みアイテム|送信済みメール|已发送|已发送邮件|已傳送|寄件備份|보낸 편지함|보낸편지함`), "|") {
		names[strings.TrimSpace(name)] = true
	}
	return names
}()

// sentFolder returns the names of the Sent folders for status.
func sentFolder(folders []folder) string {
	var names []string
	for _, f := range folders {
		if f.kind == Sent {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}
