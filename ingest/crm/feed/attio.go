package feed

import (
	"cmp"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// attio reads deliveries of Attio, which name records by their IDs alone.
type attio struct{ *Source }

// verify: hex of HMAC-SHA256 over the body. No time is signed; a delivery is known by
// its Idempotency-Key, and one that comes again only makes us look again.
func (attio) verify(d Delivery, secrets []string, _ time.Time) error {
	given, err := hex.DecodeString(cmp.Or(d.Header.Get("Attio-Signature"), d.Header.Get("X-Attio-Signature")))
	if err != nil || len(given) == 0 {
		return errUnsigned
	}
	var wanted [][]byte
	for _, s := range secrets {
		wanted = append(wanted, mac([]byte(s), d.Body))
	}
	if !anyEqual(given, wanted) {
		return errForged
	}
	return nil
}

func (attio) name(d Delivery) string { return d.Header.Get("Idempotency-Key") }

// read: a record may be of any object, which the delivery names by an ID that only the
// workspace knows; asking for it as a deal tells.
func (attio) read(body []byte) ([]Change, error) {
	var told struct {
		Events []struct {
			Type text `json:"event_type"`
			ID   struct {
				Record text `json:"record_id"`
			} `json:"id"`
			Duplicate text `json:"duplicate_record_id"`
		} `json:"events"`
	}
	if err := decode(body, &told); err != nil {
		return nil, err
	}
	if told.Events == nil {
		return nil, errors.New("it has no events")
	}
	if len(told.Events) > maxChanges {
		return nil, errors.New("it has too many events")
	}
	var changes []Change
	for _, e := range told.Events {
		if e.Type == "" {
			return nil, errors.New("an event has no event_type")
		}
		if strings.HasPrefix(e.Type.String(), "record.") {
			changes = append(changes, hint(e.ID.Record), hint(e.Duplicate))
		}
	}
	return named(changes), nil
}
