package feed

import (
	"bytes"
	"crypto/subtle"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"dealtrail/ingest/crm"
)

// salesforce reads outbound messages: SOAP, up to a hundred opportunities each, with the
// fields that the admin chose as they are now.
type salesforce struct{ *Source }

// verify: Salesforce signs nothing. The address that was typed into it carries a secret,
// and the body names the organization.
func (s salesforce) verify(d Delivery, secrets []string, _ time.Time) error {
	u, err := url.Parse(d.URI)
	if err != nil || u.Query().Get("key") == "" {
		return errors.New("its address has no key")
	}
	fits := 0
	for _, secret := range secrets {
		fits |= subtle.ConstantTimeCompare([]byte(u.Query().Get("key")), []byte(secret))
	}
	if fits != 1 {
		return errors.New("the key of its address does not fit")
	}
	if m, err := readSOAP(d.Body); err == nil && !sameID(m.Organization, s.Organization) {
		return errors.New("it is of another organization than the configured one")
	}
	return nil
}

func (salesforce) name(Delivery) string { return "" }

// sameID compares two IDs of Salesforce, which have 15 characters or, with three that say
// which of those are upper case, 18.
func sameID(a, b string) bool {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	if len(a) < 15 || len(b) < 15 {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(a[:15]), []byte(b[:15])) == 1
}

// SalesforceAck is what Salesforce wants to hear; all else makes it try again for a day.
const SalesforceAck = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
	`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>` +
	`<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>`

// message is an outbound message. A session ID that it may carry is read nowhere.
type message struct {
	Organization  string
	Notifications []map[string]string // the fields of each, by name without its prefix; "type" is the object's
}

// readSOAP walks over the message. Entities that a document declares itself are an error
// here: nothing expands.
func readSOAP(body []byte) (m message, err error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var path []string
	var object map[string]string
	var value strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, errors.New("it is no XML")
		}
		switch t := token.(type) {
		case xml.Directive:
			return m, errors.New("it declares a document type")
		case xml.StartElement:
			if path = append(path, t.Name.Local); len(path) > maxDepth {
				return m, fmt.Errorf("it is nested deeper than %d", maxDepth)
			}
			value.Reset()
			if t.Name.Local == "sObject" {
				object = map[string]string{}
				for _, a := range t.Attr {
					if a.Name.Local == "type" {
						_, object["type"], _ = strings.Cut(":"+a.Value, ":")
						object["type"] = object["type"][strings.LastIndexByte(object["type"], ':')+1:]
					}
				}
			}
		case xml.CharData:
			value.Write(t)
		case xml.EndElement:
			name := path[len(path)-1]
			path = path[:len(path)-1]
			parent := ""
			if len(path) > 0 {
				parent = path[len(path)-1]
			}
			switch {
			case name == "sObject":
				if m.Notifications = append(m.Notifications, object); len(m.Notifications) > maxChanges {
					return m, fmt.Errorf("it has more than %d notifications", maxChanges)
				}
				object = nil
			case object != nil && parent == "sObject":
				object[name] = strings.TrimSpace(value.String())
			case name == "OrganizationId" && parent == "notifications":
				m.Organization = strings.TrimSpace(value.String())
			}
			value.Reset()
		}
	}
	if m.Organization == "" {
		return m, errors.New("it is no outbound message: it names no organization")
	}
	return m, nil
}

// salesforceCells are the columns that fields of an opportunity fill.
var salesforceCells = map[string]string{
	"Name": "name", "Amount": "amount", "CurrencyIsoCode": "currency", "CloseDate": "closed_at", "CreatedDate": "created_at",
}

func (s salesforce) read(body []byte) ([]Change, error) {
	m, err := readSOAP(body)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, o := range m.Notifications {
		id := crm.DealKey(o["Id"])
		if id == "" {
			return nil, errors.New("a notification has no Id")
		}
		switch {
		case o["type"] == "OpportunityContactRole" && o["OpportunityId"] != "":
			changes = append(changes, Change{Deal: Deal{ID: crm.DealKey(o["OpportunityId"])}})
		case o["type"] != "Opportunity":
		case o["StageName"] == "" || o["SystemModstamp"] == "" && o["LastModifiedDate"] == "":
			changes = append(changes, Change{Deal: Deal{ID: id}})
		default:
			changes = append(changes, Change{Whole: true, Deal: opportunity(o)})
		}
	}
	return changes, nil
}

// opportunity is a deal of the fields that a message has. Its stages are known by name.
func opportunity(o map[string]string) Deal {
	d := Deal{ID: crm.DealKey(o["Id"]), Stage: o["StageName"], Modified: text(first(text(o["SystemModstamp"]), text(o["LastModifiedDate"]))).when(), Cells: map[string]string{}}
	d.Gone = text(o["IsDeleted"]).yes()
	for field, cell := range salesforceCells {
		v, has := o[field]
		switch {
		case !has:
		case cell == "amount":
			d.Cells[cell] = text(v).amount()
		case strings.HasSuffix(cell, "_at"):
			d.Cells[cell] = text(v).stamp()
		default:
			d.Cells[cell] = v
		}
	}
	_, closed := o["IsClosed"]
	switch won := text(o["IsWon"]).yes(); {
	case won:
		d.Status = "won"
	case text(o["IsClosed"]).yes():
		d.Status = "lost"
	case closed:
		d.Status = "open"
	}
	if at := text(o["LastStageChangeDate"]).when(); !at.IsZero() {
		d.Entered = []Entered{{d.Stage, at}}
	}
	return d
}
