package dashboards

import (
	"context"
	"slices"
	"time"

	"dealtrail/access"
	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// seen is what pages ask for as who asks may see it. It stands between all pages and
// the store, so that no page can forget it.
func (s *source) seen() {
	view := func(ctx context.Context) access.View { return access.From(ctx).View }
	if get := s.Deals; get != nil {
		s.Deals = func(ctx context.Context, q store.DealQuery, f store.Filter) ([]trail.DealRow, store.DealSums, error) {
			v := view(ctx)
			q.Every, q.Reps = v.All, nil
			v.Reps(q.Of)
			return get(ctx, q, f)
		}
	}
	if get := s.Deal; get != nil {
		s.Deal = func(ctx context.Context, id string, f store.Filter) (*trail.DealDetail, error) {
			d, err := get(ctx, id, f)
			if err != nil {
				return nil, view(ctx).Missing("deal", err)
			}
			return d, view(ctx).Deal(d)
		}
	}
	if get := s.Contact; get != nil {
		s.Contact = func(ctx context.Context, address string, f store.Filter) (*trail.ContactDetail, error) {
			d, err := get(ctx, address, f)
			if err != nil {
				return nil, view(ctx).Missing("contact", err)
			}
			return d, view(ctx).Contact(d)
		}
	}
	if get := s.Account; get != nil {
		s.Account = func(ctx context.Context, domain string, f store.Filter) (*trail.AccountDetail, error) {
			d, err := get(ctx, domain, f)
			if err != nil {
				return nil, view(ctx).Missing("account", err)
			}
			return d, view(ctx).Account(d)
		}
	}
	if get := s.Content; get != nil {
		s.Content = func(ctx context.Context, id string, f store.Filter) (*trail.ContentDetail, error) {
			d, err := get(ctx, id, f)
			if err == nil {
				view(ctx).Content(d)
			}
			return d, err
		}
	}
	if get := s.Review; get != nil {
		s.Review = func(ctx context.Context, week string, zone *time.Location, now time.Time, f store.Filter) (*trail.Review, error) {
			r, err := get(ctx, week, zone, now, f)
			if err == nil {
				view(ctx).Review(r)
			}
			return r, err
		}
	}
	if get := s.Quality; get != nil {
		s.Quality = func(ctx context.Context, f store.Filter) (*trail.Quality, error) {
			q, err := get(ctx, f)
			if err == nil {
				view(ctx).Quality(q)
			}
			return q, err
		}
	}
	s.ownSeen(view)
}

// ownSeen is seen for what is a rep's own.
func (s *source) ownSeen(view func(context.Context) access.View) {
	if get := s.Why; get != nil {
		s.Why = func(ctx context.Context, f store.Filter) (*trail.Why, error) {
			w, err := get(ctx, f)
			if err == nil {
				w.Rows = view(ctx).Why(w.Rows)
			}
			return w, err
		}
	}
	if get := s.OpenDeals; get != nil {
		s.OpenDeals = func(ctx context.Context, rep string, withPeople bool, f store.Filter) ([]store.OpenDeal, error) {
			deals, err := get(ctx, rep, withPeople, f)
			v := view(ctx)
			deals = slices.DeleteFunc(deals, func(store.OpenDeal) bool { return !v.Sees(trail.DealRow{Owner: rep}) })
			for _, d := range deals {
				v.Contacts(rep, d.Contacts)
			}
			return deals, err
		}
	}
	if do := s.Share; do != nil {
		s.Share = func(ctx context.Context, q ingest.ShareRequest) (ingest.Share, error) {
			share, err := do(ctx, q)
			share.Warnings = access.From(ctx).Warned(share.Warnings)
			return share, err
		}
	}
	if get := s.Shares; get != nil {
		s.Shares = func(ctx context.Context, rep string, now time.Time, f store.Filter) ([]trail.ShareRow, error) {
			if v := view(ctx); !v.Own(rep, time.Time{}) && !(v.All && v.Named) {
				return nil, nil // links are their rep's
			}
			rows, err := get(ctx, rep, now, f)
			view(ctx).SawShares(rows)
			return rows, err
		}
	}
}
