package feed

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"
)

var signedAt = time.Unix(1795600800, 0)

// Of the bodies and secrets below.
const (
	hubspotSignature = "ltIyodciXNKfpku0ST61K9yNXQ0yZHVx/IJvu3EI+W8="
	closeSignature   = "fa723f7249ab00b55af0dd9b4fc660e025328064dba67cf190e15dfbf107d35d"
	attioSignature   = "9927b431195e1c2c4b6f1ce433cb2e2868a8cfa3a7b720c5e3842c9921cdfbce"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// Signatures were computed by another program after the vendors' formulas; that of
// Standard Webhooks is the example of its specification.
func TestOnlyWhatTheCRMSignedIsItsWord(t *testing.T) {
	const (
		hubspotBody = `[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"deal.propertyChange","attemptNumber":0,"objectId":123,"propertyName":"dealstage","propertyValue":"closedwon"}]`
		address     = "https://go.example.com/v1/webhooks/hubspot?for=sales%40acme.example"
		closeKey    = "00ff1000ff1000ff1000ff1000ff1000ff1000ff1000ff1000ff1000ff10"
		standardKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		soap        = `<a><notifications><OrganizationId>00D50000000JG4bEAG</OrganizationId></notifications></a>`
	)
	hs := func(pairs ...string) http.Header {
		return header(append([]string{"X-HubSpot-Request-Timestamp", "1795600800000", "X-HubSpot-Signature-v3", "HUBSPOT"}, pairs...)...)
	}
	basic := basicHeader
	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32)))
	seconds := time.Unix(1614265330, 0)
	std := func(signature string) http.Header {
		return header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330", "webhook-signature", signature)
	}
	const good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	asymmetric := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(`msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}`)))
	sf := func(key, organization string) (Source, Delivery) {
		return Source{Kind: Salesforce, Organization: organization}, Delivery{Method: "POST", URI: "https://go.example.com/v1/webhooks/salesforce?key=" + key, Body: []byte(soap)}
	}
	type try struct {
		name    string
		source  Source
		d       Delivery
		secrets []string
		now     time.Time
		want    string // in the reason; "" if it is the CRM's
	}
	hubspotTry := func(name string, h http.Header, body, uri string, now time.Time, want string) try {
		return try{"hubspot: " + name, Source{Kind: HubSpot}, Delivery{"POST", uri, h, []byte(body)}, []string{"another", "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"}, now, want}
	}
	standardTry := func(name, signature, secret string, now time.Time, want string) try {
		return try{"standard: " + name, Source{Kind: Standard}, Delivery{Header: std(signature), Body: []byte(`{"test": 2432232314}`)}, strings.Fields(secret), now, want}
	}
	closeTry := func(name, stamp, hash, body string, now time.Time, want string) try {
		return try{"close: " + name, Source{Kind: Close}, Delivery{Header: header("close-sig-timestamp", stamp, "close-sig-hash", hash), Body: []byte(body)}, []string{closeKey}, now, want}
	}
	goodSF, goodSFDelivery := sf("long-random", "00D50000000JG4b")
	otherSF, otherSFDelivery := sf("long-random", "00D50000000JG4B")
	_, wrongKey := sf("guess", "")
	_, noKey := sf("", "")
	for _, c := range []try{
		hubspotTry("as signed", hs(), hubspotBody, address, signedAt, ""),
		hubspotTry("five minutes old", hs(), hubspotBody, address, signedAt.Add(5*time.Minute), ""),
		hubspotTry("older", hs(), hubspotBody, address, signedAt.Add(5*time.Minute+time.Second), "five minutes"),
		hubspotTry("from the future", hs(), hubspotBody, address, signedAt.Add(-6*time.Minute), "five minutes"),
		hubspotTry("another body", hs(), strings.Replace(hubspotBody, "closedwon", "closedlost", 1), address, signedAt, "does not fit"),
		hubspotTry("another address", hs(), hubspotBody, strings.Replace(address, "hubspot", "hubspot-2", 1), signedAt, "does not fit"),
		hubspotTry("another time", hs("X-HubSpot-Request-Timestamp", "1795600800001"), hubspotBody, address, signedAt, "does not fit"),
		hubspotTry("no signature", header("X-HubSpot-Request-Timestamp", "1795600800000"), hubspotBody, address, signedAt, "not signed"),
		hubspotTry("no time", header("X-HubSpot-Signature-v3", "HUBSPOT"), hubspotBody, address, signedAt, "not signed"),
		hubspotTry("the older signature alone", header("X-HubSpot-Signature", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"), hubspotBody, address, signedAt, "not signed"),
		standardTry("as in the specification", good, standardKey, seconds, ""),
		standardTry("two secrets, two signatures", "v1,"+other+" "+good, "whsec_"+other+" "+standardKey, seconds, ""),
		standardTry("ed25519", asymmetric, "whpk_"+base64.StdEncoding.EncodeToString(public), seconds, ""),
		standardTry("ed25519 passed off as a secret", strings.Replace(asymmetric, "v1a", "v1", 1), "whpk_"+base64.StdEncoding.EncodeToString(public), seconds, "does not fit"),
		standardTry("another secret", good, "whsec_"+other, seconds, "does not fit"),
		standardTry("another version", "v2"+good[2:], standardKey, seconds, "does not fit"),
		standardTry("stale", good, standardKey, seconds.Add(time.Hour), "five minutes"),
		standardTry("ahead", good, standardKey, seconds.Add(-time.Hour), "five minutes"),
		standardTry("unsigned", "", standardKey, seconds, "not signed"),
		standardTry("a secret that is none", good, "hunter2", seconds, "cannot be used"),
		closeTry("as signed", "1795600800", "CLOSE", `{"a":1}`, signedAt, ""),
		closeTry("another body", "1795600800", "CLOSE", `{"a":2}`, signedAt, "does not fit"),
		closeTry("another time", "1795600801", "CLOSE", `{"a":1}`, signedAt, "does not fit"),
		closeTry("stale", "1795600800", "CLOSE", `{"a":1}`, signedAt.Add(time.Hour), "five minutes"),
		closeTry("unsigned", "1795600800", "", `{"a":1}`, signedAt, "not signed"),
		{"attio: as signed", Source{Kind: Attio}, Delivery{Header: header("Attio-Signature", "ATTIO"), Body: []byte(`{"events":[]}`)}, []string{"attio-secret"}, signedAt, ""},
		{"attio: the other header", Source{Kind: Attio}, Delivery{Header: header("X-Attio-Signature", "ATTIO"), Body: []byte(`{"events":[]}`)}, []string{"attio-secret"}, signedAt, ""},
		{"attio: another body", Source{Kind: Attio}, Delivery{Header: header("Attio-Signature", "ATTIO"), Body: []byte(`{"events":[ ]}`)}, []string{"attio-secret"}, signedAt, "does not fit"},
		{"attio: unsigned", Source{Kind: Attio}, Delivery{Header: header(), Body: []byte(`{"events":[]}`)}, []string{"attio-secret"}, signedAt, "not signed"},
		{"pipedrive: signed in", Source{Kind: Pipedrive, User: "pipe"}, Delivery{Header: basic("pipe", "drive")}, []string{"old", "drive"}, signedAt, ""},
		{"pipedrive: wrong password", Source{Kind: Pipedrive, User: "pipe"}, Delivery{Header: basic("pipe", "drivel")}, []string{"drive"}, signedAt, "do not fit"},
		{"pipedrive: wrong user", Source{Kind: Pipedrive, User: "pipe"}, Delivery{Header: basic("pip", "drive")}, []string{"drive"}, signedAt, "do not fit"},
		{"pipedrive: no password", Source{Kind: Pipedrive, User: "pipe"}, Delivery{Header: header()}, []string{"drive"}, signedAt, "not signed"},
		{"salesforce: key and organization", goodSF, goodSFDelivery, []string{"long-random"}, signedAt, ""},
		{"salesforce: another organization", otherSF, otherSFDelivery, []string{"long-random"}, signedAt, "another organization"},
		{"salesforce: a guess", goodSF, wrongKey, []string{"long-random"}, signedAt, "does not fit"},
		{"salesforce: no key", goodSF, noKey, []string{"long-random"}, signedAt, "no key"},
	} {
		for k, v := range c.d.Header {
			for i := range v {
				v[i] = strings.NewReplacer("HUBSPOT", hubspotSignature, "CLOSE", closeSignature, "ATTIO", attioSignature).Replace(v[i])
			}
			c.d.Header[k] = v
		}
		err := c.source.vendor().verify(c.d, c.secrets, c.now)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func basicHeader(user, password string) http.Header {
	q := &http.Request{Header: http.Header{}}
	q.SetBasicAuth(user, password)
	return q.Header
}
