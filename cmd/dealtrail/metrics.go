package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dealtrail/trail"
)

// Metrics of this process, and of the pipe as all processes know it. No label holds
// an address, a name or anything else of a person.
var (
	metricAccepted = describe("events_accepted_total", "Events that this process made durable since its start.")
	metricLost     = describe("events_lost_total", "Clicks and opens that this process answered and could not make durable since its start. Anything over zero needs a person.")
	metricUnknown  = describe("unknown_tokens_total", "Requests since the start of this process for links and pixels that were never made: damaged on their way, or guessed.")
	metricLoaded   = describe("events_loaded_total", "Events that this process inserted into ClickHouse since its start, copies included.")
	metricTrimmed  = describe("entries_trimmed_total", "Entries that somebody else removed from the streams before this process loaded them. Anything over zero needs a person.")
	metricLag      = describe("load_lag_seconds", "From accepted to visible, of the oldest event of the last batch that this process loaded.")
	metricSpooled  = describe("spool_events", "Events that wait on this process's disk for Redis.")
	metricSpool    = describe("spool_bytes", "Bytes of disk that the spool of this process takes.")
	metricDamaged  = describe("spool_damaged_records_total", "Records of this process's spool that are unreadable. Anything over zero needs a person.")
	metricBoxes    = describe("mailboxes", "Mailboxes that this process reads, by state.", "state")

	metricBacklog = describe("backlog_events", "Events that are accepted and not yet visible, in the streams and on this process's disk.")
	metricAge     = describe("backlog_age_seconds", "Age of the oldest event that is accepted and not yet visible.")
	metricBalance = describe("balance_events", "The balance of the pipe, as last struck: accepted + surplus = stored + revisions + duplicates + bad + erased + expired + waiting + spooled + missing. Missing and surplus must be zero.", "term")
	metricStruck  = describe("balance_timestamp_seconds", "When the balance was last struck, in seconds since 1970.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dealtrail_"+name, help, labels, nil)
}

// metrics answers in Prometheus's format.
func (p *program) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(p, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Describe says which metrics Collect gives; it is prometheus.Collector's.
func (p *program) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		metricAccepted, metricLost, metricUnknown, metricLoaded, metricTrimmed, metricLag, metricSpooled, metricSpool, metricDamaged,
		metricBoxes, metricBacklog, metricAge, metricBalance, metricStruck,
	} {
		out <- d
	}
}

// Collect gives the metrics as they are now. What only Redis knows is left out
// while it does not answer, so that no stale number looks like a fresh one.
func (p *program) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	give := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	own := p.nodeStatus()
	give(metricAccepted, prometheus.CounterValue, float64(own.Accepted))
	give(metricLost, prometheus.CounterValue, float64(own.Lost))
	give(metricUnknown, prometheus.CounterValue, float64(p.tracker.Unknown()))
	give(metricSpooled, prometheus.GaugeValue, float64(own.Spooled))
	give(metricSpool, prometheus.GaugeValue, float64(own.SpoolSize))
	give(metricDamaged, prometheus.CounterValue, float64(own.Damaged))
	if p.roles.has("load") {
		give(metricLoaded, prometheus.CounterValue, float64(own.Loaded))
		give(metricTrimmed, prometheus.CounterValue, float64(own.Trimmed))
		give(metricLag, prometheus.GaugeValue, own.Lag)
	}
	states := map[string]int{}
	for _, m := range own.Mailboxes {
		states[m.State]++
	}
	for state, n := range states {
		give(metricBoxes, prometheus.GaugeValue, float64(n), state)
	}
	if depth, err := p.buffer.Depth(ctx); err == nil {
		give(metricBacklog, prometheus.GaugeValue, float64(depth.Waiting+depth.Spooled))
		give(metricAge, prometheus.GaugeValue, depth.Oldest.Seconds())
	}
	if b, err := p.buffer.Balance(ctx); err == nil && !b.At.IsZero() {
		give(metricStruck, prometheus.GaugeValue, float64(b.At.UnixMilli())/1000)
		for term, n := range balanceTerms(b) {
			give(metricBalance, prometheus.GaugeValue, float64(n), term)
		}
	}
}

func balanceTerms(b trail.Balance) map[string]uint64 {
	return map[string]uint64{
		"accepted": b.Accepted, "stored": b.Stored, "revisions": b.Revisions, "duplicates": b.Duplicates, "bad": b.Bad,
		"erased": b.Erased, "expired": b.Expired, "waiting": b.Waiting, "spooled": b.Spooled, "missing": b.Missing, "surplus": b.Surplus,
	}
}
