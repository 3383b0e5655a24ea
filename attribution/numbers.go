package attribution

import (
	"strings"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

// NumberTerms are what shared numbers are held against under the settings: money and
// what counts as seen are those of credit.
func (o Options) NumberTerms(zone *time.Location, service trail.ServiceTerms, answerDays int) store.NumberTerms {
	kinds := o.Kinds
	if len(kinds) == 0 {
		kinds = DefaultKinds()
	}
	service.Zone = zone
	if service.Answer == 0 {
		service.Answer = trail.AnswerHours * time.Hour
	}
	return store.NumberTerms{
		Zone: zone, Rates: store.Rates{Currency: strings.ToUpper(o.Currency), Digits: Digits(o.Currency), Of: o.Rates},
		Service: service, AnswerDays: answerDays, Kinds: texts(kinds), Window: o.Window,
	}
}
