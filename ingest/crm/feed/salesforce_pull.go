package feed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"dealtrail/ingest/crm"
	"dealtrail/trail"
)

// salesforceAPI asks Salesforce by SOQL over REST. It signs in with an app's own
// credentials (client_id and client secret) and keeps the session in memory.
type salesforceAPI struct {
	*client
	mu         sync.Mutex
	session    string
	currencies *bool // whether amounts have currencies of their own; nil: not known yet
}

const (
	salesforcePath = "/services/data/v62.0"
	salesforceIDs  = 100 // that one question names; its address may have 16 KB
)

// signIn gets a session, and where to ask with it.
func (s *salesforceAPI) signIn(ctx context.Context) error {
	secret, err := s.source.Token()
	if err != nil {
		return fmt.Errorf("read its client secret: %w", err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.source.ClientID}, "client_secret": {secret}}
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.source.URL, "/")+"/services/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return errors.New("its url is no address")
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Accept", "application/json")
	var answer struct {
		Token text `json:"access_token"`
	}
	if err := s.send(q, &answer); err != nil {
		return err
	}
	if answer.Token == "" {
		return errors.New("it gives no access token")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = answer.Token.String()
	return nil
}

func (s *salesforceAPI) signed(q *http.Request, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.Header.Set("Authorization", "Bearer "+s.session)
}

// query asks for all rows of a question. path is query, or queryAll for deleted rows too.
func query[T any](ctx context.Context, s *salesforceAPI, path, soql string, take func([]T) error) error {
	s.sign, s.renewed = s.signed, s.signIn
	at := salesforcePath + "/" + path + "?" + url.Values{"q": {soql}}.Encode()
	for range maxPages {
		var answer struct {
			Done    bool   `json:"done"`
			Next    string `json:"nextRecordsUrl"`
			Records []T    `json:"records"`
		}
		if err := s.get(ctx, at, nil, &answer); err != nil {
			return err
		}
		if err := take(answer.Records); err != nil {
			return err
		}
		if answer.Done || !strings.HasPrefix(answer.Next, "/services/data/") || answer.Next == at {
			return nil
		}
		at = answer.Next
	}
	return nil
}

// pipelines: Salesforce has one list of stages; a sales process shows a part of it.
func (s *salesforceAPI) pipelines(ctx context.Context) ([]trail.CRMPipeline, error) {
	one := trail.CRMPipeline{ID: "opportunities", Name: "Opportunities"}
	err := query(ctx, s, "query", "SELECT ApiName, MasterLabel, IsClosed, IsWon, DefaultProbability FROM OpportunityStage WHERE IsActive = true ORDER BY SortOrder", func(rows []struct {
		Name        text
		ApiName     text
		MasterLabel text
		IsClosed    bool
		IsWon       bool
		Probability float64 `json:"DefaultProbability"`
	},
	) error {
		for _, r := range rows {
			stage := trail.CRMStage{ID: first(r.ApiName, r.MasterLabel), Name: first(r.MasterLabel, r.ApiName), Means: "open", Probability: min(max(r.Probability/100, 0), 1)}
			switch {
			case r.IsWon:
				stage.Means = "won"
			case r.IsClosed:
				stage.Means = "lost"
			}
			one.Stages = append(one.Stages, stage)
		}
		return nil
	})
	return []trail.CRMPipeline{one}, err
}

type salesforceRow struct {
	ID, Name, Amount, CurrencyIsoCode, StageName, CloseDate, CreatedDate, SystemModstamp text
	IsWon, IsClosed, IsDeleted                                                           text
	Owner                                                                                *struct{ Email, Name text }
	Account                                                                              *struct{ Name, Website text }
}

func (r salesforceRow) deal() Deal {
	d := opportunity(map[string]string{
		"Id": r.ID.String(), "Name": r.Name.String(), "Amount": r.Amount.String(), "CurrencyIsoCode": r.CurrencyIsoCode.String(), "StageName": r.StageName.String(),
		"CloseDate": r.CloseDate.String(), "CreatedDate": r.CreatedDate.String(), "SystemModstamp": r.SystemModstamp.String(),
		"IsWon": r.IsWon.String(), "IsClosed": r.IsClosed.String(), "IsDeleted": r.IsDeleted.String(),
	})
	d.Pipeline, d.Contacts = "opportunities", []Contact{}
	for _, cell := range []string{"owner", "account", "domain"} {
		d.Cells[cell] = ""
	}
	if r.Owner != nil {
		d.Cells["owner"] = first(r.Owner.Email, r.Owner.Name)
	}
	if r.Account != nil {
		d.Cells["account"], d.Cells["domain"] = r.Account.Name.String(), r.Account.Website.String()
	}
	return d
}

// fields are those of an opportunity that are asked for. An organization with one
// currency knows no CurrencyIsoCode.
func (s *salesforceAPI) fields(ctx context.Context) (string, error) {
	if s.currencies == nil {
		err := query(ctx, s, "query", "SELECT CurrencyIsoCode FROM Opportunity LIMIT 1", func([]struct{}) error { return nil })
		var t *trouble
		if err != nil && !(errors.As(err, &t) && t.status == http.StatusBadRequest) {
			return "", err
		}
		several := err == nil
		s.currencies = &several
	}
	fields := "Id, Name, Amount, StageName, CloseDate, CreatedDate, SystemModstamp, IsWon, IsClosed, IsDeleted, Owner.Email, Owner.Name, Account.Name, Account.Website"
	if *s.currencies {
		fields += ", CurrencyIsoCode"
	}
	return fields, nil
}

func (s *salesforceAPI) changed(ctx context.Context, since, closed time.Time, take func([]Deal) error) error {
	where := "SystemModstamp >= " + since.UTC().Format(time.RFC3339)
	path := "queryAll"
	if since.IsZero() {
		where, path = "IsClosed = false OR CloseDate >= "+closed.UTC().Format(time.DateOnly), "query"
	}
	return s.ask(ctx, path, where, take)
}

func (s *salesforceAPI) deals(ctx context.Context, ids []string) (all []Deal, err error) {
	for part := range slices.Chunk(ids, salesforceIDs) {
		err := s.ask(ctx, "query", "Id IN ("+soqlList(part)+")", func(deals []Deal) error {
			all = append(all, deals...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// soqlList writes texts as a list of SOQL; what would end a text is escaped.
func soqlList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(t) + "'"
	}
	return strings.Join(quoted, ",")
}

func (s *salesforceAPI) ask(ctx context.Context, path, where string, take func([]Deal) error) error {
	fields, err := s.fields(ctx)
	if err != nil {
		return err
	}
	return query(ctx, s, path, "SELECT "+fields+" FROM Opportunity WHERE "+where+" ORDER BY Id", func(rows []salesforceRow) error {
		for part := range slices.Chunk(rows, salesforceIDs) {
			deals := make([]Deal, len(part))
			for i, r := range part {
				deals[i] = r.deal()
			}
			if err := s.fill(ctx, deals); err != nil {
				return err
			}
			if err := take(deals); err != nil {
				return err
			}
		}
		return nil
	})
}

// fill adds the contact roles of opportunities, and the stages that they went through.
func (s *salesforceAPI) fill(ctx context.Context, deals []Deal) error {
	at, ids := map[string]int{}, []string{}
	for i, d := range deals {
		at[d.ID] = i
		ids = append(ids, d.ID)
	}
	err := query(ctx, s, "query", "SELECT OpportunityId, Role, Contact.Email, Contact.FirstName, Contact.LastName, Contact.Title FROM OpportunityContactRole WHERE OpportunityId IN ("+soqlList(ids)+") ORDER BY OpportunityId, IsPrimary DESC, Id", func(rows []struct {
		OpportunityID text `json:"OpportunityId"`
		Role          text
		Contact       *struct{ Email, FirstName, LastName, Title text }
	},
	) error {
		for _, r := range rows {
			if i, ok := at[crm.DealKey(r.OpportunityID.String())]; ok && r.Contact != nil {
				c := r.Contact
				deals[i].Contacts = append(deals[i].Contacts, Contact{"email": c.Email.String(), "first_name": c.FirstName.String(), "last_name": c.LastName.String(), "title": c.Title.String(), "role": r.Role.String()})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = query(ctx, s, "query", "SELECT OpportunityId, StageName, CreatedDate FROM OpportunityHistory WHERE OpportunityId IN ("+soqlList(ids)+") ORDER BY OpportunityId, CreatedDate", func(rows []struct {
		OpportunityID text `json:"OpportunityId"`
		StageName     text
		CreatedDate   text
	},
	) error {
		for _, r := range rows {
			if i, ok := at[crm.DealKey(r.OpportunityID.String())]; ok && r.StageName != "" && !r.CreatedDate.when().IsZero() {
				deals[i].Entered = append(deals[i].Entered, Entered{r.StageName.String(), r.CreatedDate.when()})
			}
		}
		return nil
	})
	for i := range deals {
		deals[i].Entered = entries(deals[i].Entered)
	}
	return err
}
