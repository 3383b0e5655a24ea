package store

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"dealtrail/trail"
)

// rules are what the settings of a run say of which touches may earn. What an
// older run does not say is zero.
type rules struct {
	kinds         []string
	window, burst int64 // milliseconds
}

// rulePair is what can differ between two runs besides events.
type rulePair struct {
	a, b   rules
	change trail.SettingsChange
	path   string // the model that tells whole paths, else the model itself
	whole  bool   // it tells them
	// touches: something differs that decides which touches may earn, besides kinds, window and burst.
	// settings: something differs that this model depends on.
	touches, settings bool
	driven, placed    bool // the model learns from all deals; it goes by where lead and deal begin
}

// wholePaths are the models under which every touch of a path earns.
var wholePaths = []string{"linear", "full", "u"}

// rulesOf compares the settings of two runs, line by line.
func rulesOf(p *pair) (r rulePair) {
	a, b := lines(p.a), lines(p.b)
	r.a, r.b = readRules(a), readRules(b)
	r.change = trail.SettingsChange{Before: without(a, b), After: without(b, a)}
	r.driven = strings.HasPrefix(p.model, "markov") || strings.HasPrefix(p.model, "shapley")
	r.placed = isPlaced(p.model, a) || isPlaced(p.model, b)
	for _, line := range slices.Concat(r.change.Before, r.change.After) {
		touches, model := r.concerns(line, p.model)
		r.touches, r.settings = r.touches || touches, r.settings || model
	}
	r.path = p.model
	for _, m := range wholePaths {
		if slices.Contains(p.a.Models, m) && slices.Contains(p.b.Models, m) && p.a.Reasons[m]+p.b.Reasons[m] == "" {
			r.path, r.whole = m, true
			break
		}
	}
	return r
}

// lines are the settings of a run, and its version.
func lines(r *run) []string {
	return append([]string{"version " + r.Version}, strings.Split(strings.TrimSpace(r.Settings), "\n")...)
}

// without returns the lines that the others do not have.
func without(all, others []string) []string {
	left := []string{}
	for _, line := range all {
		if line != "" && !slices.Contains(others, line) {
			left = append(left, line)
		}
	}
	return left
}

func readRules(lines []string) (r rules) {
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, " ")
		ms, _ := strconv.ParseInt(strings.TrimSuffix(rest, " ms"), 10, 64)
		switch name {
		case "kind":
			r.kinds = append(r.kinds, rest)
		case "window":
			r.window = ms
		case "burst":
			r.burst = ms
		}
	}
	return r
}

// concerns reports what a line that only one run has can change: which touches
// earn, beyond what the statement finds out for itself, and how a model divides a
// deal. A line that is not known may change anything.
func (r rulePair) concerns(line, model string) (touches, divides bool) {
	name, rest, _ := strings.Cut(line, " ")
	switch name {
	case "kind", "window", "burst":
		return false, true
	case "rate", "rates", "currency", "digits", "landmark", "horizon", "won", "replicates", "stage":
		return false, false // values are compared as such, and the others are of lifts and intervals
	case "half-life":
		return false, model == "decay"
	case "lead", "opportunity":
		return false, r.placed
	case "model":
		own, _, _ := strings.Cut(rest, " ")
		return false, own == model
	}
	return true, true
}

// isPlaced reports whether a model gives weight to where the lead or the deal began.
func isPlaced(model string, settings []string) bool {
	for _, line := range settings {
		if weights, ok := strings.CutPrefix(line, "model "+model+" "); ok {
			var w struct{ Lead, Opportunity float64 }
			return json.Unmarshal([]byte(weights), &w) != nil || w.Lead+w.Opportunity > 0
		}
	}
	return model == "w" || model == "full"
}
