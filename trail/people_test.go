package trail_test

import (
	"testing"

	"dealtrail/trail"
)

// A link that went out leads back to rep and content for years: what the key
// makes of them must never change.
func TestAPermanentShareIsAlwaysTheSame(t *testing.T) {
	k := trail.ContactKey("one key")
	share := k.PermanentShare("ann@vendor.example", "roi-calculator")
	if again := k.PermanentShare(" Ann@Vendor.Example ", "roi-calculator"); again != share {
		t.Errorf("another way of writing the rep's address gives %s, want %s", again, share)
	}
	if want := trail.ShareID("4xmfqqn7wu"); share != want {
		t.Errorf("the share is %s, want %s as ever", share, want)
	}
	r := ring(t, keyA)
	if _, opened, err := r.Open(r.Seal(trail.KeyOf("roi-calculator"), share)); err != nil || opened != share {
		t.Errorf("a token of it opens to %q, %v", opened, err)
	}
}

func TestPermanentSharesTellRepsContentsAndKeysApart(t *testing.T) {
	k := trail.ContactKey("one key")
	seen := map[trail.ShareID]string{}
	for name, share := range map[string]trail.ShareID{
		"a and bc":    k.PermanentShare("a@vendor.example", "bc"),
		"another rep": k.PermanentShare("b@vendor.example", "bc"),
		"another one": k.PermanentShare("a@vendor.example", "b"),
		"moved c":     k.PermanentShare("a@vendor.exampleb", "c"),
		"another key": trail.ContactKey("two key").PermanentShare("a@vendor.example", "bc"),
	} {
		if other, ok := seen[share]; ok {
			t.Errorf("%s and %s are both %s", name, other, share)
		}
		seen[share] = name
	}
}

// What names people in the log stays as it was when the log began.
func TestContactsAndMessagesKeepTheirNames(t *testing.T) {
	k := trail.ContactKey("one key")
	if got, want := k.ID("Ann@Acme.example"), trail.ContactID("5fipl2udo6xin5glqkjcq4dj6q"); got != want {
		t.Errorf("the contact is %s, want %s", got, want)
	}
	if got, want := k.MessageHash("<1@acme.example>"), "xqqydnailfknfhmxulmjr6mbcu"; got != want {
		t.Errorf("the message is %s, want %s", got, want)
	}
}
