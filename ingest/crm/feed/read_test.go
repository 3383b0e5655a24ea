package feed

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

const pipedriveBody = `{"meta":{"action":"change","entity":"deal","version":"2.0","company_id":1,"user_id":2,"id":"6c9b","entity_id":7,"webhook_id":99,"attempt":1,"timestamp":"2026-11-20T14:25:28.123Z","change_source":"app"},
	"data":{"id":7,"title":"Acme, 20 seats","value":1250.5,"currency":"EUR","status":"won","stage_id":3,"pipeline_id":1,"owner_id":2,"person_id":3,"org_id":2,"add_time":"2026-09-27T14:25:27Z","update_time":"2026-11-20T14:25:28Z","stage_change_time":"2026-11-19T08:00:00Z","won_time":"2026-11-20T14:25:28Z","lost_reason":null,"custom_fields":{"x":{"y":[1]}}},
	"previous":{"status":"open"}}`

const salesforceBody = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
<notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>00D50000000JG4bEAG</OrganizationId><ActionId>04kD00000004CKAIA2</ActionId><SessionId>SECRET!SESSION</SessionId>
<Notification><Id>04lD0000000ABCDIA4</Id><sObject xsi:type="sf:Opportunity" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>0065g00000AbCdE</sf:Id><sf:Amount>1500.0</sf:Amount><sf:CloseDate>2026-11-20</sf:CloseDate><sf:IsClosed>true</sf:IsClosed><sf:IsWon>true</sf:IsWon><sf:LastStageChangeDate>2026-11-20T10:00:00.000Z</sf:LastStageChangeDate><sf:Name>Acme &amp; Sons</sf:Name><sf:StageName>Closed Won</sf:StageName><sf:SystemModstamp>2026-11-20T10:00:01.000Z</sf:SystemModstamp></sObject></Notification>
<Notification><Id>04lD0000000ABCEIA4</Id><sObject xsi:type="sf:OpportunityContactRole" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>00K5g00000AbCdE</sf:Id><sf:OpportunityId>0065g00000AbCdF</sf:OpportunityId></sObject></Notification>
</notifications></soapenv:Body></soapenv:Envelope>`

const closeBody = `{"event":{"id":"ev_1","object_type":"opportunity","object_id":"oppo_1","action":"updated","date_created":"2026-11-20T10:00:00.500000","changed_fields":["status_id"],"organization_id":"orga_1",
	"data":{"id":"oppo_1","lead_id":"lead_1","lead_name":"Acme","status_id":"stat_won","status_label":"Won","status_type":"won","pipeline_id":"pipe_1","value":125050,"value_currency":"EUR","user_id":"user_1","user_name":"Anna","contact_id":"cont_1","date_created":"2026-10-01T00:00:00.000000+00:00","date_updated":"2026-11-20T10:00:00.400000+00:00","date_won":"2026-11-20","date_lost":null},
	"previous_data":{"status_id":"stat_open"}},"subscription_id":"whsub_1"}`

const standardBody = `{"type":"deal.stage_changed","timestamp":"2026-11-20T10:00:00Z","data":{"deal_id":"X-1","name":"Acme","stage":"Demo","amount":"1250.50","currency":"EUR","owner_email":"anna@example.com","company_domain":"acme.example","occurred_at":"2026-11-20T09:59:59.123Z","contacts":[{"email":"bo@acme.example","role":"buyer"}]}}`

func hubspotEvents(n int) string {
	var events []string
	for i := range n {
		events = append(events, fmt.Sprintf(`{"eventId":%d,"subscriptionId":12345,"portalId":62515,"occurredAt":%d,"subscriptionType":"deal.propertyChange","attemptNumber":0,"objectId":%d,"propertyName":"dealstage","propertyValue":"closedwon","changeSource":"CRM"}`, i, 1564113600000+i, 1000+i))
	}
	return "[" + strings.Join(events, ",") + "]"
}

// summary is what changes say, in one line each.
func summary(changes []Change) string {
	var lines []string
	for _, c := range changes {
		d := c.Deal
		switch {
		case c.Erase != "":
			lines = append(lines, "erase "+c.Erase)
		case !c.Whole:
			lines = append(lines, "look at "+d.ID)
		case d.Gone:
			lines = append(lines, "gone "+d.ID+" "+stamped(d.Modified))
		case d.Into != "":
			lines = append(lines, d.ID+" into "+d.Into)
		default:
			cells, _ := json.Marshal(d.Cells)
			line := fmt.Sprintf("%s %s/%s %s %s %s", d.ID, d.Pipeline, d.Stage, d.Status, stamped(d.Modified), cells)
			for _, e := range d.Entered {
				line += " entered " + e.Stage + " " + stamped(e.At)
			}
			if d.Contacts != nil {
				line += fmt.Sprint(" ", d.Contacts)
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestDeliveriesAreUnderstood(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, c := range []struct{ name, kind, body, want, wrong string }{
		{"both spellings of HubSpot", HubSpot, `[{"subscriptionType":"deal.propertyChange","objectId":123,"portalId":62515},{"subscriptionType":"object.creation","objectTypeId":"0-3","objectId":"124","portalId":62515},{"subscriptionType":"contact.propertyChange","objectId":9,"portalId":62515},{"subscriptionType":"object.propertyChange","objectTypeId":"0-2","objectId":8,"portalId":62515}]`, "look at 123\nlook at 124", ""},
		{"a merge", HubSpot, `[{"subscriptionType":"deal.merge","primaryObjectId":1,"mergedObjectIds":[2],"newObjectId":3,"objectId":1,"portalId":62515}]`, "look at 1\nlook at 1\nlook at 3", ""},
		{"an association", HubSpot, `[{"subscriptionType":"deal.associationChange","associationType":"DEAL_TO_CONTACT","fromObjectId":5,"toObjectId":6,"portalId":62515},{"subscriptionType":"deal.associationChange","associationType":"CONTACT_TO_DEAL","fromObjectId":6,"toObjectId":5,"portalId":62515}]`, "look at 5\nlook at 5", ""},
		{"a person to be erased", HubSpot, `[{"subscriptionType":"contact.privacyDeletion","objectId":77,"portalId":62515}]`, "erase 77", ""},
		{"another portal", HubSpot, `[{"subscriptionType":"deal.creation","objectId":77,"portalId":1}]`, "", "another portal"},
		{"no list", HubSpot, `{"subscriptionType":"deal.creation"}`, "", "was not expected"},
		{"no JSON", HubSpot, `<html>`, "", "no JSON"},
		{"half a list", HubSpot, `[{"subscriptionType":"deal.creation","objectId":77,"portalId":62515}`, "", "no JSON"},
		{"no type", HubSpot, `[{}]`, "", "no subscriptionType"},
		{"deep", HubSpot, "[" + deep + "]", "", "deeper than 32"},
		{"Pipedrive", Pipedrive, pipedriveBody, `7 1/3 won 2026-11-20T14:25:28Z {"amount":"1250.5","closed_at":"2026-11-20T14:25:28Z","created_at":"2026-09-27T14:25:27Z","currency":"EUR","loss_reason":"","name":"Acme, 20 seats"} entered 3 2026-11-19T08:00:00Z`, ""},
		{"numbers in meta", Pipedrive, `{"meta":{"action":"delete","entity":"deal","id":5,"entity_id":7,"timestamp":1795600800},"data":null,"previous":{"id":7}}`, "gone 7 2026-11-25T10:00:00Z", ""},
		{"a merged deal", Pipedrive, `{"meta":{"action":"delete","entity":"deal","entity_id":7,"merged_to_id":8,"timestamp":"2026-11-20T14:25:28Z"},"data":null}`, "7 into 8\nlook at 8", ""},
		{"a person", Pipedrive, `{"meta":{"action":"change","entity":"person","entity_id":7},"data":{"id":7,"owner_id":{"id":1}}}`, "", ""},
		{"the form before", Pipedrive, `{"v":1,"meta":{"action":"updated","object":"deal","id":7},"current":{"id":7,"stage_id":3},"previous":{"id":7}}`, "look at 7", ""},
		{"no deal", Pipedrive, `{"meta":{"entity":"deal"},"data":{}}`, "", "which deal"},
		{"no meta", Pipedrive, `{"data":{"id":1}}`, "", "no meta"},
		{"Salesforce", Salesforce, salesforceBody, `0065g00000AbCdEAAV /Closed Won won 2026-11-20T10:00:01Z {"amount":"1500","closed_at":"2026-11-20","name":"Acme \u0026 Sons"} entered Closed Won 2026-11-20T10:00:00Z` + "\nlook at 0065g00000AbCdFAAV", ""},
		{"entities", Salesforce, `<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]><notifications><OrganizationId>&lol2;</OrganizationId></notifications>`, "", "document type"},
		{"an outside entity", Salesforce, `<notifications><OrganizationId>&xxe;</OrganizationId></notifications>`, "", "no XML"},
		{"deep XML", Salesforce, strings.Repeat("<a>", 50) + strings.Repeat("</a>", 50), "", "deeper than 32"},
		{"no message", Salesforce, `<a/>`, "", "no organization"},
		{"Close", Close, closeBody, `oppo_1 pipe_1/stat_won won 2026-11-20T10:00:00.4Z {"account":"Acme","amount":"1250.5","closed_at":"2026-11-20","created_at":"2026-10-01T00:00:00Z","currency":"EUR","name":"Acme","owner":"Anna"} entered stat_won 2026-11-20T10:00:00.5Z`, ""},
		{"a deleted opportunity", Close, `{"event":{"object_type":"opportunity","object_id":"oppo_1","action":"deleted","date_created":"2026-11-20T10:00:00"}}`, "gone oppo_1 2026-11-20T10:00:00Z", ""},
		{"a lead", Close, `{"event":{"object_type":"lead","action":"updated","data":{"id":["x"]}}}`, "", ""},
		{"no event", Close, `{}`, "", "no event"},
		{"Attio", Attio, `{"webhook_id":"w","events":[{"event_type":"record.updated","id":{"workspace_id":"w","object_id":"o","record_id":"r1","attribute_id":"a"}},{"event_type":"note.created","id":{"note_id":"n"}},{"event_type":"record.merged","id":{"record_id":"r2"},"duplicate_record_id":"r3"}]}`, "look at r1\nlook at r2\nlook at r3", ""},
		{"no events", Attio, `{"webhook_id":"w"}`, "", "no events"},
		{"standard", Standard, standardBody, `X-1 /Demo  2026-11-20T09:59:59.123Z {"amount":"1250.5","currency":"EUR","domain":"acme.example","name":"Acme","owner":"anna@example.com"} entered Demo 2026-11-20T09:59:59.123Z [map[email:bo@acme.example role:buyer]]`, ""},
		{"deleted", Standard, `{"type":"deal.deleted","timestamp":"2026-11-20T10:00:00Z","data":{"deal_id":"X-1"}}`, "gone X-1 2026-11-20T10:00:00Z", ""},
		{"merged", Standard, `{"type":"deal.merged","timestamp":"2026-11-20T10:00:00Z","data":{"deal_id":"X-1","merged_into":"X-2"}}`, "X-1 into X-2", ""},
		{"erased", Standard, `{"type":"contact.erased","timestamp":"2026-11-20T10:00:00Z","data":{"email":"bo@acme.example"}}`, "erase bo@acme.example", ""},
		{"a type of deals that nobody knows", Standard, `{"type":"deal.exploded","data":{"deal_id":"X-1"}}`, "", "its type is none"},
		{"another tool's type", Standard, `{"type":"invoice.paid"}`, "", ""},
		{"no time", Standard, `{"type":"deal.created","data":{"deal_id":"X-1"}}`, "", "when it happened"},
		{"no deal", Standard, `{"type":"deal.created","timestamp":"2026-11-20T10:00:00Z","data":{}}`, "", "no deal_id"},
	} {
		s := Source{Kind: c.kind, Portal: "62515"}
		changes, err := s.vendor().read([]byte(c.body))
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
			}
			continue
		}
		if got := summary(changes); err != nil || got != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got, c.want)
		}
	}
	hundred, err := Source{Kind: HubSpot}.read(hubspotEvents(100))
	if err != nil || len(hundred) != 100 {
		t.Errorf("a delivery of a hundred: %d, %v", len(hundred), err)
	}
	if _, err := (Source{Kind: HubSpot}).read(hubspotEvents(maxChanges + 1)); err == nil {
		t.Error("too many changes are taken")
	}
}

func (s Source) read(body string) ([]Change, error) { return s.vendor().read([]byte(body)) }

func TestTimesAreReadAsCRMsWriteThem(t *testing.T) {
	want := time.Date(2026, 11, 20, 14, 25, 28, 0, time.UTC)
	for _, s := range []text{"2026-11-20T14:25:28Z", "2026-11-20T15:25:28+01:00", "2026-11-20T14:25:28.000+0000", "2026-11-20 14:25:28", "2026-11-20T14:25:28.000000", "1795184728000", "1795184728"} {
		if got := s.when(); !got.Equal(want) {
			t.Errorf("%s: %s", s, got)
		}
	}
	for _, s := range []text{"", "soon", "-5", "9999999999999999999999999", "0", "1e999999999", "NaN"} {
		if got := s.when(); !got.IsZero() {
			t.Errorf("%s: %s", s, got)
		}
	}
	for s, want := range map[text]string{"1.5E7": "15000000", "12.50": "12.5", "": "", "a lot": "", "1e99": "", "1e999999999": "", "-3": "-3"} {
		if got := s.amount(); got != want {
			t.Errorf("amount %s: %q, want %q", s, got, want)
		}
	}
}

// fuzz reads anything as deliveries of a kind: it must not panic, and what it understands
// must name something.
func fuzz(f *testing.F, kind string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &Source{Kind: kind}
		changes, err := s.vendor().read(body)
		if err != nil && len(changes) > 0 {
			t.Fatal("changes and an error")
		}
		feeds, m := &Feeds{}, newMeanings(nil, nil)
		for _, c := range changes {
			if c.Deal.ID == "" && c.Erase == "" {
				t.Fatalf("a change of nothing: %+v", c)
			}
			feeds.told(s, m, version{}.newer(c.Deal))
		}
	})
}

func FuzzHubSpot(f *testing.F)   { fuzz(f, HubSpot, hubspotEvents(2), `[{"subscriptionType":"x"}]`) }
func FuzzPipedrive(f *testing.F) { fuzz(f, Pipedrive, pipedriveBody) }
func FuzzSalesforce(f *testing.F) {
	fuzz(f, Salesforce, salesforceBody, `<a><sObject type="Opportunity"><Id>1</Id></sObject></a>`)
}
func FuzzClose(f *testing.F) { fuzz(f, Close, closeBody) }
func FuzzAttio(f *testing.F) {
	fuzz(f, Attio, `{"events":[{"event_type":"record.updated","id":{"record_id":"r"}}]}`)
}
func FuzzStandard(f *testing.F) { fuzz(f, Standard, standardBody) }
