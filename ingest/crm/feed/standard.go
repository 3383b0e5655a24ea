package feed

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// standard reads deliveries after Standard Webhooks 1.0: any tool that can sign so.
type standard struct{ *Source }

// verify: id, time in seconds and body, joined by dots, are signed by HMAC-SHA256 (v1,
// a secret whsec_) or ed25519 (v1a, a key whpk_). Several signatures and several secrets
// are a rotation under way: one pair is enough.
func (standard) verify(d Delivery, secrets []string, now time.Time) error {
	id, stamp := d.Header.Get("webhook-id"), d.Header.Get("webhook-timestamp")
	signatures := strings.Fields(d.Header.Get("webhook-signature"))
	if id == "" || strings.Contains(id, ".") || stamp == "" || len(signatures) == 0 || len(signatures) > 20 {
		return errUnsigned
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errUnsigned
	}
	if !isFresh(time.Unix(seconds, 0), now) {
		return errStale
	}
	signed := slices.Concat([]byte(id+"."+stamp+"."), d.Body)
	fits := false
	for _, secret := range secrets {
		key, public, err := ParseKey(secret)
		if err != nil {
			return err
		}
		for _, s := range signatures {
			version, encoded, _ := strings.Cut(s, ",")
			given, err := base64.StdEncoding.DecodeString(encoded)
			switch {
			case err != nil:
			case version == "v1" && !public && anyEqual(given, [][]byte{mac(key, signed)}):
				fits = true
			case version == "v1a" && public && ed25519.Verify(key, signed, given):
				fits = true
			}
		}
	}
	if !fits {
		return errForged
	}
	return nil
}

// ParseKey returns the key of a line of a secret file: whsec_ and 24 to 64 bytes, or
// whpk_ and an ed25519 public key, in base64.
func ParseKey(secret string) (key []byte, public bool, err error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
	if !ok {
		encoded, public = strings.CutPrefix(strings.TrimSpace(secret), "whpk_")
	}
	key, err = base64.StdEncoding.DecodeString(encoded)
	if err != nil || !ok && !public || public && len(key) != ed25519.PublicKeySize || !public && (len(key) < 24 || len(key) > 64) {
		return nil, false, errors.New("the secret cannot be used; expected whsec_ and 24 to 64 bytes in base64, or whpk_ and an ed25519 public key")
	}
	return key, public, nil
}

func (standard) name(d Delivery) string { return d.Header.Get("webhook-id") }

// standardTypes are the types of deliveries that are about a deal.
var standardTypes = []string{"deal.created", "deal.updated", "deal.stage_changed", "deal.amount_changed", "deal.closed", "deal.deleted", "deal.merged"}

// standardDeal is the data of a delivery. What is not there is not known, what is empty
// is cleared.
type standardDeal struct {
	ID       text  `json:"deal_id"`
	Name     *text `json:"name"`
	Stage    text  `json:"stage"`
	Pipeline text  `json:"pipeline"`
	Status   text  `json:"status"`
	Amount   *text `json:"amount"`
	Currency *text `json:"currency"`
	Owner    *text `json:"owner_email"`
	Account  *text `json:"company_name"`
	Domain   *text `json:"company_domain"`
	Reason   *text `json:"loss_reason"`
	Created  *text `json:"created_at"`
	Closed   *text `json:"closed_at"`
	Into     text  `json:"merged_into"`
	At       text  `json:"occurred_at"`
	Contacts []struct {
		Email text `json:"email"`
		Name  text `json:"name"`
		Title text `json:"title"`
		Role  text `json:"role"`
	} `json:"contacts"`
}

func (s standard) read(body []byte) ([]Change, error) {
	var of struct {
		Type text `json:"type"`
		At   text `json:"timestamp"`
	}
	if err := decode(body, &of); err != nil {
		return nil, err
	}
	switch kind := of.Type.String(); {
	case kind == "":
		return nil, errors.New("it has no type")
	case kind == "contact.erased":
		return s.erasure(body)
	case !strings.HasPrefix(kind, "deal."):
		return nil, nil
	case !slices.Contains(standardTypes, kind):
		return nil, fmt.Errorf("its type is none of %s", strings.Join(standardTypes, ", "))
	}
	var told struct {
		Data standardDeal `json:"data"`
	}
	if err := decode(body, &told); err != nil {
		return nil, err
	}
	t := told.Data
	at := text(first(t.At, of.At)).when()
	switch {
	case t.ID.String() == "":
		return nil, errors.New("its data has no deal_id")
	case at.IsZero():
		return nil, errors.New("neither occurred_at nor timestamp says when it happened")
	}
	d := Deal{
		ID: t.ID.String(), Stage: t.Stage.String(), Pipeline: t.Pipeline.String(), Status: t.Status.String(), Into: t.Into.String(), Modified: at,
		Gone: of.Type == "deal.deleted", Cells: t.cells(),
	}
	if d.Stage != "" && (of.Type == "deal.stage_changed" || of.Type == "deal.created") {
		d.Entered = []Entered{{d.Stage, at}}
	}
	if t.Contacts != nil {
		d.Contacts = []Contact{}
	}
	for _, c := range t.Contacts {
		contact := Contact{"email": c.Email.String()}
		for cell, v := range map[string]text{"name": c.Name, "title": c.Title, "role": c.Role} {
			if v != "" {
				contact[cell] = v.String()
			}
		}
		d.Contacts = append(d.Contacts, contact)
	}
	return []Change{{Whole: true, Deal: d}}, nil
}

func (t standardDeal) cells() map[string]string {
	cells := map[string]string{}
	for cell, v := range map[string]*text{"name": t.Name, "currency": t.Currency, "owner": t.Owner, "account": t.Account, "domain": t.Domain, "loss_reason": t.Reason} {
		if v != nil {
			cells[cell] = v.String()
		}
	}
	for cell, v := range map[string]*text{"created_at": t.Created, "closed_at": t.Closed} {
		if v != nil {
			cells[cell] = v.stamp()
		}
	}
	if t.Amount != nil {
		cells["amount"] = t.Amount.amount()
	}
	return cells
}

func (standard) erasure(body []byte) ([]Change, error) {
	var told struct {
		Data struct {
			Email text `json:"email"`
		} `json:"data"`
	}
	if err := decode(body, &told); err != nil {
		return nil, err
	}
	if told.Data.Email.String() == "" {
		return nil, errors.New("its data has no email of who is to be erased")
	}
	return []Change{{Erase: told.Data.Email.String()}}, nil
}
