package main

import (
	"time"

	"dealtrail/attribution"
	"dealtrail/trail"
)

// attribution returns what the configuration says of runs.
func (c *Config) attribution() attribution.Options {
	o := attribution.DefaultOptions(c.Company.Currency)
	o.Rates = c.Company.Rates
	o.Window = time.Duration(c.Attribution.WindowDays) * 24 * time.Hour
	o.Every = time.Duration(c.Attribution.Every)
	o.Source = c.Company.RatesSource
	o.Kinds = nil
	for _, k := range c.Attribution.Kinds {
		o.Kinds = append(o.Kinds, trail.Kind(k))
	}
	o.HalfLife = time.Duration(c.Attribution.HalfLifeDays) * 24 * time.Hour
	o.Stages, o.LeadStage, o.OpportunityStage = c.Attribution.Stages, c.Attribution.LeadStage, c.Attribution.OpportunityStage
	o.Landmark, o.Horizon, o.WonHorizon = c.Attribution.LandmarkWeeks, c.Attribution.HorizonWeeks, c.Attribution.WonWeeks
	for _, m := range c.Models {
		w := attribution.Weights{First: m.First, Lead: m.Lead, Opportunity: m.Opportunity, Last: m.Last, Others: m.Others, Contents: m.Contents}
		for k, factor := range m.Kinds {
			if w.Kinds == nil {
				w.Kinds = map[trail.Kind]float64{}
			}
			w.Kinds[trail.Kind(k)] = factor
		}
		o.Custom = append(o.Custom, attribution.Custom{Name: m.Name, Title: m.Title, Weights: w})
	}
	return o
}
